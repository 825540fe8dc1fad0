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
MONTH_SECONDS = 2_592_000
TOPIC_PREFIX = "Automation"
SUBJECT = "AWS Systems Manager Automation: approval required"


class Approve(Action):
    """``aws:approve``. AWS does not say what a rejection does: here, it fails the step."""

    required = frozenset({"Approvers"})
    optional = frozenset({"Message", "MinRequiredApprovals", "NotificationArn"})
    outputs = frozenset({"ApprovalStatus", "ApproverDecisions"})
    default_timeout = WEEK_SECONDS
    longest_timeout = MONTH_SECONDS
    waits = True

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Check what is written out."""
        yield from super().problems(inputs)
        if not any(references(inputs)):
            yield from _problems(inputs)

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Ask by the topic, and wait."""
        for problem in _problems(inputs):
            raise StepFailure(problem, stage="InputValidation")
        approval = Approval(inputs["Approvers"], int(inputs.get("MinRequiredApprovals", 1)))
        context.wait_for(approval, approval.outputs, lambda: _notify(inputs, approval, context))
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


def _notify(inputs: dict[str, Any], approval: Approval, context: StepContext) -> None:
    """Publish to the topic, if there is one, with the rights of the runbook's role."""
    topic = inputs.get("NotificationArn")
    if not topic:
        return
    client = context.role.client("sns", context.remaining())
    text = _text(inputs.get("Message", ""), approval, context)
    perform(lambda: client.publish(TopicArn=topic, Subject=SUBJECT, Message=text), context)


def _text(message: str, approval: Approval, context: StepContext) -> str:
    """Return what the approvers read. AWS does not document its words."""
    scope = context.scope
    console = f"https://{scope.region}.console.aws.amazon.com/systems-manager/automation/execution"
    return f"""\
The automation execution {scope.execution_id} waits for approval.

{message}

Approvers: {", ".join(approval.approvers)}
Required approvals: {approval.needed}
Waits until: {context.latest:%Y-%m-%dT%H:%M:%SZ}

Approve or reject: {console}/{scope.execution_id}?region={scope.region}
"""
