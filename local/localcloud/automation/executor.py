"""Running an execution: the control flow of schema 0.3, in a thread of its own."""

import math
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud import clock
from localcloud.automation import events
from localcloud.automation.actions import ACTIONS
from localcloud.automation.actions.action import Awaited, Result, StepContext
from localcloud.automation.actions.branch import holds
from localcloud.automation.actions.loop import iterations
from localcloud.automation.alarm_watch import AlarmWatch
from localcloud.automation.documents import Step
from localcloud.automation.executions import (
    FINAL_STATUSES,
    Execution,
    Executions,
    Iteration,
    StepExecution,
)
from localcloud.automation.failures import Abandoned, Cancelled, StepFailure, StepStopped, StepTimedOut
from localcloud.automation.fan_out import Target
from localcloud.automation.interpolation import Scope, UnresolvedReference, resolve
from localcloud.automation.roles import AssumedRole
from localcloud.automation.selectors import NothingSelected, selector
from localcloud.automation.slots import ORDINARY, RATE_CONTROLLED, WAITING
from localcloud.automation.values import WrongType, convert
from localcloud.automation.waiting import NextStep

CANCELLATION = timedelta(seconds=120)

_threads: set[threading.Thread] = set()


def start(execution: Execution, executions: Executions) -> None:
    """Run the execution in the background; it stays ``Pending`` while too many others run."""
    executions.slots.queue(_kind(execution))
    executions.add(execution)
    runner = _FannedOut if execution.fan_out else _Stepwise
    thread = threading.Thread(
        target=_run, args=(runner(execution, executions),), name=f"automation-{execution.id}", daemon=True
    )
    _threads.add(thread)
    thread.start()


def cancel(execution: Execution) -> None:
    """Ask a running execution for an orderly end."""
    with execution.lock:
        execution.status = "Cancelling"
        events.execution_changed(execution)
        execution.interruption.cancel()


def wait_for_threads(seconds: float) -> None:
    """Wait until the threads have ended that were told to; they end the scripts that they run."""
    deadline = time.monotonic() + seconds
    for thread in list(_threads):
        thread.join(max(0.0, deadline - time.monotonic()))


def _kind(execution: Execution) -> str:
    if execution.fan_out:
        return RATE_CONTROLLED
    return WAITING if execution.runbook.waits or execution.mode == "Interactive" else ORDINARY


def _run(runner: "_Runner") -> None:
    try:
        runner.run()
    except Abandoned:
        pass
    finally:
        _threads.discard(threading.current_thread())


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


class _Runner:
    """The thread of one execution."""

    def __init__(self, execution: Execution, executions: Executions) -> None:
        self._execution = execution
        self._executions = executions
        self._interruption = execution.interruption

    def run(self) -> None:
        """Wait for a slot, run, and end the execution."""
        try:
            try:
                with self._executions.slots.running(_kind(self._execution), self._interruption):
                    self._interruption.check()
                    self._finish(self._work())
            except Cancelled:
                self._cancel()
        except Abandoned:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            message = f"The local cloud failed: {type(error).__name__}: {error}"
            self._change(status="Failed", ended=datetime.now(UTC), failure_message=message)

    def _work(self) -> str:
        """Do it all, and return the status that the execution ends with."""
        raise NotImplementedError

    def _begin_work(self) -> None:
        """Assume the role, and run from now on, unless the execution's alarm has gone off."""
        execution = self._execution
        self._role = AssumedRole(execution.role_arn, f"Automation-{execution.id}", execution.region)
        self._go_on("InProgress")
        if execution.alarm:
            AlarmWatch(execution, execution.alarm).begin()
            self._interruption.check()

    def _cancel(self) -> None:
        """End after a person's stop."""
        self._interruption.begin_cancellation()
        self._finish("Cancelled")

    def _finish(self, status: str) -> None:
        with self._execution.lock:
            self._interruption.check()
            self._change(status=status, ended=datetime.now(UTC))

    def _change(self, **changes: Any) -> None:
        with self._execution.lock:
            self._interruption.check_abandoned()
            vars(self._execution).update(changes)
        events.execution_changed(self._execution)
        clock.wake()

    def _go_on(self, status: str, **changes: Any) -> None:
        """Run, or wait for people, unless somebody has begun to cancel."""
        with self._execution.lock:
            if self._execution.status == "Cancelling":
                self._interruption.check()
                status = "Cancelling"
            self._change(status=status, **changes)

    def _change_step(self, record: StepExecution, **changes: Any) -> None:
        with self._execution.lock:
            self._interruption.check_abandoned()
            vars(record).update(changes)
            if record.ended:
                # Whoever wanted it to stop came too late.
                self._interruption.begin_step()
        events.step_changed(self._execution, record)


