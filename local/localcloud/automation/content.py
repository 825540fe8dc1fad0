"""Checks on the raw content of a document; every failure is an InvalidDocumentContent that says where."""

from typing import Any

from localcloud.automation.values import json_type
from localcloud.errors import ServiceError

_JSON_NAMES = {dict: "object", list: "array", str: "string", int: "number", bool: "boolean"}


def invalid(problem: str) -> ServiceError:
    """Refuse the document."""
    return ServiceError("InvalidDocumentContent", f"The document is not valid: {problem}.")


def typed(value: Any, expected: type, where: str) -> Any:
    """Return the value if it has the expected type."""
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise invalid(f"{where} is of JSON type {json_type(value)}, not {_JSON_NAMES[expected]}")
    return value


def check_keys(body: dict[str, Any], known: set[str], where: str) -> None:
    """Refuse keys that nobody would read."""
    unknown = sorted(str(key) for key in body if key not in known)
    if unknown:
        raise invalid(f"{where} has unknown or locally unsupported keys: {', '.join(unknown)}")
