"""What `localcloud.calls` asks about every call."""

from __future__ import annotations

import contextlib

from localcloud.calls import Authorization, Call
from localcloud.permissions import seen
from localcloud.permissions.actions import checks_of
from localcloud.permissions.actions.operation import Place
from localcloud.permissions.policies import Check
from localcloud.permissions.roles import role_of_session
from localcloud.permissions.verdicts import denial


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
        return Authorization(_fields(checks), denial(role, checks, operation, call.region))
    except Exception as error:
        seen.note_unjudged(role, operation, error)
        raise


def _fields(checks: list[Check]) -> dict[str, object]:
    """Return the journal's fields: the actions, and what they touch."""
    actions = dict.fromkeys(check.action for check in checks)
    resources = dict.fromkeys(check.resource for check in checks)
    return {"action": ", ".join(actions), "resources": list(resources)}
