"""``aws:invokeLambdaFunction``: invoke a function."""

import json
from typing import Any

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.actions.api import perform
from localcloud.automation.failures import StepFailure

REQUEST_MEMBERS = ("ClientContext", "FunctionName", "InvocationType", "LogType", "Qualifier")

LARGEST_PAYLOAD = 200 * 1024


class InvokeLambdaFunction(Action):
    """``aws:invokeLambdaFunction``; an error of the function fails the step."""

    required = frozenset({"FunctionName"})
    optional = frozenset({*REQUEST_MEMBERS, "InputPayload", "Payload"}) - required
    outputs = frozenset({"FunctionError", "LogResult", "Payload", "StatusCode"})
    default_timeout = 300

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Invoke it; ``InputPayload``, a map, is preferred to ``Payload``, a text."""
        client = context.role.client("lambda", context.remaining(), most_seconds=self.default_timeout)
        request = {name: inputs[name] for name in REQUEST_MEMBERS if name in inputs}
        if "InputPayload" in inputs:
            request["Payload"] = json.dumps(inputs["InputPayload"])
        elif "Payload" in inputs:
            request["Payload"] = inputs["Payload"]
        answer = perform(lambda: client.invoke(**request), context)
        payload = answer["Payload"].read()
        if len(payload) > LARGEST_PAYLOAD:
            raise StepFailure("The function returned more than 200 KB")
        outputs = {
            "StatusCode": answer["StatusCode"],
            "Payload": payload.decode(),
            "FunctionError": answer.get("FunctionError", ""),
            "LogResult": answer.get("LogResult", ""),
        }
        if outputs["FunctionError"]:
            raise StepFailure(
                f"The function {inputs['FunctionName']} failed: {outputs['Payload']}", outputs=outputs
            )
        return Result(outputs=outputs)
