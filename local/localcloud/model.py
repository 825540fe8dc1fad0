"""What botocore's model of a service says about a value: types, required members, enumerations, limits.

moto checks none of it. `localcloud.checks` holds every request and every response against it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache, wraps
from typing import Any

import botocore.session
import regex
from botocore.model import OperationModel, ServiceModel, Shape
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse, EmptyResult

Handler = Callable[[Any, dict[str, Any]], dict[str, Any] | None]
Path = tuple[Any, ...] | None
"""Where a value stands: its own name after the path of what holds it. Most paths are never read."""

COMMON_ERRORS = {
    "AccessDeniedException",
    "SerializationException",
    "ThrottlingException",
    "ValidationException",
}

# Shapes whose limits responses do not keep, AWS's own or moto's, so that they bind requests only.
LOOSE_IN_RESPONSES = {
    "AutomationParameterValueList": "an output may be a list of any length",
    "AutomationParameterValue": "outputs of up to 100 KB are answered",
    "DocumentParameterType": "runbooks have parameters of more types than String and StringList",
    "PlatformValues": "EC2 answers windows, not Windows; moto's images have Linux/UNIX, too",
    "DeviceType": "some of moto's images have the root device type standard",
    "PositiveLongObject": "DynamoDB answers that throughput has been decreased 0 times",
    "ResourceStatus": "the first event of a stack that a change set makes is REVIEW_IN_PROGRESS",
}

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str, datetime),
    "blob": (str, bytes, bytearray),
}


class ResponseViolatesModel(Exception):
    """The local cloud was about to answer something that the service cannot answer."""


def operation(name: str) -> Callable[[Handler], Callable[[BaseResponse], ActionResult]]:
    """Turn ``handler(response, request) -> members`` into a method of a moto response class.

    The handler sees the members that the request has, and raises no error that the operation does not have.
    """

    def decorate(handler: Handler) -> Callable[[BaseResponse], ActionResult]:
        @wraps(handler)
        def method(response: BaseResponse) -> ActionResult:
            request = json.loads(response.body or "{}")
            try:
                members = handler(
                    response, {name: value for name, value in request.items() if value is not None}
                )
            except ServiceException as error:
                _check_error(service_model(response.service_name).operation_model(name), error)
                raise
            return ActionResult(members) if members else EmptyResult()

        return method

    return decorate


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


def request_violations(value: Any, shape: Shape) -> list[str]:
    """Return what is wrong with a request, in the words of AWS's ValidationException."""
    found: list[str] = []
    _check(value, shape, None, found, response=False)
    return found


def response_violations(value: Any, shape: Shape) -> list[str]:
    """Return what is wrong with a response, or with the members of an error."""
    found: list[str] = []
    _check(value, shape, None, found, response=True)
    return found


def _check_error(model: OperationModel, error: ServiceException) -> None:
    if error.code in COMMON_ERRORS:
        return
    shape = next((shape for shape in model.error_shapes if shape.name == error.code), None)
    if shape is None:
        raise ResponseViolatesModel(f"{model.name} cannot fail with {error.code}") from error
    violations = response_violations(getattr(error, "members", {}), shape)
    if violations:
        raise ResponseViolatesModel(f"{model.name}, {error.code}: {'; '.join(violations)}") from error


def _check(value: Any, shape: Shape, at: Path, found: list[str], *, response: bool) -> None:
    kind = shape.type_name
    if not isinstance(value, PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        if not getattr(shape, "is_document_type", False):
            found.append(_failure(value, at, f"Member must be of type {kind}"))
        return
    if kind == "structure":
        _check_structure(value, shape, at, found, response=response)
    elif kind == "list":
        _check_size(len(value), value, shape, at, found, noun="length ", response=response)
        for position, item in enumerate(value, start=1):
            _check(item, shape.member, (at, position, "member"), found, response=response)
    elif kind == "map":
        _check_size(len(value), value, shape, at, found, noun="length ", response=response)
        for key, item in value.items():
            _check(key, shape.key, (at, "key"), found, response=response)
            _check(item, shape.value, (at, key, "member"), found, response=response)
    elif kind == "string":
        _check_size(len(value), value, shape, at, found, noun="length ", response=response)
        _check_text(value, shape, at, found, response=response)
    elif kind in ("integer", "long", "float", "double"):
        _check_size(value, value, shape, at, found, noun="value ", response=response)


def _check_structure(
    value: dict[str, Any], shape: Shape, at: Path, found: list[str], *, response: bool
) -> None:
    if shape.is_document_type:
        return
    members = shape.members
    for name in shape.required_members:
        if value.get(name) is None:
            found.append(_failure(None, (at, name), "Member must not be null"))
    for name, item in value.items():
        if item is None:
            continue
        if name in members:
            _check(item, members[name], (at, name), found, response=response)
        elif response:
            # AWS ignores such members of requests.
            found.append(_failure(item, (at, name), f"Member is not one of {', '.join(members)}"))


def _check_size(
    size: float, value: Any, shape: Shape, at: Path, found: list[str], *, noun: str, response: bool
) -> None:
    limits = _limits(shape, response=response)
    if not limits:
        return
    # Whatever the minimum, AWS answers an empty list or map when there is nothing.
    nothing = response and not size and shape.type_name in ("list", "map")
    if size < limits.get("min", size) and not nothing:
        found.append(_failure(value, at, f"Member must have {noun}greater than or equal to {limits['min']}"))
    if size > limits.get("max", size):
        found.append(_failure(value, at, f"Member must have {noun}less than or equal to {limits['max']}"))


def _check_text(value: str, shape: Shape, at: Path, found: list[str], *, response: bool) -> None:
    limits = _limits(shape, response=response)
    if not limits:
        return
    if limits.get("enum") and value not in limits["enum"]:
        found.append(
            _failure(value, at, f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]")
        )
    pattern = limits.get("pattern")
    # AWS matches the whole text, whether the pattern is anchored or not.
    if pattern and not _compiled(pattern).fullmatch(value):
        found.append(_failure(value, at, f"Member must satisfy regular expression pattern: {pattern}"))


def _limits(shape: Shape, *, response: bool) -> dict[str, Any] | None:
    return None if response and shape.name in LOOSE_IN_RESPONSES else shape.metadata


@cache
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern)


def _failure(value: Any, at: Path, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{_text(at) or 'request'}' failed to satisfy constraint: {constraint}"


def _text(at: Path) -> str:
    if at is None:
        return ""
    holder, *names = at
    names = [name[:1].lower() + name[1:] if isinstance(name, str) else str(name) for name in names]
    return ".".join(filter(None, [_text(holder), *names]))
