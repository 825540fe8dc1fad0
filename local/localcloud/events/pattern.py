"""Event patterns as EventBridge matches them.

A pattern is compiled once and refused where EventBridge refuses it. Where AWS has not documented a case, this
follows what TestEventPattern answers; conditions on an array of objects hold together in one of its elements.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any

MAX_PATTERN_LENGTH = 2_048
MAX_OR_COMBINATIONS = 1_000
MAX_WILDCARDS = 5
"""EventBridge refuses wildcards that are too complex by a measure it does not publish; this comes close."""
EXACT_NUMBERS = 2**53
RESERVED_INSIDE_OR = {
    *("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric"),
    *("cidr", "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"),
    *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
    *("ip-address-in-range", "ip-address-not-in-range"),
}
"""Operators, also those that EventBridge may get one day."""

_MISSING = object()

Scalar = str | int | float | bool | None
Test = Callable[[Scalar], bool]
LeafMatcher = Callable[[list[Scalar]], bool]
Matcher = Callable[[Any], bool]


class InvalidPattern(ValueError):
    """The pattern is one that EventBridge would refuse; the text says why."""


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
        alternatives = [_leaf(item, at) for item in condition]

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


def _leaf(item: Any, at: str) -> LeafMatcher:
    if isinstance(item, list):
        raise InvalidPattern(f"'{at}' holds an array inside an array")
    if not isinstance(item, dict):
        test = _literal(item)
        return lambda leaves: any(map(test, leaves))
    operator, operand = _single(item, at)
    if operator == "exists":
        if not isinstance(operand, bool):
            raise InvalidPattern(f"exists at '{at}' must be true or false")
        return lambda leaves: bool(leaves) is operand
    if operator not in _OPERATORS:
        raise InvalidPattern(f"Unrecognized match type {operator} at '{at}'")
    test = _OPERATORS[operator](operand, at)
    return lambda leaves: any(map(test, leaves))


def _literal(expected: Scalar) -> Test:
    if _is_number(expected):
        return lambda value: _is_number(value) and value == expected
    return lambda value: type(value) is type(expected) and value == expected


def _affix(name: str, holds: Callable[[str, str], bool]) -> Callable[[Any, str], Test]:
    def operator(operand: Any, at: str) -> Test:
        if isinstance(operand, dict):
            inner, operand = _single(operand, at)
            if inner != "equals-ignore-case" or not isinstance(operand, str):
                raise InvalidPattern(f"{name} at '{at}' takes a string or {{\"equals-ignore-case\": string}}")
            folded = operand.casefold()
            return lambda value: isinstance(value, str) and holds(value.casefold(), folded)
        text = _string(operand, name, at)
        return lambda value: isinstance(value, str) and holds(value, text)

    return operator


def _equals_ignore_case(operand: Any, at: str) -> Test:
    folded = _string(operand, "equals-ignore-case", at).casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def _wildcard(operand: Any, at: str) -> Test:
    text = _string(operand, "wildcard", at)
    tokens = re.findall(r"\\.|\\$|.", text, re.DOTALL)
    if ("*", "*") in pairwise(tokens):
        raise InvalidPattern(f"Consecutive wildcard characters at '{at}'")
    for token in tokens:
        if token.startswith("\\") and token not in (r"\*", r"\\"):
            raise InvalidPattern(f"Invalid escape character at '{at}': only \\* and \\\\ can be escaped")
    if tokens.count("*") > MAX_WILDCARDS:
        raise InvalidPattern(f"Rule is too complex: more than {MAX_WILDCARDS} wildcards at '{at}'")
    regex = re.compile("".join(".*" if t == "*" else re.escape(t[-1]) for t in tokens), re.DOTALL)
    return lambda value: isinstance(value, str) and regex.fullmatch(value) is not None


def _anything_but(operand: Any, at: str) -> Test:
    if isinstance(operand, dict):
        operator, inner = _single(operand, at)
        if operator not in ("prefix", "suffix", "wildcard", "equals-ignore-case"):
            raise InvalidPattern(f"Unsupported anything-but pattern at '{at}': {operator}")
        operands = inner if isinstance(inner, list) else [inner]
        if not operands or not all(isinstance(o, str) for o in operands):
            raise InvalidPattern(f"anything-but {operator} at '{at}' takes a string or an array of strings")
        if operator in ("prefix", "suffix") and "" in operands:
            raise InvalidPattern(f"Null prefix/suffix not allowed at '{at}'")
        tests = [_OPERATORS[operator](o, at) for o in operands]
    else:
        operands = operand if isinstance(operand, list) else [operand]
        one_kind = all(isinstance(o, str) for o in operands) or all(map(_is_number, operands))
        if not operands or not one_kind:
            raise InvalidPattern(f"anything-but at '{at}' takes strings or numbers, of one kind")
        tests = [_literal(o) for o in operands]
    return lambda value: not any(test(value) for test in tests)


def _numeric(operand: Any, at: str) -> Test:
    fault = InvalidPattern(
        f"numeric at '{at}' takes [operator, number] or [lower operator, number, upper operator, number]"
    )
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise fault
    pairs = list(zip(operand[::2], operand[1::2], strict=True))
    for comparison, bound in pairs:
        if not isinstance(comparison, str) or comparison not in _COMPARISONS or not _is_number(bound):
            raise fault
        if abs(bound) > EXACT_NUMBERS:
            raise InvalidPattern(f"numeric at '{at}': {bound} is beyond 2^53")
    if len(pairs) == 2:
        (lower, low), (upper, high) = pairs
        if lower not in (">", ">=") or upper not in ("<", "<=") or low >= high:
            raise fault
    tests = [(_COMPARISONS[comparison], bound) for comparison, bound in pairs]
    return lambda value: (
        _is_number(value)
        and math.isfinite(value)
        and abs(value) <= EXACT_NUMBERS
        and all(compare(value, bound) for compare, bound in tests)
    )


def _cidr(operand: Any, at: str) -> Test:
    text = _string(operand, "cidr", at)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    mask = text.partition("/")[2]
    if network is None or not mask.isdecimal() or network.prefixlen == network.max_prefixlen:
        raise InvalidPattern(f"Malformed CIDR at '{at}': {text}")

    def matches(value: Scalar) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return matches


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

_OPERATORS: dict[str, Callable[[Any, str], Test]] = {
    "prefix": _affix("prefix", str.startswith),
    "suffix": _affix("suffix", str.endswith),
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}


def _single(operator: dict[str, Any], at: str) -> tuple[str, Any]:
    if len(operator) != 1:
        raise InvalidPattern(f"Only one key allowed in match expression at '{at}'")
    return next(iter(operator.items()))


def _string(operand: Any, operator: str, at: str) -> str:
    if not isinstance(operand, str):
        raise InvalidPattern(f"{operator} match pattern must be a string at '{at}'")
    return operand


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
