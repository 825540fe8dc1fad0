"""Every request and every response of the services that Mend uses, held against botocore's model.

A request that breaks the model is refused as AWS refuses it. A response that breaks it is a bug of the local
cloud: something that works here and not on AWS. So nobody gets to see it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel
from botocore.parsers import PROTOCOL_PARSERS, ResponseParserError, create_parser

from localcloud.errors import ServiceError, invalid_request
from localcloud.model import ResponseViolatesModel, request_violations, response_violations, service_model

SERVICES = frozenset(
    {
        "cloudformation",
        "cloudwatch",
        "config",
        "dynamodb",
        "ec2",
        "events",
        "iam",
        "kms",
        "lambda",
        "logs",
        "resourcegroupstaggingapi",
        "s3",
        "scheduler",
        "secretsmanager",
        "sns",
        "sqs",
        "ssm",
        "sts",
    }
)

_responses: list[str] = []


def check_request(
    service: str, operation: str, protocol: str, parameters: dict[str, Any], body: bytes
) -> None:
    """Refuse a request that breaks the model.

    `parameters` are by the names of the model; where the protocol is JSON, the body itself is looked at.
    """
    model = _model(service, operation)
    if model is None or model.input_shape is None:
        return
    violations = request_violations(_json(body) if protocol == "json" else parameters, model.input_shape)
    if violations:
        count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: "
        raise invalid_request(service, count + "; ".join(violations))


def check_response(
    service: str, operation: str, protocol: str, status: int, headers: Mapping[str, Any], body: Any
) -> None:
    """Raise if a response that is no error breaks the model."""
    if status >= 300 or protocol not in PROTOCOL_PARSERS:
        return
    model = _model(service, operation)
    if model is None or model.output_shape is None or model.has_event_stream_output:
        return
    content = body.encode() if isinstance(body, str) else bytes(body or b"")
    try:
        violations = response_violations(
            _members(model, protocol, status, headers, content), model.output_shape
        )
    except (ResponseParserError, AttributeError, KeyError, MemoryError, TypeError, ValueError) as error:
        violations = [f"the {protocol} response cannot be read: {type(error).__name__}: {error}"]
    if violations:
        violation = f"{service}:{operation}: {'; '.join(violations)}"
        _responses.append(violation)
        raise ResponseViolatesModel(violation)


def take_wrong_responses() -> list[str]:
    """Return what was wrong with responses since the last look: a suite of tests fails by it."""
    taken = list(_responses)
    _responses.clear()
    return taken


def _model(service: str, operation: str) -> OperationModel | None:
    if service not in SERVICES:
        return None
    model = service_model(service)
    return model.operation_model(operation) if operation in model.operation_names else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError("SerializationException", f"The request is not JSON: {error}") from None


def _members(
    model: OperationModel, protocol: str, status: int, headers: Mapping[str, Any], body: bytes
) -> dict[str, Any]:
    if protocol == "json":
        return json.loads(body or b"{}")
    response = {"status_code": status, "headers": HeadersDict(headers), "body": body}
    parsed = create_parser(protocol).parse(response, model.output_shape)
    del parsed["ResponseMetadata"]
    return parsed
