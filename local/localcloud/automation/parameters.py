"""Parameters of a runbook: what it declares, and the values that a start hands in."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import regex

from localcloud.automation.content import check_keys, invalid, typed
from localcloud.automation.interpolation import references, resolve
from localcloud.automation.values import WrongType, as_texts, base_type, has_type, parse
from localcloud.errors import ServiceError

PARAMETER_KEYS = {
    "type",
    "description",
    "default",
    "allowedValues",
    "allowedPattern",
    "displayType",
    "minItems",
    "maxItems",
    "minChars",
    "maxChars",
}
VARIABLE_KEYS = {"type", "description", "default"}


@dataclass(frozen=True)
class Parameter:
    """A declared parameter or variable."""

    name: str
    type: str
    default: Any = None
    allowed_values: list[Any] | None = None
    allowed_pattern: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_chars: int | None = None
    max_chars: int | None = None


def read_parameters(raw: Any) -> dict[str, Parameter]:
    """Read the ``parameters`` of a document."""
    return _read_declarations(raw, PARAMETER_KEYS, "parameter")


def read_variables(raw: Any) -> dict[str, Parameter]:
    """Read the ``variables`` of a document."""
    return _read_declarations(raw, VARIABLE_KEYS, "variable")


def bind(declared: dict[str, Parameter], given: dict[str, list[str]]) -> dict[str, Any]:
    """Return the typed value of every declared parameter for a start with these lists of strings."""
    undeclared = sorted(given.keys() - declared.keys())
    if undeclared:
        raise _refused(f"the document does not declare {', '.join(undeclared)}")
    return {name: _bind(parameter, given.get(name)) for name, parameter in declared.items()}


def stored(
    declared: dict[str, Parameter], given: dict[str, list[str]], read: Callable[[str], Any]
) -> dict[str, list[str]]:
    """Return the values of the parameters that are not given and whose defaults Parameter Store holds."""

    def lookup(reference: str) -> Any:
        name = reference.removeprefix("ssm:")
        found = read(name)
        if found is None or found.parameter_type == "SecureString":
            kind = "no parameter" if found is None else "a SecureString, and not to be read as a default:"
            raise _refused(f"Parameter Store has {kind} {name}")
        return found.value.split(",") if found.parameter_type == "StringList" else found.value

    return {
        name: as_texts(resolve(parameter.default, lookup))
        for name, parameter in declared.items()
        if name not in given and any(references(parameter.default))
    }


@cache
def compiled_pattern(pattern: str) -> regex.Pattern[str]:
    """Compile an allowedPattern; like Java, it knows only ASCII digits and letters unless told otherwise."""
    return regex.compile(pattern, regex.ASCII)


def _bind(parameter: Parameter, texts: list[str] | None) -> Any:
    if texts is None:
        if parameter.default is None:
            raise _refused(f"the parameter {parameter.name} has no default and no value was given")
        return parameter.default
    try:
        value = parse(texts, parameter.type)
    except WrongType as error:
        raise _refused(f"the parameter {parameter.name}: {error}") from error
    _check_items(parameter, value)
    for text in as_texts(value):
        _check_text(parameter, text)
    return value


def _check_items(parameter: Parameter, value: Any) -> None:
    items = len(value) if isinstance(value, list | dict) else 1
    if parameter.min_items is not None and items < parameter.min_items:
        raise _refused(
            f"the parameter {parameter.name} needs at least {parameter.min_items} items, not {items}"
        )
    if parameter.max_items is not None and items > parameter.max_items:
        raise _refused(
            f"the parameter {parameter.name} takes at most {parameter.max_items} items, not {items}"
        )


def _check_text(parameter: Parameter, text: str) -> None:
    if parameter.allowed_values is not None and text not in map(_allowed_text, parameter.allowed_values):
        raise _refused(f"the parameter {parameter.name} takes one of {json.dumps(parameter.allowed_values)}")
    pattern = parameter.allowed_pattern
    if pattern is not None and not compiled_pattern(pattern).fullmatch(text):
        raise _refused(f"the parameter {parameter.name} does not match its allowedPattern {pattern}")
    if parameter.min_chars is not None and len(text) < parameter.min_chars:
        raise _refused(f"the parameter {parameter.name} needs at least {parameter.min_chars} characters")
    if parameter.max_chars is not None and len(text) > parameter.max_chars:
        raise _refused(f"the parameter {parameter.name} takes at most {parameter.max_chars} characters")


def _allowed_text(value: Any) -> str:
    return as_texts(value)[0]


def _refused(problem: str) -> ServiceError:
    return ServiceError(
        "InvalidAutomationExecutionParametersException",
        f"The supplied parameters are not correct: {problem}.",
    )


def _read_declarations(raw: Any, known_keys: set[str], noun: str) -> dict[str, Parameter]:
    declarations = typed({} if raw is None else raw, dict, f"{noun}s")
    return {name: _read_declaration(name, body, known_keys, noun) for name, body in declarations.items()}


def _read_declaration(name: str, body: Any, known_keys: set[str], noun: str) -> Parameter:
    where = f"the {noun} {name}"
    check_keys(typed(body, dict, where), known_keys, where)
    declared = base_type(str(body.get("type")))
    if declared is None:
        raise invalid(f"{where} has the unknown type {body.get('type')!r}")
    _check_default(body.get("default"), declared, where)
    _check_pattern(body.get("allowedPattern"), where)
    return Parameter(
        name=name,
        type=declared,
        default=body.get("default"),
        allowed_values=body.get("allowedValues"),
        allowed_pattern=body.get("allowedPattern"),
        min_items=body.get("minItems"),
        max_items=body.get("maxItems"),
        min_chars=body.get("minChars"),
        max_chars=body.get("maxChars"),
    )


def _check_default(default: Any, declared: str, where: str) -> None:
    if default is None:
        return
    if not has_type(default, declared):
        raise invalid(f"the default of {where} is not a {declared}")
    for reference in references(default):
        if not reference.startswith("ssm:") or declared not in ("String", "StringList"):
            raise invalid(
                f"the default of {where} refers to {{{{ {reference} }}}}; defaults of type String and "
                "StringList can refer to {{ ssm:NAME }} only"
            )


def _check_pattern(pattern: Any, where: str) -> None:
    if pattern is None:
        return
    try:
        compiled_pattern(pattern)
    except (TypeError, regex.error) as error:
        raise invalid(f"the allowedPattern of {where} is not a regular expression: {error}") from error
