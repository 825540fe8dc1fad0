"""Requests and responses of our own operations, held against botocore's service model.

moto validates neither. A request that breaks the model is answered as AWS answers it; a response that
breaks it is a bug of the local cloud and raises.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache, wraps
from typing import Any

import botocore.session
import regex
from botocore.model import OperationModel, ServiceModel, Shape
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from localcloud.errors import ServiceError

Handler = Callable[[Any, dict[str, Any]], dict[str, Any] | None]

COMMON_ERRORS = {
    "AccessDeniedException",
    "SerializationException",
    "ThrottlingException",
    "ValidationException",
}

# AWS's own samples answer empty maps and outputs of up to 100 KB here: the lengths bound requests only.
UNBOUNDED_IN_RESPONSES = {
    "AutomationParameterMap",
    "AutomationParameterValueList",
    "AutomationParameterValue",
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
    "timestamp": (int, float, datetime),
}


class ResponseViolatesModel(Exception):
    """The local cloud was about to answer something that the service cannot answer."""


def operation(name: str) -> Callable[[Handler], Callable[[BaseResponse], ActionResult]]:
    """Turn ``handler(response, request) -> members`` into a method of a moto response class.

    The handler sees a request that fits the model, and its result and its errors are checked against it.
    """

    def decorate(handler: Handler) -> Callable[[BaseResponse], ActionResult]:
        @wraps(handler)
        def method(response: BaseResponse) -> ActionResult:
            model = service_model(response.service_name).operation_model(name)
            request = _checked_request(model, response.body)
            try:
                members = handler(response, request)
            except ServiceException as error:
                _check_error(model, error)
                raise
            return _checked_result(model, members)

        return method

    return decorate


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


def _checked_request(model: OperationModel, body: str) -> dict[str, Any]:
    try:
        request = json.loads(body or "{}")
    except ValueError as error:
        raise ServiceError("SerializationException", f"The request is not JSON: {error}") from error
    violations = list(_violations(request, model.input_shape, "", bounded=True))
    if violations:
        count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: "
        raise ServiceError("ValidationException", count + "; ".join(violations))
    return {name: value for name, value in request.items() if value is not None}


def _checked_result(model: OperationModel, members: dict[str, Any] | None) -> ActionResult:
    violations = (
        list(_violations(members or {}, model.output_shape, "", bounded=False)) if model.output_shape else []
    )
    if violations:
        raise ResponseViolatesModel(f"{model.name}: {'; '.join(violations)}")
    return ActionResult(members) if members else EmptyResult()


def _check_error(model: OperationModel, error: ServiceException) -> None:
    if error.code in COMMON_ERRORS:
        return
    shape = next((shape for shape in model.error_shapes if shape.name == error.code), None)
    if shape is None:
        raise ResponseViolatesModel(f"{model.name} cannot fail with {error.code}") from error
    violations = list(_violations(getattr(error, "members", {}), shape, "", bounded=False))
    if violations:
        raise ResponseViolatesModel(f"{model.name}, {error.code}: {'; '.join(violations)}") from error


def _violations(value: Any, shape: Shape, at: str, *, bounded: bool) -> Iterator[str]:
    """Yield what is wrong with a value, in the words of AWS's ValidationException."""
    kind = shape.type_name
    expected = PYTHON_TYPES[kind]
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
        yield _failure(value, at, f"Member must be of type {kind}")
        return
    bounded_here = bounded or shape.name not in UNBOUNDED_IN_RESPONSES
    if kind in ("list", "map", "string") and bounded_here:
        yield from _size_violations(len(value), value, shape, at, noun="length ")
    elif kind in ("integer", "long", "float", "double"):
        yield from _size_violations(value, value, shape, at, noun="value ")
    if kind == "string":
        yield from _text_violations(value, shape, at)
    elif kind == "list":
        for position, item in enumerate(value, start=1):
            yield from _violations(item, shape.member, _join(at, f"{position}.member"), bounded=bounded)
    elif kind == "map":
        for key, item in value.items():
            yield from _violations(key, shape.key, _join(at, "key"), bounded=bounded)
            yield from _violations(item, shape.value, _join(at, f"{key}.member"), bounded=bounded)
    elif kind == "structure":
        yield from _structure_violations(value, shape, at, bounded=bounded)


def _structure_violations(value: dict[str, Any], shape: Shape, at: str, *, bounded: bool) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _failure(None, _join(at, _member_path(name)), "Member must not be null")
    for name, item in value.items():
        path = _join(at, _member_path(name))
        if name not in shape.members:
            yield _failure(item, path, f"Member is not one of {', '.join(shape.members)}")
        elif item is not None:
            yield from _violations(item, shape.members[name], path, bounded=bounded)


def _size_violations(size: float, value: Any, shape: Shape, at: str, *, noun: str) -> Iterator[str]:
    if size < shape.metadata.get("min", size):
        yield _failure(value, at, f"Member must have {noun}greater than or equal to {shape.metadata['min']}")
    if size > shape.metadata.get("max", size):
        yield _failure(value, at, f"Member must have {noun}less than or equal to {shape.metadata['max']}")


def _text_violations(value: str, shape: Shape, at: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _failure(value, at, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    # The patterns are not anchored unless they say so themselves.
    if pattern and not regex.search(pattern, value):
        yield _failure(value, at, f"Member must satisfy regular expression pattern: {pattern}")


def _failure(value: Any, at: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{at or 'request'}' failed to satisfy constraint: {constraint}"


def _member_path(name: str) -> str:
    return name[:1].lower() + name[1:]


def _join(at: str, part: str) -> str:
    return f"{at}.{part}" if at else part
