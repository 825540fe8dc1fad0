"""``aws:createTags``: tag resources of EC2 or of Systems Manager."""

from collections.abc import Iterator
from typing import Any

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.actions.api import perform
from localcloud.automation.failures import StepFailure

SSM_TYPES = ("ManagedInstance", "MaintenanceWindow", "Parameter")


class CreateTags(Action):
    """``aws:createTags``."""

    required = frozenset({"ResourceIds", "Tags"})
    optional = frozenset({"ResourceType"})

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Refuse unknown types."""
        yield from super().problems(inputs)
        if inputs.get("ResourceType", "EC2") not in ("EC2", *SSM_TYPES):
            yield f"ResourceType is none of EC2, {', '.join(SSM_TYPES)}"

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Tag."""
        resources, tags = inputs["ResourceIds"], inputs["Tags"]
        kind = inputs.get("ResourceType", "EC2")
        if kind == "EC2":
            client = context.role.client("ec2", context.remaining())
            perform(lambda: client.create_tags(Resources=resources, Tags=tags), context)
            return Result()
        if len(resources) != 1:
            raise StepFailure(
                f"Of the type {kind}, one resource is tagged at a time", stage="InputValidation"
            )
        client = context.role.client("ssm", context.remaining())
        perform(
            lambda: client.add_tags_to_resource(ResourceType=kind, ResourceId=resources[0], Tags=tags),
            context,
        )
        return Result()
