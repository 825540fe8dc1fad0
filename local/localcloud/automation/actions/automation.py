"""``aws:executeAutomation``: run another runbook as a child execution, and wait for its end."""

from typing import Any

from botocore.client import BaseClient

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.actions.api import perform
from localcloud.automation.failures import Interrupted, StepFailure, StepTimedOut
from localcloud.automation.values import as_texts

PARENT_HEADER = "x-local-cloud-parent-execution"
"""How the server knows a start by this action from one that a script of the runbook makes."""

START_MEMBERS = (
    "DocumentName",
    "DocumentVersion",
    "MaxConcurrency",
    "MaxErrors",
    "TargetMaps",
    "TargetParameterName",
    "Targets",
)


class ExecuteAutomation(Action):
    """``aws:executeAutomation``.

    The runbook's role makes the calls, so it needs their permissions, and iam:PassRole for the child's role.
    """

    required = frozenset({"DocumentName"})
    optional = frozenset({*START_MEMBERS, "RuntimeParameters", "Tags"}) - required
    outputs = frozenset({"ExecutionId", "Output", "Status"})

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Start the child, look at it, and look again when it has ended."""
        client = context.role.client("ssm", context.remaining())
        execution_id = _start(client, inputs, context)
        try:
            child = _look(client, execution_id, context)
            if "ExecutionEndTime" not in child:
                context.wait_until(context.latest, lambda: context.children.ended(execution_id))
                child = _look(client, execution_id, context)
        except (Interrupted, StepTimedOut):
            context.children.cancel(execution_id)
            raise
        return _result(child)


def _start(client: BaseClient, inputs: dict[str, Any], context: StepContext) -> str:
    def name_parent(params: dict[str, Any], **_: Any) -> None:
        params["headers"][PARENT_HEADER] = context.scope.execution_id

    client.meta.events.register("before-call.ssm.StartAutomationExecution", name_parent)
    request = {name: inputs[name] for name in START_MEMBERS if name in inputs}
    parameters = inputs.get("RuntimeParameters") or {}
    if parameters:
        request["Parameters"] = {name: as_texts(value) for name, value in parameters.items()}
    if inputs.get("Tags"):
        request["Tags"] = inputs["Tags"]
    started = perform(lambda: client.start_automation_execution(**request), context)
    return started["AutomationExecutionId"]


def _look(client: BaseClient, execution_id: str, context: StepContext) -> dict[str, Any]:
    found = perform(lambda: client.get_automation_execution(AutomationExecutionId=execution_id), context)
    return found["AutomationExecution"]


def _result(child: dict[str, Any]) -> Result:
    execution_id, status = child["AutomationExecutionId"], child["AutomationExecutionStatus"]
    outputs = {
        "ExecutionId": execution_id,
        "Output": [text for texts in child.get("Outputs", {}).values() for text in texts],
        "Status": status,
    }
    if status == "Success":
        return Result(outputs=outputs)
    reason = child.get("FailureMessage", "no reason was given")
    failure = StepTimedOut if status == "TimedOut" else StepFailure
    raise failure(
        f"The child execution {execution_id} of {child['DocumentName']} ended as {status}: {reason}",
        outputs=outputs,
    )
