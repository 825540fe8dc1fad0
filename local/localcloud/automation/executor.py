"""Running an execution: the control flow of schema 0.3, in a thread of its own."""

import math
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.automation import events
from localcloud.automation.actions import ACTIONS
from localcloud.automation.actions.action import Result, StepContext
from localcloud.automation.documents import Step
from localcloud.automation.executions import FINAL_STATUSES, Execution, Executions, StepExecution
from localcloud.automation.failures import Abandoned, Cancelled, StepFailure
from localcloud.automation.interpolation import Scope, UnresolvedReference, resolve
from localcloud.automation.roles import AssumedRole
from localcloud.automation.selectors import NothingSelected, selector
from localcloud.automation.values import WrongType, convert

CONCURRENT_EXECUTIONS = 100
CANCELLATION_SECONDS = 120.0
SLOT_POLL_SECONDS = 0.05

_slots = threading.BoundedSemaphore(CONCURRENT_EXECUTIONS)
_threads: set[threading.Thread] = set()


def start(execution: Execution, executions: Executions) -> None:
    """Run the execution in the background; it stays ``Pending`` while too many others run."""
    thread = threading.Thread(
        target=_run, args=(execution, executions), name=f"automation-{execution.id}", daemon=True
    )
    _threads.add(thread)
    thread.start()


def wait_for_threads(seconds: float) -> None:
    """Wait until the threads have ended that were told to; they end the scripts that they run."""
    deadline = time.monotonic() + seconds
    for thread in list(_threads):
        thread.join(max(0.0, deadline - time.monotonic()))


def _run(execution: Execution, executions: Executions) -> None:
    try:
        _Run(execution, executions).run()
    except Abandoned:
        pass
    finally:
        _threads.discard(threading.current_thread())


def cancel(execution: Execution) -> None:
    """Ask a running execution for an orderly end."""
    with execution.lock:
        execution.status = "Cancelling"
        events.execution_changed(execution)
        execution.interruption.cancel()


@dataclass(frozen=True)
class _Children:
    """The child executions of a step."""

    _executions: Executions

    def ended(self, execution_id: str) -> bool:
        return self._executions.get(execution_id).ended is not None

    def cancel(self, execution_id: str) -> None:
        child = self._executions.get(execution_id)
        with child.lock:
            if child.status not in (*FINAL_STATUSES, "Cancelling"):
                cancel(child)


class _Run:
    def __init__(self, execution: Execution, executions: Executions) -> None:
        self._execution = execution
        self._executions = executions
        self._scope = Scope(
            execution_id=execution.id,
            account_id=execution.account_id,
            region=execution.region,
            partition=execution.partition,
            parameters=execution.parameters,
            variables=execution.variables,
            variable_types={name: variable.type for name, variable in execution.runbook.variables.items()},
        )
        self._interrupted: Step | None = None
        self._last_moment = math.inf

    def run(self) -> None:
        """Wait for a slot, run the steps and end the execution."""
        with self._slot():
            try:
                self._run_until_ended_or_cancelled()
            except Abandoned:
                raise
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                message = f"The local cloud failed: {type(error).__name__}: {error}"
                self._change(status="Failed", ended=datetime.now(UTC), failure_message=message)

    def _run_until_ended_or_cancelled(self) -> None:
        try:
            self._execution.interruption.check()
            self._role = AssumedRole(
                self._execution.role_arn, f"Automation-{self._execution.id}", self._execution.region
            )
            self._change(status="InProgress")
            self._finish(self._run_from(self._execution.runbook.first_step))
        except Cancelled:
            self._cancel()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        while not _slots.acquire(timeout=SLOT_POLL_SECONDS):
            self._execution.interruption.check_abandoned()
        try:
            yield
        finally:
            _slots.release()

    def _run_from(self, first: Step) -> str:
        """Run a step and what comes after it; return the status that the execution ends with."""
        status = "Success"
        step: Step | None = first
        while step:
            self._execution.interruption.check()
            self._execution.current_step = step
            failure, next_step = self._run_step(step)
            if failure and step.is_critical:
                status = failure.status
                self._execution.failure_message = failure.message
            step = self._execution.runbook.steps.get(_after_failure(step) if failure else next_step)
        return status

    def _run_step(self, step: Step) -> tuple[StepFailure | None, str | None]:
        """Run all attempts of a step; return why it failed, or the step that comes next."""
        record = self._execution.steps[step.name]
        self._change_step(record, status="InProgress", started=datetime.now(UTC))
        failure: StepFailure | None = None
        for _ in range(step.max_attempts):
            try:
                result, outputs = self._attempt(step, record)
            except StepFailure as error:
                failure = error
            except Cancelled:
                self._interrupted = step
                self._change_step(record, status="Cancelled", ended=datetime.now(UTC))
                raise
            else:
                self._scope.outputs[step.name] = outputs
                self._change_step(record, status="Success", ended=datetime.now(UTC), outputs=outputs)
                return None, result.next_step or step.successor
        self._change_step(
            record,
            status=failure.status,
            ended=datetime.now(UTC),
            failure=failure,
            outputs=failure.outputs,
        )
        return failure, None

    def _attempt(self, step: Step, record: StepExecution) -> tuple[Result, dict[str, Any]]:
        action = ACTIONS[step.action]
        deadline = time.monotonic() + (step.timeout_seconds or action.default_timeout)
        context = StepContext(
            role=self._role,
            scope=self._scope,
            interruption=self._execution.interruption,
            children=_Children(self._executions),
            deadline=min(deadline, self._last_moment),
        )
        context.remaining()
        try:
            inputs = resolve(step.inputs, self._scope.lookup)
        except UnresolvedReference as error:
            raise StepFailure(str(error), stage="InputValidation") from error
        with self._execution.lock:
            record.inputs = inputs
        result = action.run(inputs, context)
        return result, {**result.outputs, **_declared_outputs(step, result.payload)}

    def _cancel(self) -> None:
        """End after a person's stop, by way of the step that ``onCancel`` of the interrupted step names."""
        self._execution.interruption.begin_cancellation()
        self._last_moment = time.monotonic() + CANCELLATION_SECONDS
        if self._interrupted and self._interrupted.cancel_target:
            self._run_from(self._execution.runbook.steps[self._interrupted.cancel_target])
        self._finish("Cancelled")

    def _finish(self, status: str) -> None:
        with self._execution.lock:
            self._execution.interruption.check()
            self._change(status=status, ended=datetime.now(UTC))

    def _change(self, **changes: Any) -> None:
        with self._execution.lock:
            self._execution.interruption.check_abandoned()
            vars(self._execution).update(changes)
        events.execution_changed(self._execution)

    def _change_step(self, record: StepExecution, **changes: Any) -> None:
        with self._execution.lock:
            self._execution.interruption.check_abandoned()
            vars(record).update(changes)
        events.step_changed(self._execution, record)


def _after_failure(step: Step) -> str | None:
    if step.is_end:
        return None
    return step.following if step.on_failure == "Continue" else step.failure_target


def _declared_outputs(step: Step, payload: Any) -> dict[str, Any]:
    outputs = {}
    for output in step.outputs:
        try:
            outputs[output.name] = convert(selector(output.selector).select(payload), output.type)
        except (NothingSelected, WrongType) as error:
            raise StepFailure(
                f"The output {output.name}: {error}", stage="PostVerification", kind="Verification"
            ) from error
    return outputs
