"""Executions and their steps: their state, how the API writes it, and the store that they are kept in."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from moto.ssm.models import SimpleSystemManagerBackend

from localcloud.automation.documents import Runbook, Step
from localcloud.automation.failures import StepFailure
from localcloud.automation.interruption import Interruption
from localcloud.automation.values import as_texts

AMAZON = "Amazon"
"""The owner of AWS's own documents."""

FINAL_STATUSES = {"Success", "Failed", "TimedOut", "Cancelled"}

NO_OUTPUT_YET = "No output available yet because the step is not successfully executed"


@dataclass
class StepExecution:
    """One step of an execution; a step that was never reached stays ``Pending``."""

    step: Step
    id: str = field(default_factory=lambda: str(uuid4()))
    status: str = "Pending"
    started: datetime | None = None
    ended: datetime | None = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    failure: StepFailure | None = None

    def describe(self) -> dict[str, Any]:
        """Return the step as ``StepExecution``."""
        step = self.step
        members = {
            "StepName": step.name,
            "Action": step.action,
            "TimeoutSeconds": step.timeout_seconds,
            "OnFailure": step.on_failure,
            "MaxAttempts": step.max_attempts,
            "ExecutionStartTime": self.started,
            "ExecutionEndTime": self.ended,
            "StepStatus": self.status,
            "Inputs": {name: json.dumps(value) for name, value in (self.inputs or {}).items()},
            "Outputs": {name: as_texts(value) for name, value in self.outputs.items()},
            "StepExecutionId": self.id,
            "OverriddenParameters": {},
            "IsEnd": step.is_end,
            "NextStep": step.successor,
            "IsCritical": step.is_critical,
            "ValidNextSteps": step.targets,
        }
        if self.failure:
            members["FailureMessage"] = self.failure.message
            members["FailureDetails"] = {"FailureStage": self.failure.stage, "FailureType": self.failure.kind}
        return {name: value for name, value in members.items() if value is not None}


@dataclass
class Execution:
    """One run of a runbook. The thread that runs it writes; API calls read under the lock."""

    document_name: str
    document_version: str
    runbook: Runbook
    parameters: dict[str, Any]
    role_arn: str
    executed_by: str
    owner: str
    """Who owns the document: the account's id, or Amazon."""
    account_id: str
    region: str
    partition: str
    parent: "Execution | None" = None
    """The execution of which a step started this one."""
    id: str = field(default_factory=lambda: str(uuid4()))
    status: str = "Pending"
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    failure_message: str | None = None
    current_step: Step | None = None
    steps: dict[str, StepExecution] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    interruption: Interruption = field(default_factory=Interruption)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.steps = {name: StepExecution(step) for name, step in self.runbook.steps.items()}
        declared = self.runbook.variables.values()
        self.variables = {
            variable.name: variable.default for variable in declared if variable.default is not None
        }

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return f"arn:{self.partition}:ssm:{self.region}:{self.account_id}:automation-execution/{self.id}"

    @property
    def definition_arn(self) -> str:
        """The ARN of the runbook's version."""
        account_id = "" if self.is_of_amazon else self.account_id
        definition = f"automation-definition/{self.document_name}:{self.document_version}"
        return f"arn:{self.partition}:ssm:{self.region}:{account_id}:{definition}"

    @property
    def is_of_amazon(self) -> bool:
        """Whether the document is AWS's own; here, a stand-in for it runs."""
        return self.owner == AMAZON

    @property
    def depth(self) -> int:
        """How many executions are above this one."""
        return self.parent.depth + 1 if self.parent else 0

    @property
    def outputs(self) -> dict[str, list[str]]:
        """The outputs that the runbook declares, as the API writes them."""
        return {output: self._output(output) for output in self.runbook.outputs}

    def describe(self) -> dict[str, Any]:
        """Return the execution as ``AutomationExecution``."""
        with self.lock:
            return {
                **self._common_members(),
                "StepExecutions": [step.describe() for step in self.steps.values()],
                "StepExecutionsTruncated": False,
                "Parameters": {name: as_texts(value) for name, value in self.parameters.items()},
                "Variables": {name: as_texts(value) for name, value in dict(self.variables).items()},
            }

    def summarize(self) -> dict[str, Any]:
        """Return the execution as ``AutomationExecutionMetadata``."""
        with self.lock:
            return {**self._common_members(), "LogFile": "", "AutomationType": "Local"}

    def _common_members(self) -> dict[str, Any]:
        members = {
            "AutomationExecutionId": self.id,
            "DocumentName": self.document_name,
            "DocumentVersion": self.document_version,
            "ExecutionStartTime": self.started,
            "ExecutionEndTime": self.ended,
            "AutomationExecutionStatus": self.status,
            "Outputs": self.outputs,
            "FailureMessage": self.failure_message,
            "Mode": "Auto",
            "ParentAutomationExecutionId": self.parent.id if self.parent else None,
            "ExecutedBy": self.executed_by,
            "CurrentStepName": self.current_step.name if self.current_step else None,
            "CurrentAction": self.current_step.action if self.current_step else None,
            "Targets": [],
            "ResolvedTargets": {"ParameterValues": [], "Truncated": False},
        }
        return {name: value for name, value in members.items() if value is not None}

    def _output(self, output: str) -> list[str]:
        step, _, name = output.partition(".")
        outputs = self.steps[step].outputs
        return as_texts(outputs[name]) if name in outputs else [NO_OUTPUT_YET]


class Executions:
    """All executions of one account and Region."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.started_requests: dict[str, tuple[dict[str, Any], str]] = {}
        """By client token: the request that it came with first, and the execution that it started."""
        self._by_id: dict[str, Execution] = {}

    def add(self, execution: Execution) -> None:
        """Keep an execution."""
        self._by_id[execution.id] = execution

    def get(self, execution_id: str) -> Execution | None:
        """Return an execution."""
        return self._by_id.get(execution_id)

    def __iter__(self) -> Iterator[Execution]:
        """Iterate over the executions, the newest first."""
        with self.lock:
            return reversed(list(self._by_id.values()))

    def abandon(self) -> None:
        """End whatever runs, without a trace."""
        for execution in self:
            execution.interruption.abandon()


_stores_lock = threading.Lock()
_stores: WeakSet[Executions] = WeakSet()


def executions_of(backend: SimpleSystemManagerBackend) -> Executions:
    """Return the executions of a backend; a reset of moto empties it, and these with it."""
    with _stores_lock:
        store = vars(backend).get("automation_executions")
        if store is None:
            store = Executions()
            backend.automation_executions = store
            _stores.add(store)
        return store


def abandon_all() -> None:
    """End everything that runs, because the cloud ends."""
    with _stores_lock:
        for store in _stores:
            store.abandon()
