"""What the world hears of an execution: the status-change events that AWS emits, and the journal."""

from datetime import datetime
from typing import Any

from localcloud import journal
from localcloud.automation.executions import Execution, StepExecution
from localcloud.automation.values import as_texts
from localcloud.events import emit

SOURCE = "aws.ssm"

EXECUTION_CHANGE = "EC2 Automation Execution Status-change Notification"
STEP_CHANGE = "EC2 Automation Step Status-change Notification"


def execution_changed(execution: Execution) -> None:
    """Record the execution's status, and emit the event if it is final: AWS documents no other."""
    journal.record(
        "execution",
        execution_id=execution.id,
        document=execution.document_name,
        stand_in=execution.is_of_amazon,
        parent=execution.parent.id if execution.parent else None,
        status=execution.status,
        parameters={name: as_texts(value) for name, value in execution.parameters.items()},
        outputs=execution.outputs,
        failure=execution.failure_message,
    )
    if execution.ended:
        detail = {**_detail(execution, execution), "ExecutedBy": execution.executed_by}
        emit(EXECUTION_CHANGE, SOURCE, detail, [execution.arn, execution.definition_arn])


def step_changed(execution: Execution, step: StepExecution) -> None:
    """Record the step's status, and emit the event if it is final."""
    journal.record(
        "step",
        execution_id=execution.id,
        step=step.step.name,
        action=step.step.action,
        status=step.status,
        outputs={
            output.name: as_texts(step.outputs[output.name])
            for output in step.step.outputs
            if output.name in step.outputs
        },
        failure=step.failure.message if step.failure else None,
    )
    if step.ended:
        detail = {**_detail(execution, step), "StepName": step.step.name, "Action": step.step.action}
        emit(STEP_CHANGE, SOURCE, detail, [execution.arn, execution.definition_arn])


def _detail(execution: Execution, ended: Execution | StepExecution) -> dict[str, Any]:
    return {
        "ExecutionId": execution.id,
        "Definition": execution.document_name,
        "DefinitionVersion": float(execution.document_version),
        "Status": "Canceled" if ended.status == "Cancelled" else ended.status,
        "StartTime": _us_time(ended.started),
        "EndTime": _us_time(ended.ended),
        "Time": float(round((ended.ended - ended.started).total_seconds() * 1000)),
    }


def _us_time(moment: datetime) -> str:
    hour = moment.hour % 12 or 12
    return f"{moment:%b} {moment.day}, {moment.year} {hour}:{moment:%M:%S %p}"
