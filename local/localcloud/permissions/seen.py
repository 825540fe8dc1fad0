"""What roles were seen to do, written into a file for the proof that they may do that and nothing else.

The file grows by a line for each thing that this process has not seen before. Without a file, nothing is
written.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from moto.ssm.models import ssm_backends

from localcloud.automation.executions import executions_of
from localcloud.permissions.decisions import Decision
from localcloud.permissions.roles import StackRole
from localcloud.settings import ACCOUNT_ID, REGION

FILE_VARIABLE = "LOCAL_CLOUD_SEEN_PERMISSIONS"
"""Names the file; an environment variable, so that clouds in processes of their own write into it, too."""

_lock = threading.Lock()
_written: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Seen:
    """Something that a role of a stack did, or was not allowed to do."""

    stack: str
    role: str
    """The role's logical id."""
    action: str
    operation: str
    """What needed the action: `dynamodb:TransactWriteItems`."""
    by: str
    """Who did it: a runbook, or a function or schedule by its name without the stack's."""
    step: str
    """The runbook's step; empty for a function."""
    allowed_by: tuple[tuple[str, str, int], ...]
    """Policy, statement, and the position of the resource in it."""
    problem: str | None = None
    """Why it was not allowed."""


def note(role: StackRole, operation: str, decision: Decision) -> None:
    """Write down what was decided."""
    if FILE_VARIABLE not in os.environ:
        return
    allowed_by = tuple((match.policy, match.sid, match.resource_position) for match in decision.matches)
    by, step = _doer(role)
    action = decision.check.action
    _write(Seen(role.stack, role.logical_id, action, operation, by, step, allowed_by, decision.denial))


def note_unjudged(role: StackRole, operation: str, error: Exception) -> None:
    """Write down a call that nobody could judge."""
    if FILE_VARIABLE in os.environ:
        by, step = _doer(role)
        problem = f"{type(error).__name__}: {error}"
        _write(Seen(role.stack, role.logical_id, "", operation, by, step, (), problem))


def read(file: Path) -> Iterator[Seen]:
    """Yield what is in the file."""
    for line in file.read_text().splitlines():
        fields = json.loads(line)
        yield Seen(**{**fields, "allowed_by": tuple(map(tuple, fields["allowed_by"]))})


def _doer(role: StackRole) -> tuple[str, str]:
    """Return the function or schedule, or the runbook and its step."""
    execution_id = role.session.removeprefix("Automation-")
    if execution_id != role.session:
        execution = executions_of(ssm_backends[ACCOUNT_ID][REGION]).get(execution_id)
        step = execution.current_step if execution else None
        return (execution.document_name if execution else "", step.name if step else "")
    return role.session.removeprefix(f"{role.stack}-"), ""


def _write(thing: Seen) -> None:
    file = os.environ[FILE_VARIABLE]
    line = json.dumps(asdict(thing))
    with _lock:
        if (file, line) in _written:
            return
        _written.add((file, line))
        with open(file, "a") as opened:
            opened.write(f"{line}\n")
