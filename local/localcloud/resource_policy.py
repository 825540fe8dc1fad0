"""Whether a resource's own policy lets an AWS service in: that of a function, a queue or a topic."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

_POSITIVE = {
    "StringEquals": lambda value, expected: value == expected,
    "ArnEquals": lambda value, expected: fnmatch.fnmatchcase(value, expected),
    "ArnLike": lambda value, expected: fnmatch.fnmatchcase(value, expected),
    "StringLike": lambda value, expected: fnmatch.fnmatchcase(value, expected),
    "Bool": lambda value, expected: value == str(expected).lower(),
}


def allows(
    policy: str | dict[str, Any] | None,
    service: str,
    action: str,
    source_arn: str,
    source_account: str | None = None,
) -> bool:
    """Return whether the policy lets the service (`events.amazonaws.com`) do the action for the source.

    A condition this cannot evaluate counts as not met, so that a permission is never assumed. Not every
    service says for which account it acts: EventBridge does not.
    """
    document = json.loads(policy) if isinstance(policy, str) and policy else policy or {}
    context = {"aws:sourcearn": source_arn, "aws:securetransport": "true"}
    if source_account:
        context["aws:sourceaccount"] = source_account
    effects = {
        statement["Effect"]
        for statement in _many(document.get("Statement"))
        if _names(statement.get("Principal"), service)
        and any(fnmatch.fnmatchcase(action.lower(), a.lower()) for a in _many(statement.get("Action")))
        and _conditions_hold(statement.get("Condition") or {}, context)
    }
    return "Allow" in effects and "Deny" not in effects


def _names(principal: Any, service: str) -> bool:
    if isinstance(principal, dict):
        return service in _many(principal.get("Service"))
    return principal == "*"


def _conditions_hold(conditions: dict[str, dict[str, Any]], context: dict[str, str]) -> bool:
    for operator, keys in conditions.items():
        compare = _POSITIVE.get(operator)
        for key, expected in keys.items():
            value = context.get(key.lower())
            if compare is None or value is None or not any(compare(value, e) for e in _many(expected)):
                return False
    return True


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
