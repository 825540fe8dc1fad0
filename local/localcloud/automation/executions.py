"""Executions and their steps: their state, how the API writes it, and the store that they are kept in."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from moto.ssm.models import SimpleSystemManagerBackend

from localcloud.automation.alarm_configuration import AlarmConfiguration
from localcloud.automation.documents import Runbook, Step
from localcloud.automation.failures import StepFailure
from localcloud.automation.fan_out import FanOut, Target
from localcloud.automation.interpolation import resolve
from localcloud.automation.interruption import Interruption
from localcloud.automation.parameters import bind
from localcloud.automation.slots import Slots, StartRate
from localcloud.automation.values import as_text, as_texts
from localcloud.automation.waiting import NextStep

AMAZON = "Amazon"
"""The owner of AWS's own documents."""

HISTORY = timedelta(days=30)
"""How long AWS keeps executions."""

NO_TARGETS = {"ParameterValues": [], "Truncated": False}

FINAL_STATUSES = {"Success", "Failed", "TimedOut", "Cancelled"}

NO_OUTPUT_YET = "No output available yet because the step is not successfully executed"


@dataclass(frozen=True)
class Iteration:
    """The run of a loop that a step belongs to."""

    loop: "StepExecution"
    number: int
    value: Any

    def describe(self) -> dict[str, Any]:
        """Return the run as ``ParentStepDetails``."""
        members = {
            "StepExecutionId": self.loop.id,
            "StepName": self.loop.step.name,
            "Action": self.loop.step.action,
            "Iteration": self.number,
        }
        return members if self.value is None else {**members, "IteratorValue": as_text(self.value)}


