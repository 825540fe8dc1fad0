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
from typing import Any
from xml.sax.saxutils import escape

from flask import Flask, request
from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import ActionResult, BaseResponse, boto3_service_name
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException

from localcloud import journal
from localcloud.principals import principal_of

Handler = Callable[..., tuple[int, dict[str, Any], Any]]

_ONE_AT_A_TIME = {"dynamodb": threading.RLock()}
"""moto does not make a conditional write atomic; in DynamoDB everything depends on that."""


_WITHOUT_MODEL = ("moto_api", "instance_metadata")


class NotSupportedLocally(ServiceException):
    """The local cloud does not have this operation, or not this form of it."""

    code = "NotSupportedLocally"


class LocalCloudFailure(ServiceException):
    """moto stumbled over the request: usually one that AWS would refuse as invalid."""

    code = "LocalCloudFailure"


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
    def journaled(self: BaseResponse, *args: Any) -> tuple[int, dict[str, Any], Any]:
        with _ONE_AT_A_TIME.get(self.boto3_service_name) or contextlib.nullcontext():
            status, headers, body = _answered(handler, self, *args)
        journal.record(
            "api-call",
            service=self.boto3_service_name,
            operation=_operation(self),
            principal=principal_of(self.access_key),
            request=_request(self),
            status=status,
            error=_error_code(body) if status >= 400 else None,
        )
        return status, headers, body

    return journaled


def _answered(handler: Handler, response: BaseResponse, *args: Any) -> tuple[int, dict[str, Any], Any]:
    try:
        return handler(response, *args)
    except HTTPException:
        raise
    except Exception as error:
        refusal = _refusal(f"{response.boto3_service_name}:{_operation(response)}", error)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Exception.* does not match an error shape")
        status, headers, body = response.serialized(ActionResult(refusal))
    return status, {**headers, "status": str(status)}, body


def _refusal(call: str, error: Exception) -> ServiceException:
    if isinstance(error, NotImplementedError):
        return NotSupportedLocally(f"The local cloud does not support {call}: {error}")
    traceback.print_exception(error, file=sys.stderr)
    return LocalCloudFailure(f"The local cloud failed on {call}: {type(error).__name__}: {error}")


def _operation(response: BaseResponse) -> str:
    if isinstance(response, S3Response):
        return str(response.data.get("Action"))
    return str(response._get_action())


def _request(response: BaseResponse) -> dict[str, Any]:
    """Return the request by the member names of the service's model, whatever protocol it came in."""
    received = response.normalized_request
    try:
        service = get_service_model(response.boto3_service_name)
        operation = service.operation_model(_operation(response))
        parser = PROTOCOL_PARSERS[determine_request_protocol(service, received.content_type)](operation)
        return parser.parse(
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
        return {"method": received.method, "path": received.path}


def _error_code(body: Any) -> str | None:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    with contextlib.suppress(ValueError):
        answer = json.loads(text)
        if isinstance(answer, dict):
            code = answer.get("__type") or answer.get("code") or answer.get("Type")
            return str(code).rsplit("#", 1)[-1] if code else None
    found = re.search(r"<Code>(.*?)</Code>", text)
    return found.group(1) if found else None
