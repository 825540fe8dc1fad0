"""What AWS's services may do in their own name: for that, the policy of what they reach must let them in."""

from __future__ import annotations

import json
from typing import Any

from localcloud.permissions.conditions import as_texts
from localcloud.permissions.policies import Check, Principal, matches


def service_may(
    service: str,
    check: Check,
    policy: str | dict[str, Any] | None,
    source_arn: str,
    source_account: str | None = None,
) -> bool:
    """Say whether the policy lets the service (`events.amazonaws.com`) do it for the source.

    Not every service says for which account it acts: EventBridge does not.
    """
    document = json.dumps(policy) if isinstance(policy, dict) else policy or ""
    context = {"aws:securetransport": ("true",), "aws:sourcearn": (source_arn,), **dict(check.context)}
    if source_account:
        context["aws:sourceaccount"] = (source_account,)

    def concerns(principal: Principal | None) -> bool:
        return principal == "*" or (
            isinstance(principal, dict) and service in as_texts(principal.get("Service", []))
        )

    effects = {match.effect for match in matches("resource", document, check, context, concerns)}
    return effects == {"Allow"}