@dataclass
class StepExecution:
    """One step of an execution; a step that was never reached stays ``Pending``."""

    step: Step
    iteration: Iteration | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    status: str = "Pending"
    started: datetime | None = None
    ended: datetime | None = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    failure: StepFailure | None = None
    awaited: Any = None
    """What the step waits for, while its status is ``Waiting``."""

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
        if self.iteration:
            members["ParentStepDetails"] = self.iteration.describe()
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
    given: dict[str, list[str]] = field(default_factory=dict)
    """The parameters of the start, as they were given."""
    mode: str = "Auto"
    alarm: AlarmConfiguration | None = None
    """The alarm that stops the execution."""
    alarm_state: str | None = None
    """The alarm's state by which the execution was stopped."""
    fan_out: FanOut | None = None
    """With targets, the execution runs a child for each of them instead of steps."""
    target: str | None = None
    """The target of such a child."""
    id: str = field(default_factory=lambda: str(uuid4()))
    status: str = "Pending"
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    failure_message: str | None = None
    current_step: Step | None = None
    next_step: NextStep | None = None
    """The step that a person may start now, in mode ``Interactive``."""
    step_executions: list[StepExecution] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    interruption: Interruption = field(default_factory=Interruption)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        steps = self.fan_out.steps if self.fan_out else self.runbook.steps.values()
        self.step_executions = [StepExecution(step) for step in steps]
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
    def is_remembered(self) -> bool:
        """Whether its history is kept."""
        return self.ended is None or datetime.now(UTC) - self.ended < HISTORY

    @property
    def depth(self) -> int:
        """How many executions are above this one."""
        return self.parent.depth + 1 if self.parent else 0

    @property
    def outputs(self) -> dict[str, list[str]]:
        """The outputs that the runbook declares, as the API writes them."""
        return {output: self._output(output) for output in self.runbook.outputs}

    def for_target(self, target: Target) -> "Execution":
        """Return a child for one of the targets."""
        parameters = bind(self.runbook.parameters, {**self.given, **target.parameters})
        return Execution(
            document_name=self.document_name,
            document_version=self.document_version,
            runbook=self.runbook,
            parameters=parameters,
            role_arn=resolve(self.runbook.assume_role, parameters.get),
            executed_by=self.executed_by,
            owner=self.owner,
            account_id=self.account_id,
            region=self.region,
            partition=self.partition,
            parent=self,
            target=target.name,
        )

    def describe(self) -> dict[str, Any]:
        """Return the execution as ``AutomationExecution``."""
        with self.lock:
            return {
                **self._common_members(),
                "StepExecutions": [step.describe() for step in self.step_executions],
                "StepExecutionsTruncated": False,
                **(self._progress if self.fan_out else {}),
                "Parameters": {name: as_texts(value) for name, value in self.parameters.items()},
                "Variables": {name: as_texts(value) for name, value in dict(self.variables).items()},
            }

    def summarize(self) -> dict[str, Any]:
        """Return the execution as ``AutomationExecutionMetadata``."""
        with self.lock:
            return {**self._common_members(), "LogFile": "", "AutomationType": "Local"}

    def _common_members(self) -> dict[str, Any]:
        targets = self.fan_out.describe() if self.fan_out else {"Targets": [], "ResolvedTargets": NO_TARGETS}
        members = {
            **targets,
            "AutomationExecutionId": self.id,
            "DocumentName": self.document_name,
            "DocumentVersion": self.document_version,
            "ExecutionStartTime": self.started,
            "ExecutionEndTime": self.ended,
            "AutomationExecutionStatus": self.status,
            "Outputs": self.outputs,
            "FailureMessage": self.failure_message,
            "Mode": self.mode,
            "Target": self.target,
            "ParentAutomationExecutionId": self.parent.id if self.parent else None,
            "ExecutedBy": self.executed_by,
            "CurrentStepName": self.current_step.name if self.current_step else None,
            "CurrentAction": self.current_step.action if self.current_step else None,
            **(self._alarm_members if self.alarm else {}),
        }
        return {name: value for name, value in members.items() if value is not None}

    @property
    def _alarm_members(self) -> dict[str, Any]:
        members = {"AlarmConfiguration": self.alarm.describe()}
        if self.alarm_state:
            members["TriggeredAlarms"] = [{"Name": self.alarm.name, "State": self.alarm_state}]
        return members

    @property
    def _progress(self) -> dict[str, Any]:
        counted = Counter(step.status for step in self.step_executions)
        return {
            "ProgressCounters": {
                "TotalSteps": len(self.step_executions),
                "SuccessSteps": counted["Success"],
                "FailedSteps": counted["Failed"],
                "CancelledSteps": counted["Cancelled"],
                "TimedOutSteps": counted["TimedOut"],
            }
        }

    def begin(self, step: Step, iteration: Iteration | None) -> StepExecution:
        """Return the record for a step that begins; in a loop, each run of it has its own."""
        if iteration is None:
            return next(record for record in self.step_executions if record.step is step)
        record = StepExecution(step, iteration)
        last = max(
            position
            for position, known in enumerate(self.step_executions)
            if known is iteration.loop or (known.iteration and known.iteration.loop is iteration.loop)
        )
        self.step_executions.insert(last + 1, record)
        return record

    def _output(self, output: str) -> list[str]:
        step, _, name = output.partition(".")
        for record in reversed(self.step_executions):
            if record.step.name == step and name in record.outputs:
                return as_texts(record.outputs[name])
        return [NO_OUTPUT_YET]


class Executions:
    """All executions of one account and Region."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.slots = Slots()
        self.starts = StartRate()
        self.started_requests: dict[str, tuple[dict[str, Any], str]] = {}
        """By client token: the request that it came with first, and the execution that it started."""
        self._by_id: dict[str, Execution] = {}

    def add(self, execution: Execution) -> None:
        """Keep an execution."""
        self._by_id[execution.id] = execution

    def get(self, execution_id: str) -> Execution | None:
        """Return an execution, unless AWS would have forgotten it by now."""
        execution = self._by_id.get(execution_id)
        return execution if execution and execution.is_remembered else None

    def __iter__(self) -> Iterator[Execution]:
        """Iterate over the executions, the newest first."""
        with self.lock:
            return reversed([each for each in self._by_id.values() if each.is_remembered])

    def abandon(self) -> None:
        """End whatever runs, without a trace."""
        for execution in list(self._by_id.values()):
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
