"""What IAM decides about one check: from the caller's policies, and from those of the resource."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.permissions.policies import Check, Match, Principal, matches
from localcloud.permissions.resource_policies import policy_of
from localcloud.permissions.roles import StackRole
from localcloud.settings import ACCOUNT_ID, PARTITION

_ACCOUNT = {ACCOUNT_ID, f"arn:{PARTITION}:iam::{ACCOUNT_ID}:root"}


@dataclass(frozen=True)
class Decision:
    """What was asked, and the answer."""

    check: Check
    matches: tuple[Match, ...]
    """The statements of the caller's own policies that allow it."""
    denial: str | None
    """Why not, in the words of AWS; None if it is allowed."""


def decide_for_role(role: StackRole, check: Check, region: str) -> Decision:
    """Decide about a session of a role."""
    context = {
        "aws:principalaccount": (ACCOUNT_ID,),
        "aws:principalarn": (role.arn,),
        "aws:requestedregion": (region,),
        # The local cloud speaks no TLS; on AWS, nothing of Mend does without.
        "aws:securetransport": ("true",),
        **_of_resource(check),
        **dict(check.context),
    }
    own = [m for name, document in role.policies.items() for m in matches(name, document, check, context)]
    names = {role.arn, role.session_arn}

    def by_name(principal: Principal | None) -> bool:
        return principal == "*" or _names(principal, "AWS", names | {"*"})

    policy = policy_of(check.resource)
    directly = matches("resource", policy or "", check, context, by_name)
    through_account = matches("resource", policy or "", check, context, _names_account)
    allowing = tuple(match for match in own if match.effect == "Allow")
    is_allowed_by_own = bool(allowing)
    if check.action.startswith("kms:"):
        # A key's own policy must let the account's policies count.
        is_allowed_by_own = bool(allowing) and _allow(through_account)
    if _deny(own):
        reason = "with an explicit deny in an identity-based policy"
    elif _deny(directly) or _deny(through_account):
        reason = "with an explicit deny in a resource-based policy"
    elif is_allowed_by_own or _allow(directly):
        return Decision(check, allowing, None)
    else:
        kind = "resource-based" if allowing else "identity-based"
        reason = f"because no {kind} policy allows the {check.action} action"
    return Decision(check, allowing, _refusal(role.session_arn, check, reason))


def _of_resource(check: Check) -> dict[str, tuple[str, ...]]:
    """S3's ARNs do not name the account; there is only one."""
    parts = check.resource.split(":")
    return {"aws:resourceaccount": (parts[4] or ACCOUNT_ID,)} if len(parts) > 4 else {}


def _names_account(principal: Principal | None) -> bool:
    return _names(principal, "AWS", _ACCOUNT)


def _names(principal: Principal | None, kind: str, names: set[str]) -> bool:
    return isinstance(principal, dict) and not names.isdisjoint(principal.get(kind, []))


def _allow(found: list[Match]) -> bool:
    return any(match.effect == "Allow" for match in found)


def _deny(found: list[Match]) -> bool:
    return any(match.effect == "Deny" for match in found)


def _refusal(caller: str, check: Check, reason: str) -> str:
    on = "" if check.resource == "*" else f" on resource: {check.resource}"
    text = f"User: {caller} is not authorized to perform: {check.action}{on} {reason}"
    if check.action.startswith("ec2:"):
        return f"You are not authorized to perform this operation. {text}"
    return text
