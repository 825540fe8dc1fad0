"""What a target of a rule gets: the event, a part of it, a constant, or a text made from a template."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from localcloud.events.envelope import Event

RESERVED = {
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
}

_MISSING = object()
_PATH_STEP = re.compile(r"\.([\w/-]+|\*)|\[(\d+|\*)]")
_TEMPLATE_TOKEN = re.compile(r'(?P<escape>\\.)|(?P<quote>")|<(?P<name>[\w.-]+)>', re.DOTALL)
_STAND_IN = "\ue000"
"""Stands for a variable while a template is checked; from the private use area, so nobody's text has it."""

Target = dict[str, Any]


class InvalidInput(ValueError):
    """The target's input is one that EventBridge refuses when the target is put; the text says why."""


class NoInput(Exception):
    """The event at hand gives no input that could be delivered."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def check(target: Target) -> None:
    """Refuse what EventBridge refuses about a target's input."""
    name = target["Id"]
    given = [key for key in ("Input", "InputPath", "InputTransformer") if target.get(key) is not None]
    if len(given) > 1:
        raise InvalidInput(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}."
        )
    if "Input" in given:
        _check_json(target["Input"], f"Input for target {name} is not JSON")
    if "InputPath" in given:
        _steps(target["InputPath"])
    if "InputTransformer" in given:
        _check_transformer(name, target["InputTransformer"])


def text_for(target: Target, event: Event, rule_arn: str, rule_name: str, ingested: str) -> str:
    """Return what the target gets for the event."""
    if target.get("Input") is not None:
        return target["Input"]
    if target.get("InputPath") is not None:
        value = _value_at(target["InputPath"], event)
        if value is _MISSING:
            raise NoInput("INVALID_PARAMETER", f"The event has nothing at {target['InputPath']}.")
        return compact(value)
    if target.get("InputTransformer") is not None:
        known = {
            "aws.events.rule-arn": rule_arn,
            "aws.events.rule-name": rule_name,
            "aws.events.event.ingestion-time": ingested,
            "aws.events.event": _without_detail(event),
            "aws.events.event.json": event,
        }
        return _transformed(target["InputTransformer"], event, known)
    return compact(event)


def compact(value: Any) -> str:
    """Write JSON as EventBridge does."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _without_detail(event: Event) -> dict[str, Any]:
    """Return what `<aws.events.event>` stands for; EventBridge spells the detail-type differently in it."""
    return {
        "detailType" if key == "detail-type" else key: value
        for key, value in event.items()
        if key != "detail"
    }


def _transformed(transformer: dict[str, Any], event: Event, known: dict[str, Any]) -> str:
    paths = transformer.get("InputPathsMap") or {}
    values = {name: _value_at(path, event) for name, path in paths.items()} | known
    template = transformer["InputTemplate"]
    is_text = template.lstrip().startswith('"')

    def written(name: str, in_string: bool) -> str:
        value = values.get(name, _MISSING)
        if value is _MISSING:
            return "" if in_string else '""'
        if not in_string:
            return compact(value)
        # Nothing is escaped here, which makes the text of some values invalid JSON: so it is on AWS.
        if isinstance(value, dict | list) and is_text:
            return compact(value).replace('"', "")
        return value if isinstance(value, str) else compact(value)

    text = _filled(template, written)
    if is_text:
        return text
    try:
        return compact(json.loads(text))
    except ValueError as error:
        raise NoInput("INVALID_JSON", f"The input template gives no JSON for this event: {error}") from None


def _filled(template: str, written: Callable[[str, bool], str]) -> str:
    """Replace the variables of a template by what `written(name, in_string)` answers."""
    in_string = False

    def replace(token: re.Match[str]) -> str:
        nonlocal in_string
        if token["quote"]:
            in_string = not in_string
        return written(token["name"], in_string) if token["name"] else token[0]

    return _TEMPLATE_TOKEN.sub(replace, template)


def _check_transformer(target: str, transformer: dict[str, Any]) -> None:
    paths = transformer.get("InputPathsMap") or {}
    for path in paths.values():
        _steps(path)

    def stand_in(name: str, in_string: bool) -> str:
        if name not in paths and name not in RESERVED:
            raise InvalidInput(f"InputTemplate for target {target} contains invalid placeholder {name}.")
        return _STAND_IN if in_string else "null"

    text = _filled(transformer.get("InputTemplate") or "", stand_in).strip()
    problem = f"Invalid InputTemplate for target {target}"
    values = []
    while text or not values:
        try:
            value, end = _CHECKING.raw_decode(text)
        except ValueError as error:
            raise InvalidInput(f"{problem} : {error}") from None
        values.append(value)
        text = text[end:].lstrip()
    if len(values) > 1 and not all(isinstance(value, str) for value in values):
        raise InvalidInput(f"{problem} : only strings may follow each other")


def _refuse_variable_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if any(_STAND_IN in key for key, _ in pairs):
        raise ValueError("a placeholder cannot be used as an object key")
    return dict(pairs)


_CHECKING = json.JSONDecoder(object_pairs_hook=_refuse_variable_keys)


def _check_json(text: str, problem: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{problem}: {error}") from None


def _value_at(path: str, event: Event) -> Any:
    """Return the value at a path; with wildcards, the list of all values there."""
    found: list[Any] = [event]
    steps = _steps(path)
    for step in steps:
        found = [value for element in found for value in _children(element, step)]
    if "*" in steps:
        return found or _MISSING
    return found[0] if found else _MISSING


def _steps(path: str) -> list[str | int]:
    """Parse EventBridge's part of JSONPath: keys after dots, indices, and `*`."""
    if not path.startswith("$"):
        raise InvalidInput(f"The path {path} does not begin with $.")
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        step = _PATH_STEP.match(path, position)
        if step is None:
            raise InvalidInput(
                f"The path {path} is not one that EventBridge understands, at {path[position:]}"
            )
        key, index = step.groups()
        steps.append(key or (index if index == "*" else int(index)))
        position = step.end()
    return steps


def _children(element: Any, step: str | int) -> list[Any]:
    if step == "*":
        if isinstance(element, dict):
            return list(element.values())
        return list(element) if isinstance(element, list) else []
    if isinstance(step, int):
        return element[step : step + 1] if isinstance(element, list) else []
    return [element[step]] if isinstance(element, dict) and step in element else []