@dataclass(frozen=True)
class _Flow:
    """How steps that follow each other have ended."""

    failure: StepFailure | None
    """The last failure of a critical step."""
    outside: str | None
    """The step outside of them that the last one led to."""


class _Stepwise(_Runner):
    """Runs the steps of a runbook."""

    def __init__(self, execution: Execution, executions: Executions) -> None:
        super().__init__(execution, executions)
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
        self._deadline = math.inf
        self._latest = clock.END_OF_TIME

    def _work(self) -> str:
        self._begin_work()
        return self._status(self._follow(self._execution.runbook.first_step, self._execution.runbook.steps))

    def _cancel(self) -> None:
        """Go by way of the step that ``onCancel`` of the interrupted step names."""
        self._interruption.begin_cancellation()
        self._deadline = time.monotonic() + CANCELLATION.total_seconds()
        self._latest = clock.now() + CANCELLATION
        steps = self._execution.runbook.steps
        if self._interrupted and self._interrupted.cancel_target in steps:
            self._status(self._follow(steps[self._interrupted.cancel_target], steps))
        self._finish("Cancelled")

    def _status(self, flow: _Flow) -> str:
        if flow.failure is None:
            return "Success"
        self._execution.failure_message = flow.failure.message
        return flow.failure.status

    def _follow(self, first: Step, steps: dict[str, Step], iteration: Iteration | None = None) -> _Flow:
        """Run a step and what comes after it."""
        failure: StepFailure | None = None
        step: Step | None = first
        while step:
            self._interruption.check()
            if self._execution.mode == "Interactive" and iteration is None:
                step = self._chosen(step)
            if self._interruption.completing or step is None:
                break
            self._execution.current_step = step
            failed, succeeded = self._run_step(step, iteration)
            if failed and step.is_critical:
                failure = failed
            name = _after_failure(step) if failed else succeeded
            if name is not None and name not in steps:
                return _Flow(failure, name)
            step = steps.get(name or "")
        return _Flow(failure, None)

    def _chosen(self, step: Step) -> Step | None:
        """Wait until a person starts the next step, or another one that can come now."""
        current = self._execution.current_step
        offered = dict.fromkeys([step.name, *(current.targets if current else [])])
        next_step = NextStep(list(offered))
        self._go_on("Waiting", next_step=next_step)
        self._interruption.wait_until(
            clock.END_OF_TIME, lambda: next_step.over or self._interruption.completing
        )
        self._go_on("InProgress", next_step=None)
        return self._execution.runbook.steps.get(next_step.chosen or "")

    def _run_step(self, step: Step, iteration: Iteration | None) -> tuple[StepFailure | None, str | None]:
        """Run all attempts of a step; return why it failed, or the step that comes next."""
        with self._execution.lock:
            record = self._execution.begin(step, iteration)
        self._change_step(record, status="InProgress", started=datetime.now(UTC))
        failure: StepFailure | None = None
        for _ in range(step.max_attempts):
            try:
                result, outputs = self._attempt(step, record)
            except StepFailure as error:
                failure = error
            except Cancelled:
                self._interrupted = step
                self._change_step(record, status="Cancelled", ended=datetime.now(UTC), awaited=None)
                raise
            except StepStopped:
                self._change_step(record, status="Cancelled", ended=datetime.now(UTC), awaited=None)
                return None, step.successor
            else:
                self._scope.outputs[step.name] = outputs
                status = "Exited" if result.leaves_loop else "Success"
                self._change_step(record, status=status, ended=datetime.now(UTC), outputs=outputs)
                return None, result.next_step or step.successor
            finally:
                self._stop_waiting(record)
        self._change_step(
            record,
            status=failure.status,
            ended=datetime.now(UTC),
            failure=failure,
            outputs={**record.outputs, **failure.outputs},
        )
        return failure, None

    def _attempt(self, step: Step, record: StepExecution) -> tuple[Result, dict[str, Any]]:
        action = ACTIONS[step.action]
        seconds = step.timeout_seconds or action.default_timeout
        context = StepContext(
            role=self._role,
            scope=self._scope,
            interruption=self._interruption,
            children=_Children(self._executions),
            begin_wait=lambda awaited, outputs: self._wait(record, awaited, outputs),
            deadline=min(time.monotonic() + seconds, self._deadline),
            latest=min(clock.now() + timedelta(seconds=seconds), self._latest),
        )
        context.remaining()
        if step.inner:
            result = self._repeat(step, record, context)
            return result, result.outputs
        inputs = self._resolved(step.inputs)
        with self._execution.lock:
            record.inputs = inputs
        result = action.run(inputs, context)
        return result, {**result.outputs, **_declared_outputs(step, result.payload)}

    def _repeat(self, step: Step, record: StepExecution, context: StepContext) -> Result:
        """Run the steps of a loop, for each of its values or while its condition holds."""
        condition = step.inputs.get("LoopCondition")
        inputs = self._resolved({k: value for k, value in step.inputs.items() if k != "LoopCondition"})
        with self._execution.lock:
            record.inputs = inputs
        planned = iterations(inputs)
        outputs: dict[str, Any] = {}
        for number in range(1, planned.most + 1):
            context.remaining()
            iteration = Iteration(record, number, planned.value(number))
            outputs = {"CurrentIteration": number}
            if iteration.value is not None:
                outputs["CurrentIteratorValue"] = iteration.value
            self._scope.outputs[step.name] = record.outputs = outputs
            flow = self._follow(next(iter(step.inner.values())), step.inner, iteration)
            if flow.failure:
                kind = StepTimedOut if flow.failure.status == "TimedOut" else StepFailure
                raise kind(
                    f"The run {number} of the loop failed: {flow.failure}",
                    kind=flow.failure.kind,
                    outputs=outputs,
                )
            if flow.outside:
                return Result(outputs=outputs, next_step=flow.outside, leaves_loop=True)
            if self._interruption.completing or (condition and not holds(self._resolved(condition))):
                break
        return Result(outputs=outputs)

    def _resolved(self, template: Any) -> Any:
        try:
            return resolve(template, self._scope.lookup)
        except UnresolvedReference as error:
            raise StepFailure(str(error), stage="InputValidation") from error

    def _wait(self, record: StepExecution, awaited: Awaited | None, outputs: dict[str, Any]) -> None:
        status = "Waiting" if awaited else "InProgress"
        self._change_step(record, status=status, awaited=awaited, outputs=outputs)
        self._go_on(status)

    def _stop_waiting(self, record: StepExecution) -> None:
        with self._execution.lock:
            record.awaited = None
            if self._execution.status == "Waiting":
                self._execution.status = "InProgress"


