"""Every API call passes here: it is written into the journal, and what moto lacks becomes a clear error.

moto answers an operation it does not have with an HTTP 500, which SDKs retry and cannot read.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from flask import Flask, request
from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.responses import ActionResult, BaseResponse, boto3_service_name
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException

from localcloud import faults, journal
from localcloud.checks import check_request, check_response
from localcloud.errors import access_denied
from localcloud.model import ResponseViolatesModel
from localcloud.principals import principal_of

Answer = tuple[int, dict[str, Any], Any]
Handler = Callable[..., Answer]

_ONE_AT_A_TIME = {"dynamodb": threading.RLock()}
"""moto does not make a conditional write atomic; in DynamoDB everything depends on that."""

ANSWER_IS_LOST = "localcloud.answer-is-lost"
"""A key of the WSGI environment: the server closes the connection instead of answering."""

_WITHOUT_MODEL = ("moto_api", "instance_metadata")


@dataclass(frozen=True)
class Call:
    """One API call, before it runs."""

    service: str
    """As boto3 names it: `ssm`, `lambda`, `events`."""
    operation: str
    """As the service's model names it: `StartAutomationExecution`."""
    parameters: dict[str, Any]
    """By the member names of the service's model, whatever protocol they came in."""
    principal: str
    """The ARN of the role session or user who signed the call, or the account's root."""
    region: str


@dataclass(frozen=True)
class Authorization:
    """What IAM says about a call."""

    fields: dict[str, Any] = field(default_factory=dict)
    """What goes into the call's entry in the journal: `action` and `resources`."""
    denial: str | None = None
    """The message of the service's AccessDenied error, if the call is refused."""


def _everything_is_allowed(call: Call) -> Authorization:
    return Authorization()


authorize: Callable[[Call], Authorization] = _everything_is_allowed
"""The hook of `localcloud.permissions`, whose `install()` sets it: `calls.authorize = …`.

It is asked once for every call that fits the service's model, in the thread of the call and before anything
happens, also for operations that the local cloud does not have; never for URLs that name no operation. It may
read moto's state, must change nothing, and must not raise: what it raises fails the call with
`LocalCloudFailure`.
A denial becomes the service's own error (`AccessDeniedException`, `UnauthorizedOperation`…) with that
message, and the call has no effect. The fields go into the journal's entry of the call in any case.
"""


class NotSupportedLocally(ServiceException):
    """The local cloud does not have this operation, or not this form of it."""

    code = "NotSupportedLocally"


class LocalCloudFailure(ServiceException):
    """moto stumbled over the request: usually one that AWS would refuse as invalid."""

    code = "LocalCloudFailure"


class WrongResponse(ServiceException):
    """The answer breaks the service's model: a bug of the local cloud, which nobody shall get used to."""

    code = "LocalCloudFailure"
    status = 501
    """SDKs try again after a 500, and then tell of what came second."""


def install() -> None:
    """Wrap the one place where moto calls an operation, and S3's two, which do without it."""
    BaseResponse.call_action = _journaled(BaseResponse.call_action)
    S3Response.bucket_response = _journaled(S3Response.bucket_response)
    S3Response.key_response = _journaled(S3Response.key_response)


def create_app(service: str) -> Flask:
    """Return moto's application for a service, with an answer for the URLs that moto has no operation for."""
    app = create_backend_app(service)
    if service in _WITHOUT_MODEL:
        return app
    name = boto3_service_name.get(service, service)

    def refuse(_: Exception) -> tuple[str, int, dict[str, str]]:
        call = f"{request.method} {request.path}"
        message = f"The local cloud does not support {call} of {name}: the operation has not been implemented"
        journal.record(
            "api-call",
            service=name,
            operation=call,
            principal=None,
            request={},
            status=400,
            error=NotSupportedLocally.code,
        )
        # The JSON protocols read the code from the header, the XML ones from the body.
        if "json" in get_service_model(name).metadata["protocol"]:
            body = json.dumps({"message": message})
        else:
            error = f"<Code>{NotSupportedLocally.code}</Code><Message>{escape(message)}</Message>"
            body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
        return body, 400, {"x-amzn-errortype": NotSupportedLocally.code}

    app.register_error_handler(404, refuse)
    return app


