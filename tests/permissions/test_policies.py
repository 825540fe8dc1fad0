"""Which statements of a policy speak of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from localcloud.permissions.policies import Check, UnknownPolicy, matches

TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/ledger"


def effects(statement: dict[str, Any], action: str = "dynamodb:GetItem", resource: str = TABLE) -> list[str]:
    document = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}})
    return [match.effect for match in matches("policy", document, Check.of(action, resource), {})]


@pytest.mark.parametrize(
    ("statement", "speaks"),
    [
        ({"Action": "dynamodb:GetItem", "Resource": TABLE}, True),
        ({"Action": "DynamoDB:getitem", "Resource": TABLE}, True),
        ({"Action": ["dynamodb:Put*", "dynamodb:Get*"], "Resource": "*"}, True),
        ({"Action": "dynamodb:PutItem", "Resource": TABLE}, False),
        ({"Action": "*", "Resource": f"{TABLE}/index/*"}, False),
        ({"Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:*:123456789012:table/*"}, True),
        ({"Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:*:table/ledger"}, False),
        ({"Action": "dynamodb:GetItem", "Resource": "arn:aws:s3:::*"}, False),
        ({"NotAction": "dynamodb:PutItem", "Resource": TABLE}, True),
        ({"NotAction": "dynamodb:*", "Resource": TABLE}, False),
        ({"Action": "dynamodb:GetItem", "NotResource": TABLE}, False),
        ({"Action": "dynamodb:GetItem", "NotResource": f"{TABLE}s"}, True),
    ],
)
def test_actions_and_resources(statement, speaks):
    assert effects(statement) == (["Allow"] if speaks else [])


def test_an_action_without_resources_needs_every_resource():
    describe = ("ec2:DescribeSecurityGroups", "*")
    assert effects({"Action": "ec2:DescribeSecurityGroups", "Resource": "*"}, *describe)
    group = "arn:aws:ec2:eu-central-1:123456789012:security-group/*"
    assert not effects({"Action": "ec2:DescribeSecurityGroups", "Resource": group}, *describe)


def test_it_is_told_by_which_statement_and_resource():
    statements = [
        {"Sid": "Other", "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": TABLE},
        {
            "Sid": "Read",
            "Effect": "Allow",
            "Action": "dynamodb:GetItem",
            "Resource": [f"{TABLE}/index/*", TABLE],
        },
        {"Sid": "Not", "Effect": "Deny", "Action": "*", "Resource": "*"},
    ]
    document = json.dumps({"Statement": statements})
    found = matches("policy", document, Check.of("dynamodb:GetItem", TABLE), {})
    assert [(m.effect, m.policy, m.sid, m.resource_position) for m in found] == [
        ("Allow", "policy", "Read", 1),
        ("Deny", "policy", "Not", 0),
    ]


def test_a_condition_that_is_not_met_silences_the_statement():
    statement = {
        "Action": "dynamodb:GetItem",
        "Resource": TABLE,
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    }
    assert not effects(statement)


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::${aws:PrincipalAccount}/*"},
        {"Action": "s3:GetObject", "Resource": "*", "NotPrincipal": "*"},
        {"Action": "s3:GetObject", "Resource": "*", "Actions": "s3:PutObject"},
    ],
)
def test_what_nobody_can_judge_is_an_error(statement):
    with pytest.raises(UnknownPolicy):
        effects(statement)
