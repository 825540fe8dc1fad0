"""``aws:approve``: wait until enough approvers have approved, or one has rejected."""

from collections.abc import Iterator
from typing import Any

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.actions.api import perform
from localcloud.automation.actions.pause import WEEK_SECONDS
from localcloud.automation.failures import StepFailure
from localcloud.automation.interpolation import references
from localcloud.automation.waiting import Approval

MOST_APPROVERS = 10
LONGEST_MESSAGE = 4_096
TOPIC_PREFIX = "Automation"


class Approve(Action):
    """``aws:approve``. AWS does not say what a rejection does: here, it fails the step."""

    required = frozenset({"Approvers"})
    optional = frozenset({"Message", "MinRequiredApprovals", "NotificationArn"})
    outputs = frozenset({"ApprovalStatus", "ApproverDecisions"})
    default_timeout = WEEK_SECONDS
    waits = True

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Check what is written out."""
        yield from super().problems(inputs)
        if not any(references(inputs)):
            yield from _problems(inputs)

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Tell the topic, and wait."""
        for problem in _problems(inputs):
            raise StepFailure(problem, stage="InputValidation")
        approval = Approval(inputs["Approvers"], int(inputs.get("MinRequiredApprovals", 1)))
        if "NotificationArn" in inputs:
            _notify(inputs, context)
        context.wait_for(approval, approval.outputs)
        if approval.status == "Rejected":
            raise StepFailure("The approval was rejected", outputs=approval.outputs)
        return Result(outputs=approval.outputs)


def _problems(inputs: dict[str, Any]) -> Iterator[str]:
    approvers, needed = inputs.get("Approvers"), inputs.get("MinRequiredApprovals", 1)
    if not isinstance(approvers, list) or not 0 < len(approvers) <= MOST_APPROVERS:
        yield f"Approvers is not a list of 1 to {MOST_APPROVERS} users and roles"
    elif not str(needed).isdecimal() or not 0 < int(needed) <= len(approvers):
        yield f"MinRequiredApprovals is {needed!r}, not a number from 1 to that of the approvers"
    if len(str(inputs.get("Message", ""))) > LONGEST_MESSAGE:
        yield f"Message has more than {LONGEST_MESSAGE} characters"
    if not inputs.get("NotificationArn", TOPIC_PREFIX).rpartition(":")[2].startswith(TOPIC_PREFIX):
        yield f"the name of the topic NotificationArn does not begin with {TOPIC_PREFIX}"


def _notify(inputs: dict[str, Any], context: StepContext) -> None:
    client = context.role.client("sns", context.remaining())
    message = inputs.get("Message") or f"{context.scope.execution_id} waits for approval."
    perform(
        lambda: client.publish(
            TopicArn=inputs["NotificationArn"], Subject="Approval requested", Message=message
        ),
        context,
    )
