"""The `Condition` of a statement: which operators there are here, and whether a request meets them.

What this does not know is an error, never a guess: an operator, a policy variable, or a key that no request
of the local cloud carries, which would make a condition silently true or silently false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.permissions.wildcards import arn_like, like

Context = Mapping[str, tuple[str, ...]]
"""The values of a request's condition keys, by the keys in lower case."""

KEYS = {
    "aws:principalaccount",
    "aws:principalarn",
    "aws:requestedregion",
    "aws:requesttag/",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:tagkeys",
    "dynamodb:leadingkeys",
    "events:detail-type",
    "events:source",
    "iam:passedtoservice",
    "kms:viaservice",
    "ssm:overwrite",
    "ssm:recursive",
}
"""The keys that a request has here whenever it has them on AWS; those that end with `/` take a name."""


class UnknownCondition(Exception):
    """The condition says something that this cannot judge."""


Compare = Callable[[str, str], bool]

_COMPARISONS: dict[str, Compare] = {
    "StringEquals": lambda expected, value: expected == value,
    "StringEqualsIgnoreCase": lambda expected, value: expected.lower() == value.lower(),
    "StringLike": like,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": lambda expected, value: expected.lower() == value.lower(),
}
_NEGATIONS = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def met(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Return whether the request meets the whole condition."""
    # All of them are looked at, so that one which nobody can judge never hides behind another.
    results = [
        _holds(operator, key, as_texts(expected), context)
        for operator, keys in condition.items()
        for key, expected in keys.items()
    ]
    return all(results)


def _holds(operator: str, key: str, expected: list[str], context: Context) -> bool:
    name = key.lower()
    if name not in KEYS and name.partition("/")[0] + "/" not in KEYS:
        raise UnknownCondition(f"the local cloud gives no request the condition key {key}")
    if any("${" in text for text in expected):
        raise UnknownCondition(f"the local cloud knows no policy variables, and {key} has one")
    values = context.get(name)
    if operator == "Null":
        return (values is None) == (expected == ["true"])
    quantifier, _, plain = operator.rpartition(":")
    base = plain.removesuffix("IfExists")
    negated = base in _NEGATIONS
    compare = _COMPARISONS.get(_NEGATIONS.get(base, base))
    if compare is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise UnknownCondition(f"the local cloud does not know the condition operator {operator}")
    if values is None:
        return quantifier == "ForAllValues" or (not quantifier and (negated or base != plain))
    fits = [any(compare(text, value) for text in expected) != negated for value in values]
    if quantifier:
        return all(fits) if quantifier == "ForAllValues" else any(fits)
    if len(fits) != 1:
        raise UnknownCondition(f"{key} has several values, and {operator} does not say how many must fit")
    return fits[0]


def as_texts(value: Any) -> list[str]:
    """Return what a policy writes as one value or as a list, as texts."""
    values = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]
