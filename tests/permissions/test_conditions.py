"""What a condition of a statement says of a request, operator by operator."""

from __future__ import annotations

from typing import Any

import pytest
from localcloud.permissions.conditions import UnknownCondition, met

SOURCE = {"aws:sourcearn": ("arn:aws:events:eu-central-1:123456789012:rule/mend-dev",)}
KEYS = {"dynamodb:leadingkeys": ("execution#1", "execution#2")}


def holds(operator: str, key: str, expected: Any, context: dict[str, tuple[str, ...]]) -> bool:
    return met({operator: {key: expected}}, context)


@pytest.mark.parametrize(
    ("operator", "expected", "result"),
    [
        ("StringEquals", "eu-central-1", True),
        ("StringEquals", ["us-east-1", "eu-central-1"], True),
        ("StringEquals", "EU-Central-1", False),
        ("StringEqualsIgnoreCase", "EU-Central-1", True),
        ("StringNotEquals", "eu-central-1", False),
        ("StringNotEquals", ["us-east-1", "eu-central-1"], False),
        ("StringNotEquals", "us-east-1", True),
        ("StringLike", "eu-*-?", True),
        ("StringLike", "eu-?-1", False),
        ("StringNotLike", "us-*", True),
        ("StringNotLike", "eu-*", False),
    ],
)
def test_texts(operator, expected, result):
    context = {"aws:requestedregion": ("eu-central-1",)}
    assert holds(operator, "aws:RequestedRegion", expected, context) is result


@pytest.mark.parametrize("operator", ["ArnEquals", "ArnLike"])
@pytest.mark.parametrize(
    ("expected", "result"),
    [
        ("arn:aws:events:eu-central-1:123456789012:rule/mend-dev", True),
        ("arn:aws:events:*:123456789012:rule/mend-*", True),
        ("arn:aws:events:*:rule/mend-dev", False),
        ("arn:aws:events:eu-central-1:210987654321:rule/mend-dev", False),
    ],
)
def test_arns_match_part_by_part(operator, expected, result):
    assert holds(operator, "aws:SourceArn", expected, SOURCE) is result
    assert holds(operator.replace("Arn", "ArnNot"), "aws:SourceArn", expected, SOURCE) is not result


@pytest.mark.parametrize(
    ("expected", "result"), [("false", False), (False, False), ("true", True), (True, True)]
)
def test_truth(expected, result):
    assert holds("Bool", "aws:SecureTransport", expected, {"aws:securetransport": ("true",)}) is result


@pytest.mark.parametrize(
    ("operator", "result"),
    [
        ("StringEquals", False),
        ("StringEqualsIfExists", True),
        ("StringNotEquals", True),
        ("StringLike", False),
        ("ArnLike", False),
        ("ArnNotEquals", True),
        ("Bool", False),
        ("ForAllValues:StringLike", True),
        ("ForAnyValue:StringLike", False),
    ],
)
def test_a_key_that_the_request_does_not_have(operator, result):
    assert holds(operator, "aws:SourceArn", "arn:aws:events:*:*:*", {}) is result


def test_the_operator_for_missing_keys():
    assert holds("Null", "aws:SourceArn", "true", {})
    assert not holds("Null", "aws:SourceArn", "false", {})
    assert holds("Null", "aws:SourceArn", False, SOURCE)
    assert not holds("Null", "aws:SourceArn", "true", SOURCE)


@pytest.mark.parametrize(
    ("operator", "expected", "result"),
    [
        ("ForAllValues:StringLike", "execution#*", True),
        ("ForAllValues:StringLike", "execution#1", False),
        ("ForAnyValue:StringLike", "execution#1", True),
        ("ForAnyValue:StringLike", "incident#*", False),
        ("ForAllValues:StringNotLike", "incident#*", True),
        ("ForAllValues:StringNotLike", "execution#1", False),
    ],
)
def test_several_values(operator, expected, result):
    assert holds(operator, "dynamodb:LeadingKeys", expected, KEYS) is result


def test_all_conditions_must_hold():
    condition = {
        "ArnLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/*"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    assert met(condition, {**SOURCE, "aws:sourceaccount": ("123456789012",)})
    assert not met(condition, {**SOURCE, "aws:sourceaccount": ("210987654321",)})


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ({"DateLessThan": {"aws:SourceArn": "2026-01-01"}}, "operator DateLessThan"),
        ({"ForSomeValues:StringLike": {"dynamodb:LeadingKeys": "*"}}, "operator ForSomeValues:StringLike"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, "key aws:PrincipalOrgID"),
        ({"StringEquals": {"aws:SourceArn": "${aws:PrincipalArn}"}}, "policy variables"),
        ({"StringLike": {"dynamodb:LeadingKeys": "execution#*"}}, "several values"),
    ],
)
def test_what_nobody_can_judge_is_an_error(condition, reason):
    with pytest.raises(UnknownCondition, match=reason):
        met(condition, {**SOURCE, **KEYS})


def test_a_condition_that_fails_does_not_hide_one_that_nobody_can_judge():
    with pytest.raises(UnknownCondition):
        met({"Bool": {"aws:SecureTransport": "false"}, "DateLessThan": {"aws:SourceArn": "x"}}, SOURCE)