class _FannedOut(_Runner):
    """Runs a child execution for each target: first one, then twice as many, up to the allowed number."""

    def __init__(self, execution: Execution, executions: Executions) -> None:
        super().__init__(execution, executions)
        self._fan_out = execution.fan_out
        self._running: list[tuple[StepExecution, Execution]] = []
        self._ended: list[str] = []

    def _work(self) -> str:
        self._begin_work()
        waiting = deque(zip(self._fan_out.targets, self._execution.step_executions, strict=True))
        while waiting or self._running:
            errors = sum(status != "Success" for status in self._ended)
            if errors > self._fan_out.errors or self._interruption.completing:
                waiting.clear()
            while waiting and len(self._running) < min(self._fan_out.concurrency, len(self._ended) + 1):
                self._begin(*waiting.popleft())
            self._await(any)
        return "Success" if all(status == "Success" for status in self._ended) else "Failed"

    def _cancel(self) -> None:
        self._interruption.begin_cancellation()
        for _, child in self._running:
            _Children(self._executions).cancel(child.id)
        self._await(all)
        self._finish("Cancelled")

    def _begin(self, target: Target, record: StepExecution) -> None:
        child = self._execution.for_target(target)
        self._execution.current_step = record.step
        self._change_step(record, status="InProgress", started=datetime.now(UTC), inputs=target.parameters)
        self._running.append((record, child))
        start(child, self._executions)

    def _await(self, enough: Callable[[Iterable[bool]], bool]) -> None:
        """Wait until children have ended, and take note."""
        self._interruption.wait_until(
            clock.END_OF_TIME, lambda: not self._running or enough(child.ended for _, child in self._running)
        )
        for record, child in [each for each in self._running if each[1].ended]:
            self._running.remove((record, child))
            self._ended.append(child.status)
            self._end(record, child)

    def _end(self, record: StepExecution, child: Execution) -> None:
        failure = None
        if child.status != "Success":
            failure = StepFailure(child.failure_message or f"The execution {child.id} was {child.status}")
            self._execution.failure_message = failure.message
        texts = [text for texts in child.outputs.values() for text in texts]
        self._change_step(
            record,
            status=child.status,
            ended=datetime.now(UTC),
            failure=failure,
            outputs={"ExecutionId": child.id, "Status": child.status, "Output": texts},
        )


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
