"""The conditions on a field of an event pattern: values, and operators such as `prefix` and `numeric`."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

MAX_WILDCARDS = 5
"""EventBridge refuses wildcards that are too complex by a measure it does not publish; this comes close."""
EXACT_NUMBERS = 2**53

Scalar = str | int | float | bool | None
Test = Callable[[Scalar], bool]
LeafMatcher = Callable[[list[Scalar]], bool]


class InvalidPattern(ValueError):
    """The pattern is one that EventBridge would refuse; the text says why."""


def compile_condition(item: Any, at: str) -> LeafMatcher:
    """Compile one of a field's conditions to a test of all values of the field that are no objects."""
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