def _journaled(handler: Handler) -> Handler:
    @functools.wraps(handler)
    def journaled(self: BaseResponse, *args: Any) -> Answer:
        if isinstance(self, S3Response):
            # It reads the request only inside of the handler.
            self.setup_class(args[0])
        protocol = _protocol(self)
        call = _call(self, protocol)
        fields: dict[str, Any] = {}
        try:
            check_request(call.service, call.operation, protocol, call.parameters, self.raw_body)
            _begin(call, self, fields)
            with _ONE_AT_A_TIME.get(call.service) or contextlib.nullcontext():
                answer = handler(self, *args)
            check_response(call.service, call.operation, protocol, *answer)
        except HTTPException:
            raise
        except Exception as error:
            answer = _error(self, _refusal(f"{call.service}:{call.operation}", error))
        status, _, body = answer
        journal.record(
            "api-call",
            service=call.service,
            operation=call.operation,
            principal=call.principal,
            request=call.parameters,
            status=status,
            error=_error_code(body) if status >= 400 else None,
            **fields,
        )
        return answer

    return journaled


def _begin(call: Call, response: BaseResponse, fields: dict[str, Any]) -> None:
    """Raise what keeps the call from running, and note in the journal's fields what was found out."""
    authorization = authorize(call)
    fields |= authorization.fields
    if authorization.denial:
        raise access_denied(call.service, authorization.denial)
    fault = faults.hitting(call.service, call.operation, call.principal)
    if fault:
        fields["fault"] = fault.kind
        response.normalized_request.environ[ANSWER_IS_LOST] = fault.kind == "lost-response"
        fault.begin(call.service)


def _protocol(response: BaseResponse) -> str:
    """Return the protocol that the caller speaks, of those that the service has."""
    service = get_service_model(response.boto3_service_name)
    with contextlib.suppress(NotImplementedError):
        return response.determine_response_protocol(service)
    return str(service.protocol)


def _call(response: BaseResponse, protocol: str) -> Call:
    operation = str(response._get_action())
    return Call(
        response.boto3_service_name,
        operation,
        _parameters(response, operation, protocol),
        principal_of(response.access_key),
        response.region,
    )


def _error(response: BaseResponse, error: ServiceException) -> Answer:
    """Return the error as the service's protocol writes it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Exception.* does not match an error shape")
        status, headers, body = response.serialized(ActionResult(error))
    status = getattr(error, "status", None) or status
    return status, {**headers, "status": str(status)}, body


def _refusal(call: str, error: Exception) -> ServiceException:
    if isinstance(error, ServiceException):
        return error
    if isinstance(error, NotImplementedError):
        return NotSupportedLocally(f"The local cloud does not support {call}: {error}")
    if isinstance(error, ResponseViolatesModel):
        return WrongResponse(f"The local cloud was about to answer what AWS cannot answer: {error}")
    traceback.print_exception(error, file=sys.stderr)
    return LocalCloudFailure(f"The local cloud failed on {call}: {type(error).__name__}: {error}")


def _parameters(response: BaseResponse, operation: str, protocol: str) -> dict[str, Any]:
    """Return the request by the member names of the service's model, whatever protocol it came in."""
    received = response.normalized_request
    try:
        model = get_service_model(response.boto3_service_name).operation_model(operation)
        return PROTOCOL_PARSERS[protocol](model).parse(
            {
                "method": received.method,
                "values": received.values,
                "headers": received.headers,
                "body": received.data,
                "url_path": received.path,
                "url_params": response.uri_match,
            }
        )
    except Exception:
        # Whatever misses a member says so.
        return {}


def _error_code(body: Any) -> str | None:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    with contextlib.suppress(ValueError):
        answer = json.loads(text)
        if isinstance(answer, dict):
            code = answer.get("__type") or answer.get("code") or answer.get("Type")
            return str(code).rsplit("#", 1)[-1] if code else None
    found = re.search(r"<Code>(.*?)</Code>", text)
    return found.group(1) if found else None
