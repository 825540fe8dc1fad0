"""IAM: what every call needs, and whether the role that makes it may.

Only the roles of a stack are held to their policies. Whoever uses the local cloud from outside, and the
roles that tests make by hand, may do everything.
"""

from __future__ import annotations

import contextlib

from localcloud import calls, journal
from localcloud.calls import Authorization, Call
from localcloud.permissions import seen
from localcloud.permissions.actions import checks_of
from localcloud.permissions.actions.operation import Place
from localcloud.permissions.decisions import decide_for_role
from localcloud.permissions.policies import Check
from localcloud.permissions.roles import StackRole, role_of_arn, role_of_session


def install() -> None:
    """Ask here about every call."""
    calls.authorize = authorize


def authorize(call: Call) -> Authorization:
    """Say what a call touches as IAM sees it, and why it is refused, if it is."""
    role = role_of_session(call.principal)
    place = Place(call.region)
    if role is None:
        # Nothing depends on it, and a request need not be a valid one yet.
        with contextlib.suppress(Exception):
            return Authorization(_fields(checks_of(call.service, call.operation, call.parameters, place)))
        return Authorization()
    operation = f"{call.service}:{call.operation}"
    try:
        checks = checks_of(call.service, call.operation, call.parameters, place)
        return Authorization(_fields(checks), _denial(role, checks, operation, place))
    except Exception as error:
        seen.note_unjudged(role, operation, error)
        raise


def allows(role_arn: str, checks: list[Check], operation: str, region: str) -> bool:
    """Say whether a role allows what a service does under it without a call of its own, such as writing logs.

    `operation` says what that is. A refusal is in the journal.
    """
    role = role_of_arn(role_arn, "service")
    if role is None:
        return True
    denial = _denial(role, checks, operation, Place(region))
    if denial:
        journal.record("denied", operation=operation, message=denial)
    return denial is None


def _denial(role: StackRole, checks: list[Check], operation: str, place: Place) -> str | None:
    """Return why the role may not, if it may not."""
    for check in checks:
        decision = decide_for_role(role, check, place.region)
        seen.note(role, operation, decision)
        if decision.denial:
            return decision.denial
    return None


def _fields(checks: list[Check]) -> dict[str, object]:
    """Return the journal's fields: the actions, and what they touch."""
    actions = dict.fromkeys(check.action for check in checks)
    resources = dict.fromkeys(check.resource for check in checks)
    return {"action": ", ".join(actions), "resources": list(resources)}
