"""The verdict on everything that a call needs, kept for the proof."""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.permissions import seen
from localcloud.permissions.decisions import decide_for_role
from localcloud.permissions.policies import Check
from localcloud.permissions.roles import StackRole


def denial(role: StackRole, checks: Iterable[Check], operation: str, region: str) -> str | None:
    """Return why the role may not do what the operation needs, or None if it may."""
    for check in checks:
        decision = decide_for_role(role, check, region)
        seen.note(role, operation, decision)
        if decision.denial:
            return decision.denial
    return None
