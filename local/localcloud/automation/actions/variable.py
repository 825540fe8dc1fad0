"""``aws:updateVariable``: give a variable another value of its type."""

from collections.abc import Iterator
from typing import Any

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.failures import StepFailure
from localcloud.automation.values import has_type, json_type


class UpdateVariable(Action):
    """``aws:updateVariable``."""

    required = frozenset({"Name", "Value"})

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Check the form of the variable's name."""
        yield from super().problems(inputs)
        if not str(inputs.get("Name", "variable:")).startswith("variable:"):
            yield "Name has the form variable:NAME"

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Set the variable."""
        name = inputs["Name"].removeprefix("variable:")
        types = context.scope.variable_types
        if name not in types:
            raise StepFailure(f"The runbook declares no variable {name}", stage="InputValidation")
        if not has_type(inputs["Value"], types[name]):
            raise StepFailure(
                f"The variable {name} is a {types[name]}; the value is a JSON {json_type(inputs['Value'])}",
                stage="InputValidation",
            )
        context.scope.variables[name] = inputs["Value"]
        return Result()
