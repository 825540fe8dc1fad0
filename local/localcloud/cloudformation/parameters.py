"""The parameters of a stack: what the template declares, what the request gives, what they are worth."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from localcloud.clients import client
from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.values import text

Declared = dict[str, dict[str, Any]]


def given_values(
    declared: Declared, given: Iterable[dict[str, Any]], previous: dict[str, str]
) -> dict[str, str]:
    """Return the text of every parameter: given, taken over, or the default; checked."""
    requested = {parameter["ParameterKey"]: parameter for parameter in given}
    if unknown := [key for key in requested if key not in declared]:
        raise InvalidTemplate(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {}
    for name, declaration in declared.items():
        parameter = requested.get(name, {})
        if parameter.get("UsePreviousValue"):
            if parameter.get("ParameterValue") is not None:
                raise InvalidTemplate(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true and non"
                    " empty value for a parameter"
                )
            if name not in previous:
                raise InvalidTemplate(
                    f"Invalid input for parameter key {name}. There is no previous value for it."
                )
            values[name] = previous[name]
        elif parameter.get("ParameterValue") is not None:
            values[name] = parameter["ParameterValue"]
        elif declaration.get("Default") is not None:
            values[name] = text(declaration["Default"])
    if missing := [name for name in declared if name not in values]:
        raise InvalidTemplate(f"Parameters: [{', '.join(missing)}] must have values")
    for name, declaration in declared.items():
        _check(name, values[name], declaration)
    return values


def _check(name: str, value: str, declaration: dict[str, Any]) -> None:
    kind = declaration.get("Type", "String")
    number = None
    if kind == "Number":
        try:
            number = float(value)
        except ValueError:
            raise InvalidTemplate(f"Parameter '{name}' must be a number.") from None
    allowed = [text(choice) for choice in declaration.get("AllowedValues", [])]
    items = value.split(",") if kind == "CommaDelimitedList" or kind.startswith("List<") else [value]
    pattern = declaration.get("AllowedPattern")
    violated = (
        (f"must be one of AllowedValues [{', '.join(allowed)}]" if set(items) - set(allowed) else "")
        if allowed
        else ""
    )
    if pattern and not all(re.fullmatch(pattern, item) for item in items):
        violated = f"must match pattern {pattern}"
    if number is not None and number < float(declaration.get("MinValue", number)):
        violated = f"must be a number not less than {declaration['MinValue']}"
    if number is not None and number > float(declaration.get("MaxValue", number)):
        violated = f"must be a number not greater than {declaration['MaxValue']}"
    if len(value) < int(declaration.get("MinLength", 0)):
        violated = f"must contain at least {declaration['MinLength']} characters"
    if len(value) > int(declaration.get("MaxLength", len(value))):
        violated = f"must contain at most {declaration['MaxLength']} characters"
    if violated:
        constraint = declaration.get("ConstraintDescription")
        raise InvalidTemplate(
            f"Parameter {name} failed to satisfy constraint: {constraint}"
            if constraint
            else f"Parameter '{name}' {violated}"
        )


def worth(declared: Declared, values: dict[str, str]) -> dict[str, Any]:
    """Return what `Ref` answers for each parameter: text, a list, or what Parameter Store says."""
    return {name: _worth(name, declared[name].get("Type", "String"), value) for name, value in values.items()}


def _worth(name: str, kind: str, value: str) -> Any:
    if kind.startswith("AWS::SSM::Parameter::Value<"):
        value = _stored(name, value)
        kind = kind.removeprefix("AWS::SSM::Parameter::Value<").removesuffix(">")
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [item.strip() for item in value.split(",")] if value else []
    return value


def _stored(name: str, path: str) -> str:
    try:
        return client("ssm").get_parameter(Name=path)["Parameter"]["Value"]
    except ClientError:
        raise InvalidTemplate(
            f"Unable to fetch parameters [{path}] from parameter store for this account. ({name})"
        ) from None


def shown(declared: Declared, values: dict[str, str]) -> list[dict[str, Any]]:
    """Return the parameters as descriptions show them: without what must not be echoed."""
    return [
        {
            "ParameterKey": name,
            "ParameterValue": "****" if text(declared.get(name, {}).get("NoEcho", "")) == "true" else value,
        }
        for name, value in values.items()
    ]
