"""Stacks and change sets as they are kept, and the events that tell their story."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudformation.models import cloudformation_backends

from localcloud import journal
from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.template import Content
from localcloud.settings import ACCOUNT_ID, PARTITION, REGION

STACK_TYPE = "AWS::CloudFormation::Stack"


@dataclass
class Resource:
    """A resource that a stack has made."""

    logical_id: str
    type: str
    physical_id: str
    properties: dict[str, Any]
    """As they were given to the service: all expressions evaluated."""
    depends_on: set[str]
    deletion_policy: str
    update_replace_policy: str
    status: str
    changed: datetime
    reason: str | None = None


@dataclass(frozen=True)
class Output:
    """A value that a stack shows, and perhaps exports."""

    key: str
    value: str
    description: str | None
    export_name: str | None


@dataclass(frozen=True)
class Event:
    """One line of a stack's story."""

    event_id: str
    at: datetime
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str | None
    token: str | None


@dataclass(frozen=True)
class Target:
    """What a stack shall be: the answer to one create, update or change set."""

    body: str
    content: Content
    """The template after its transforms."""
    parameters: dict[str, str]
    tags: dict[str, str]
    capabilities: list[str]
    role_arn: str | None = None
    notification_arns: list[str] = field(default_factory=list)
    token: str | None = None


@dataclass
class Stack:
    """One stack, from its first change set or creation on, and after its deletion."""

    id: str
    name: str
    status: str
    created: datetime
    target: Target | None = None
    """What it is now; none while its first change set waits."""
    reason: str | None = None
    updated: datetime | None = None
    deleted: datetime | None = None
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    """The exports of other stacks that its template uses."""
    events: list[Event] = field(default_factory=list)
    termination_protection: bool = False
    disable_rollback: bool = False
    timeout_minutes: int | None = None
    policy: str | None = None
    way_back: Callable[[], None] | None = None
    """Rolls a failed operation back whose rollback was disabled."""

    def set_status(self, status: str, reason: str | None = None) -> None:
        """Move on to another status, and tell of it."""
        self.status, self.reason = status, reason
        self.tell(self.name, self.id, STACK_TYPE, status, reason)
        journal.record("stack", stack=self.name, status=status, reason=reason)

    def tell(
        self, logical_id: str, physical_id: str, type_: str, status: str, reason: str | None = None
    ) -> None:
        """Add an event. No two have the same time: SAM goes by the time when it asks for what is new."""
        at = _now()
        if self.events:
            at = max(at, self.events[-1].at + timedelta(milliseconds=1))
        token = self.target.token if self.target else None
        self.events.append(
            Event(str(uuid.uuid4()), at, logical_id, physical_id, type_, status, reason, token)
        )

    @property
    def in_progress(self) -> bool:
        """Whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


@dataclass
class ChangeSet:
    """What an update or creation would do, kept until it is executed."""

    id: str
    name: str
    type: str
    stack: Stack
    created: datetime
    description: str | None
    request: dict[str, Any]
    target: Target | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    status: str = "CREATE_COMPLETE"
    reason: str | None = None
    execution_status: str = "AVAILABLE"

    def fail(self, reason: str) -> None:
        """Keep the change set only as the bearer of its reason."""
        self.status, self.reason, self.execution_status = "FAILED", reason, "UNAVAILABLE"


@dataclass
class Store:
    """All stacks and change sets of the account; emptied when the account is."""

    stacks: list[Stack] = field(default_factory=list)
    change_sets: list[ChangeSet] = field(default_factory=list)

    def find(self, name_or_id: str) -> Stack | None:
        """Return a stack by its id, or a stack that is not deleted by its name."""
        for stack in reversed(self.stacks):
            if stack.id == name_or_id or (stack.name == name_or_id and stack.status != "DELETE_COMPLETE"):
                return stack
        return None

    def get(self, name_or_id: str) -> Stack:
        """Return the stack, or say that there is none as the clients expect it."""
        stack = self.find(name_or_id)
        if stack is None:
            raise InvalidTemplate(f"Stack with id {name_or_id} does not exist")
        return stack

    def exports(self) -> dict[str, tuple[Stack, Output]]:
        """Return what the stacks export, by the exports' names."""
        return {
            output.export_name: (stack, output)
            for stack in self.stacks
            if stack.status != "DELETE_COMPLETE"
            for output in stack.outputs
            if output.export_name
        }

    def importers(self, export: str) -> list[Stack]:
        """Return the stacks that use an export."""
        return [s for s in self.stacks if export in s.imports and s.status != "DELETE_COMPLETE"]


def store() -> Store:
    """Return the account's stacks. They hang on moto's backend, so that its reset empties them."""
    backend = cloudformation_backends[ACCOUNT_ID][REGION]
    return backend.__dict__.setdefault("local_stacks", Store())


def new_stack(name: str, status: str) -> Stack:
    """Begin a stack."""
    arn = f"arn:{PARTITION}:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{name}/{uuid.uuid4()}"
    stack = Stack(arn, name, status, _now())
    store().stacks.append(stack)
    stack.set_status(status, "User Initiated")
    return stack


def new_change_set_id(name: str) -> str:
    """Return the ARN of a change set that is about to be made."""
    return f"arn:{PARTITION}:cloudformation:{REGION}:{ACCOUNT_ID}:changeSet/{name}/{uuid.uuid4()}"


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
