"""What a policy lets a service of AWS do in its own name."""

from __future__ import annotations

from typing import Any

import pytest
from localcloud.permissions.conditions import UnknownCondition
from localcloud.permissions.policies import Check
from localcloud.permissions.services import service_may

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:letters"
RULE = "arn:aws:events:eu-central-1:123456789012:rule/mend"
SEND = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": QUEUE,
    "Condition": {"ArnEquals": {"aws:SourceArn": [RULE]}},
}
OVER_TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": QUEUE,
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def may(*statements: dict[str, Any], source: str = RULE, account: str | None = None) -> bool:
    check = Check.of("sqs:SendMessage", QUEUE)
    return service_may("events.amazonaws.com", check, {"Statement": list(statements)}, source, account)


def test_a_service_is_let_in_by_name_action_resource_and_source():
    assert may(SEND, OVER_TLS)
    assert not may(OVER_TLS)
    assert not may(SEND, source=f"{RULE}-of-somebody-else")
    for element, other in {
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:ReceiveMessage",
        "Resource": f"{QUEUE}-of-somebody-else",
    }.items():
        assert not may({**SEND, element: other}), element


def test_a_principal_of_the_account_is_no_service():
    assert not may({**SEND, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}})


def test_a_denial_wins():
    assert not may(SEND, {**OVER_TLS, "Condition": {}})


def test_an_account_is_known_only_where_the_service_tells_it():
    ours = {**SEND, "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}
    assert not may(ours)
    assert may(ours, account="123456789012")


def test_without_a_policy_nobody_is_let_in():
    assert not service_may("events.amazonaws.com", Check.of("sqs:SendMessage", QUEUE), None, RULE)


def test_what_nobody_can_judge_is_an_error():
    with pytest.raises(UnknownCondition):
        may({**SEND, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}})
