"""The actions that call one operation of an AWS service through boto3: execute, assert and wait."""

import base64
import itertools
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import botocore.session
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError, ReadTimeoutError
from botocore.model import OperationModel

from localcloud import clock
from localcloud.automation.actions.action import TIMED_OUT, Action, Result, StepContext
from localcloud.automation.behaviour import behaviour
from localcloud.automation.failures import StepFailure, StepTimedOut
from localcloud.automation.interpolation import references
from localcloud.automation.selectors import NothingSelected, selector
from localcloud.automation.values import as_text

POLL_SECONDS = 0.2

FAILURE_KINDS = {
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"), "Permission"
    ),
    **dict.fromkeys(
        (
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ),
        "Throttling",
    ),
}
"""The ``FailureType`` that AWS gives these error codes."""

THROTTLED_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)

Answer = TypeVar("Answer")


class ExecuteAwsApi(Action):
    """``aws:executeAwsApi``: call an operation and keep its answer."""

    required = frozenset({"Service", "Api"})
    outputs = frozenset({"OutputPayload"})
    declares_outputs = True

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Refuse an operation that does not exist; the operation's own parameters are boto3's to check."""
        yield from (f"the input {name} is missing" for name in sorted(self.required - inputs.keys()))
        if self.required <= inputs.keys():
            yield from _operation_problems(inputs["Service"], inputs["Api"])

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Call the operation once."""
        answer = call(inputs, self.required | self.optional, context)
        return Result(payload=answer, outputs={"OutputPayload": answer})


class _AwsResourceProperty(ExecuteAwsApi):
    required = frozenset({"Service", "Api", "PropertySelector", "DesiredValues"})
    outputs = frozenset()
    declares_outputs = False

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Refuse selectors of several values: AWS does not say how they compare."""
        yield from super().problems(inputs)
        try:
            if "PropertySelector" in inputs and not selector(inputs["PropertySelector"]).selects_one:
                yield "a PropertySelector that selects several values is not supported locally"
        except ValueError as error:
            yield str(error)
        desired = inputs.get("DesiredValues", [])
        if not isinstance(desired, list) or not all(isinstance(value, str | int) for value in desired):
            yield "DesiredValues is not a list of texts"
        elif any(isinstance(value, bool) for value in desired):
            yield "DesiredValues writes booleans as text: 'True' or 'False'"

    def _observe(self, inputs: dict[str, Any], context: StepContext) -> tuple[bool, str]:
        """Return whether the property has a desired value, and what was seen."""
        answer = call(inputs, self.required, context)
        try:
            value = selector(inputs["PropertySelector"]).select(answer)
        except NothingSelected as error:
            return False, str(error)
        seen = str(value) if isinstance(value, bool) else as_text(value)
        desired = [str(item) for item in inputs["DesiredValues"]]
        return seen in desired, f"{inputs['PropertySelector']} is {seen}, desired is {' or '.join(desired)}"


class AssertAwsResourceProperty(_AwsResourceProperty):
    """``aws:assertAwsResourceProperty``: fail unless a property has one of the desired values."""

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Look once."""
        as_desired, seen = self._observe(inputs, context)
        if not as_desired:
            raise StepFailure(
                f"Property value assertion failed: {seen}", stage="PostVerification", kind="Verification"
            )
        return Result()


class WaitForAwsResourceProperty(_AwsResourceProperty):
    """``aws:waitForAwsResourceProperty``: look again until a property has one of the desired values."""

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Look until the property is as desired or the step times out."""
        seen = "nothing was seen"
        while True:
            try:
                as_desired, seen = self._observe(inputs, context)
                if as_desired:
                    return Result()
                context.wait(POLL_SECONDS)
            except StepTimedOut as error:
                raise StepTimedOut(f"{error}; last seen: {seen}") from error


def call(inputs: dict[str, Any], own_inputs: frozenset[str], context: StepContext) -> Any:
    """Call ``Service`` and ``Api`` with all other inputs and return the answer as JSON."""
    client = context.role.client(inputs["Service"], context.remaining())
    parameters = {name: value for name, value in inputs.items() if name not in own_inputs}
    method = getattr(client, xform_name(inputs["Api"]))
    return as_json(perform(lambda: method(**parameters), context))


def perform(api_call: Callable[[], Answer], context: StepContext) -> Answer:
    """Make a call of boto3's, again while it is throttled; what boto3 raises is the failure of the step."""
    give_up = clock.now() + timedelta(seconds=behaviour.throttling_retry_seconds)
    for pause in itertools.chain(THROTTLED_PAUSES, itertools.repeat(THROTTLED_PAUSES[-1])):
        try:
            return api_call()
        except ReadTimeoutError as error:
            if time.monotonic() >= context.deadline:
                raise StepTimedOut(TIMED_OUT) from error
            raise StepFailure(str(error)) from error
        except ClientError as error:
            kind = FAILURE_KINDS.get(error.response["Error"]["Code"], "Action")
            if kind != "Throttling" or clock.now() >= give_up:
                raise StepFailure(str(error), kind=kind) from error
        except ParamValidationError as error:
            raise StepFailure(str(error), stage="InputValidation") from error
        except BotoCoreError as error:
            raise StepFailure(str(error)) from error
        context.wait(pause)
    raise AssertionError("the pauses never end")


def as_json(value: Any) -> Any:
    """Turn boto3's Python values into JSON: times as ISO 8601, bytes as base64."""
    match value:
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case list():
            return [as_json(item) for item in value]
        case datetime():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
    return value


def _operation_problems(service: Any, api: Any) -> Iterator[str]:
    if not isinstance(service, str) or not isinstance(api, str) or any(references([service, api])):
        yield "Service and Api are fixed texts"
        return
    operations = _operations(service)
    if operations is None:
        yield f"boto3 has no service {service}"
    elif xform_name(api) not in operations:
        yield f"boto3's {service} has no operation {api}"
    elif operations[xform_name(api)].has_streaming_output:
        yield f"{api} streams its answer, which Automation does not support"


@cache
def _operations(service: str) -> dict[str, OperationModel] | None:
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return None
    model = session.get_service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}
