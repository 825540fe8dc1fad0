"""Event patterns as EventBridge matches them.

A pattern is compiled once and refused where EventBridge refuses it. Where AWS has not documented a case, this
follows what TestEventPattern answers; conditions on an array of objects hold together in one of its elements.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from localcloud.events.operators import InvalidPattern, Scalar, compile_condition

__all__ = ["InvalidPattern", "compile_pattern", "parse_json"]

MAX_PATTERN_LENGTH = 2_048
MAX_OR_COMBINATIONS = 1_000
RESERVED_INSIDE_OR = {
    *("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric"),
    *("cidr", "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"),
    *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
    *("ip-address-in-range", "ip-address-not-in-range"),
}
"""Operators, also those that EventBridge may get one day."""

_MISSING = object()

Matcher = Callable[[Any], bool]


@lru_cache(maxsize=1_000)
def compile_pattern(text: str) -> Matcher:
    """Return a function that says whether an event matches the pattern."""
    if len(text) > MAX_PATTERN_LENGTH:
        raise InvalidPattern(f"{len(text)} characters, the limit is {MAX_PATTERN_LENGTH}")
    try:
        pattern = parse_json(text)
    except ValueError as error:
        raise InvalidPattern(f"Invalid JSON: {error}") from None
    if not isinstance(pattern, dict):
        raise InvalidPattern("Filter is not an object")
    if _or_combinations(pattern) > MAX_OR_COMBINATIONS:
        raise InvalidPattern(f"more than {MAX_OR_COMBINATIONS} combinations of $or")
    return _object(_nested(pattern), "pattern", inside_or=False)


def parse_json(text: str) -> Any:
    """Parse JSON strictly: Python also takes `NaN` and `Infinity`."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def _object(pattern: dict[str, Any], at: str, inside_or: bool) -> Matcher:
    """Compile the conditions on one object; they all hold in the same element when the event has an array."""
    if not pattern:
        raise InvalidPattern(f"Empty objects are not allowed: '{at}'")
    if inside_or and (reserved := RESERVED_INSIDE_OR & pattern.keys()):
        raise InvalidPattern(f"'{reserved.pop()}' is no field name inside '$or' at '{at}'")

    def condition(key: str, value: Any) -> Matcher:
        if key == "$or":
            return _any_of(value, at)
        return _field(key, value, key if at == "pattern" else f"{at}.{key}", inside_or)

    matchers = [condition(key, value) for key, value in pattern.items()]

    def matches_one(element: Any) -> bool:
        return all(matcher(element) for matcher in matchers)

    def matches(value: Any) -> bool:
        elements = [e for e in _flattened(value) if isinstance(e, dict)]
        return any(matches_one(element) for element in elements or [{}])

    return matches


def _field(key: str, condition: Any, at: str, inside_or: bool) -> Matcher:
    if isinstance(condition, dict):
        matches_child = _object(condition, at, inside_or)
        return lambda value: matches_child(_child(value, key))
    if isinstance(condition, list):
        if not condition:
            raise InvalidPattern(f"Empty arrays are not allowed: '{at}'")
        alternatives = [compile_condition(item, at) for item in condition]

        def matches(value: Any) -> bool:
            leaves = _leaves(_child(value, key))
            return any(alternative(leaves) for alternative in alternatives)

        return matches
    raise InvalidPattern(f"'{at}' must be an object or an array")


def _any_of(alternatives: Any, at: str) -> Matcher:
    if not isinstance(alternatives, list) or len(alternatives) < 2:
        raise InvalidPattern(f"'$or' at '{at}' needs an array of at least two patterns")
    for alternative in alternatives:
        if not isinstance(alternative, dict):
            raise InvalidPattern(f"'$or' at '{at}' must hold objects")
    matchers = [_object(alternative, at, inside_or=True) for alternative in alternatives]
    return lambda value: any(matcher(value) for matcher in matchers)


def _flattened(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        for element in value:
            yield from _flattened(element)
    elif value is not _MISSING:
        yield value


def _leaves(value: Any) -> list[Scalar]:
    return [leaf for leaf in _flattened(value) if not isinstance(leaf, dict)]


def _child(element: dict[str, Any], key: str) -> Any:
    """Return the value at a key; `{"a.b": 1}` and `{"a": {"b": 1}}` are the same to EventBridge."""
    value = element.get(key, _MISSING)
    dotted = {name[len(key) + 1 :]: v for name, v in element.items() if name.startswith(f"{key}.")}
    if not dotted:
        return value
    if isinstance(value, dict):
        return {**value, **dotted}
    return dotted if value is _MISSING else value


def _nested(pattern: Any) -> Any:
    """Write dotted keys of a pattern as nested objects."""
    if not isinstance(pattern, dict):
        return pattern
    result: dict[str, Any] = {}
    for key, value in pattern.items():
        _insert(result, key, value)
    return result


def _insert(target: dict[str, Any], key: str, value: Any) -> None:
    if key == "$or" and isinstance(value, list):
        target[key] = [_nested(alternative) for alternative in value]
        return
    first, _, rest = key.partition(".")
    inner = {rest: value} if rest else value
    if isinstance(inner, dict) != isinstance(target.get(first, inner), dict):
        raise InvalidPattern(f"'{first}' is both an object and a list of values")
    if not isinstance(inner, dict):
        target[first] = inner
        return
    child = target.setdefault(first, {})
    for name, condition in inner.items():
        _insert(child, name, condition)


def _or_combinations(pattern: Any) -> int:
    """Return how many plain patterns this one stands for: alternatives add up, fields multiply."""
    if not isinstance(pattern, dict):
        return 1
    combinations = 1
    for key, value in pattern.items():
        if key == "$or" and isinstance(value, list):
            combinations *= sum(_or_combinations(alternative) for alternative in value) or 1
        else:
            combinations *= _or_combinations(value)
    return combinations
