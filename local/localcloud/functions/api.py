"""The Lambda API where moto's differs: Invoke runs the function's binary, a put configuration replaces."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import unquote

from moto.awslambda.models import EventInvokeConfig, LambdaBackend
from moto.awslambda.responses import LambdaResponse

from localcloud.errors import ServiceError
from localcloud.functions.asynchronous import invoke_asynchronously
from localcloud.functions.pool import Throttled, run

MAX_PAYLOAD = 6_291_556
MAX_ASYNCHRONOUS_PAYLOAD = 1_048_576
LOG_TAIL = 4_096


def install() -> None:
    """Replace moto's operations; what would reach a function some other way is refused."""
    LambdaResponse.invoke = _invoke
    LambdaBackend.put_function_event_invoke_config = _put_function_event_invoke_config
    LambdaBackend.update_function_event_invoke_config = _update_function_event_invoke_config
    LambdaBackend.invoke = _refuse("invocation by another service")
    LambdaBackend.create_event_source_mapping = _refuse("an event source mapping")
    LambdaBackend.send_sns_message = _refuse("a subscription of a function to a topic")


def _refuse(what: str) -> Any:
    def refuse(self: LambdaBackend, *_: Any, **__: Any) -> None:
        raise NotImplementedError(f"{what} is not supported")

    return refuse


def _invoke(self: LambdaResponse) -> tuple[int, dict[str, str], bytes]:
    name = unquote(self.path.rsplit("/", 2)[-2])
    function = self.backend.get_function(name, self.querystring.get("Qualifier", [None])[0])
    kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    payload = self.raw_body or b"{}"
    limit = MAX_ASYNCHRONOUS_PAYLOAD if kind == "Event" else MAX_PAYLOAD
    if len(payload) > limit:
        raise ServiceError(
            "RequestTooLargeException",
            f"Request must be smaller than {limit} bytes for the {kind} invocation type",
        )
    try:
        json.loads(payload)
    except ValueError as error:
        raise ServiceError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        ) from None
    if kind == "DryRun":
        return 204, {"status": "204"}, b""
    if kind == "Event":
        request_id = invoke_asynchronously(function, payload.decode())
        return 202, {"status": "202", "x-amzn-RequestId": request_id}, b""
    request_id = str(uuid.uuid4())
    try:
        outcome = run(function, request_id, payload, attempt=1, wait=False)
    except Throttled:
        raise ServiceError("TooManyRequestsException", "Rate Exceeded.") from None
    headers = {
        "status": "200",
        "content-type": "application/json",
        "x-amzn-RequestId": request_id,
        "X-Amz-Executed-Version": "$LATEST",
    }
    if outcome.error:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if self.headers.get("X-Amz-Log-Type") == "Tail":
        headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log.encode()[-LOG_TAIL:]).decode()
    return 200, headers, outcome.payload


def _put_function_event_invoke_config(
    self: LambdaBackend, function_name: str, config: dict[str, Any]
) -> dict[str, Any]:
    function = self.get_function(function_name)
    function.event_invoke_config = [EventInvokeConfig(function.function_arn, function.last_modified, config)]
    return function.event_invoke_config[0].response()


def _update_function_event_invoke_config(
    self: LambdaBackend, function_name: str, config: dict[str, Any]
) -> dict[str, Any]:
    known = self.get_function(function_name).event_invoke_config
    merged = {**(known[0].config if known else {}), **config}
    return self.put_function_event_invoke_config(function_name, merged)
