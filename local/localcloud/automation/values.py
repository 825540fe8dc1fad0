"""The six value types of Automation: which values they hold, how they convert and how the API writes them."""

import json
import re
from typing import Any

TYPES = ("String", "StringList", "Boolean", "Integer", "StringMap", "MapList")


class WrongType(Exception):
    """A value is not of the type that was declared, and Automation does not convert it."""

    def __init__(self, value: Any, declared: str) -> None:
        super().__init__(
            f"a value of JSON type {json_type(value)} is not a {declared}: {as_text(value)[:200]}"
        )


def base_type(declared: str) -> str | None:
    """Reduce a resource type such as ``AWS::IAM::Role::Arn`` to the plain type that carries it."""
    if declared in TYPES:
        return declared
    if re.fullmatch(r"AWS(::\w+)+", declared):
        return "String"
    if re.fullmatch(r"List<AWS(::\w+)+>", declared):
        return "StringList"
    return None


def has_type(value: Any, declared: str) -> bool:
    """Say whether a value has this type as it is."""
    match declared:
        case "String":
            return isinstance(value, str)
        case "Boolean":
            return isinstance(value, bool)
        case "Integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "StringList":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "StringMap":
            return isinstance(value, dict)
        case "MapList":
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    raise ValueError(f"unknown Automation type {declared}")


def convert(value: Any, declared: str) -> Any:
    """Give a selected value the type that its output declares, by the conversions that AWS documents."""
    if has_type(value, declared):
        return value
    if isinstance(value, list) and len(value) == 1 and declared in ("String", "Integer", "Boolean"):
        return convert(value[0], declared)
    match declared, value:
        case "StringList", str():
            return [value]
        case "StringList", bool() | int():
            return [as_text(value)]
        case "String", bool() | int():
            return as_text(value)
        case "Integer", str() if re.fullmatch(r"-?\d+", value):
            return int(value)
        case "Boolean", "true" | "false":
            return value == "true"
    raise WrongType(value, declared)


def parse(texts: list[str], declared: str) -> Any:
    """Read the list of strings that StartAutomationExecution carries for a parameter of this type."""
    if declared == "StringList":
        return texts
    if declared == "MapList":
        return _checked([_json(text, declared) for text in texts], declared)
    if len(texts) != 1:
        raise WrongType(texts, declared)
    if declared == "StringMap":
        return _checked(_json(texts[0], declared), declared)
    return convert(texts[0], declared)


def as_texts(value: Any) -> list[str]:
    """Write a value as the API does in parameters and outputs: always a list of strings."""
    return [as_text(item) for item in value] if isinstance(value, list) else [as_text(value)]


def as_text(value: Any) -> str:
    """Write a value as text: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def json_type(value: Any) -> str:
    """Name a value's type as JSON does."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _json(text: str, declared: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise WrongType(text, declared) from error


def _checked(value: Any, declared: str) -> Any:
    if not has_type(value, declared):
        raise WrongType(value, declared)
    return value
