"""SendAutomationSignal: what people say to a running execution."""

from collections.abc import Iterator
from typing import Any

from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud import clock
from localcloud.automation.executions import Execution, StepExecution
from localcloud.automation.operations import execution_of
from localcloud.automation.waiting import Approval, NotWaitedFor, Pause
from localcloud.errors import ServiceError
from localcloud.model import operation
from localcloud.principals import principal_of

Payload = dict[str, list[str]]


@operation("SendAutomationSignal")
def send_automation_signal(response: SimpleSystemManagerResponse, request: dict[str, Any]) -> None:
    """Approve or reject, resume, or start or stop a step."""
    execution = execution_of(response, request)
    payload: Payload = request.get("Payload") or {}
    with execution.lock:
        match request["SignalType"]:
            case "Approve" | "Reject" as decision:
                _decide(execution, decision, payload, principal_of(response.access_key))
            case "Resume":
                _resume(execution, payload)
            case "StartStep":
                _start_step(execution, payload)
            case "StopStep":
                _stop_step(execution, payload)
            case signal:
                raise _invalid(execution, f"{signal} is for access requests, and this is none")
    clock.wake()


def _decide(execution: Execution, decision: str, payload: Payload, caller: str) -> None:
    record = next(_waiting(execution, Approval), None)
    if record is None:
        raise _invalid(execution, "no step of it waits for an approval")
    try:
        record.awaited.decide(caller, decision, _one(payload, "Comment"))
    except NotWaitedFor as error:
        raise _invalid(execution, str(error)) from error
    record.outputs = record.awaited.outputs


def _resume(execution: Execution, payload: Payload) -> None:
    name = _step_name(execution, payload)
    record = next((each for each in _waiting(execution, Pause) if each.step.name == name), None)
    if record is None:
        raise _invalid(execution, f"the step {name} does not wait to be resumed")
    record.awaited.resumed = True


def _start_step(execution: Execution, payload: Payload) -> None:
    name = _step_name(execution, payload)
    next_step = execution.next_step if execution.status == "Waiting" else None
    if next_step is None or name not in next_step.offered:
        offered = ", ".join(next_step.offered) if next_step else "none"
        raise _invalid(execution, f"{name} is no step that can be started now; those are: {offered}")
    next_step.chosen = name


def _stop_step(execution: Execution, payload: Payload) -> None:
    step_id = _one(payload, "StepExecutionId")
    record = next((each for each in execution.step_executions if each.id == step_id), None)
    if record is None:
        raise ServiceError(
            "AutomationStepNotFoundException", f"{execution.id} has no step execution {step_id}."
        )
    if execution.mode != "Interactive" or record.status not in ("InProgress", "Waiting"):
        raise _invalid(execution, f"the step {record.step.name} does not run, or not step by step")
    execution.interruption.stop_step()


def _waiting(execution: Execution, kind: type) -> Iterator[StepExecution]:
    return (record for record in execution.step_executions if isinstance(record.awaited, kind))


def _step_name(execution: Execution, payload: Payload) -> str:
    name = _one(payload, "StepName")
    if name is None:
        raise _invalid(execution, "the payload names no step as StepName")
    if all(record.step.name != name for record in execution.step_executions):
        raise ServiceError("AutomationStepNotFoundException", f"{execution.id} has no step {name}.")
    return name


def _one(payload: Payload, name: str) -> str | None:
    return next(iter(payload.get(name, [])), None)


def _invalid(execution: Execution, reason: str) -> ServiceError:
    return ServiceError(
        "InvalidAutomationSignalException",
        f"The signal is not valid for the execution {execution.id}, which is {execution.status}: {reason}.",
    )
