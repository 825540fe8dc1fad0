"""The rules that bring events in: what they take and leave, and what becomes of what they cannot deliver."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from localcloud.events.envelope import wrap
from localcloud.events.pattern import compile_pattern

ROOT = Path(__file__).resolve().parents[2]

COMPLIANCE_CHANGE = wrap(
    "Config Rules Compliance Change",
    "aws.config",
    {
        "messageType": "ComplianceChangeNotification",
        "configRuleName": "restricted-ssh",
        "resourceType": "AWS::EC2::SecurityGroup",
        "resourceId": "sg-0123456789abcdef0",
        "newEvaluationResult": {"complianceType": "NON_COMPLIANT"},
    },
)
EXECUTION_ENDED = wrap(
    "EC2 Automation Execution Status-change Notification",
    "aws.ssm",
    {"Definition": "Mend-CloseAdminPorts", "DefinitionVersion": 1.0, "Status": "Success"},
)


def changed(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the event with another value at a path such as `detail.Status`."""
    event = copy.deepcopy(event)
    *parents, last = path.split(".")
    node = event
    for parent in parents:
        node = node[parent]
    node[last] = value
    return event


@pytest.fixture(scope="session")
def takes(deployment):
    """Say whether the rule with this logical id takes an event."""
    matchers = {
        name: compile_pattern(json.dumps(rule["Properties"]["EventPattern"]))
        for name, rule in deployment.of_type("AWS::Events::Rule").items()
    }
    return lambda rule, event: matchers[rule](event)


@pytest.mark.parametrize("compliance", ["NON_COMPLIANT", "COMPLIANT", "NOT_APPLICABLE", "INSUFFICIENT_DATA"])
def test_every_change_of_compliance_is_taken(takes, compliance):
    event = changed(COMPLIANCE_CHANGE, "detail.newEvaluationResult.complianceType", compliance)
    assert takes("ConfigComplianceRule", event)
    assert not takes("AutomationOutcomeRule", event)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("account", "210987654321"),
        ("source", "custom.config"),
        ("detail-type", "Config Rules Re-evaluation Status"),
        ("detail.messageType", "ConfigurationItemChangeNotification"),
    ],
)
def test_what_is_no_change_of_compliance_here_is_left(takes, path, value):
    assert not takes("ConfigComplianceRule", changed(COMPLIANCE_CHANGE, path, value))


@pytest.mark.parametrize("status", ["Success", "Failed", "TimedOut", "Canceled", "Cancelled", "Rejected"])
def test_every_end_of_a_runbook_is_taken(takes, status):
    event = changed(EXECUTION_ENDED, "detail.Status", status)
    assert takes("AutomationOutcomeRule", event)
    assert not takes("ConfigComplianceRule", event)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("account", "210987654321"),
        ("source", "custom.ssm"),
        ("detail-type", "EC2 Automation Step Status-change Notification"),
        ("detail.Definition", "AWS-RestartEC2Instance"),
        ("detail.Definition", "Amend-CloseAdminPorts"),
        ("detail.Status", "InProgress"),
        ("detail.Status", "PendingApproval"),
        ("detail.Status", "Approved"),
        ("detail.Status", "Scheduled"),
        ("detail.Status", "PendingChangeCalendarOverride"),
    ],
)
def test_what_is_no_end_of_a_runbook_of_mend_here_is_left(takes, path, value):
    assert not takes("AutomationOutcomeRule", changed(EXECUTION_ENDED, path, value))


def test_every_rule_is_for_events_of_this_account_alone(deployment):
    for name, rule in deployment.of_type("AWS::Events::Rule").items():
        assert rule["Properties"]["EventPattern"]["account"] == ["123456789012"], name


def test_every_rule_calls_the_function_that_it_is_named_after_and_may(deployment):
    functions = deployment.of_type("AWS::Lambda::Function")
    permissions = [p["Properties"] for p in deployment.of_type("AWS::Lambda::Permission").values()]
    for name, rule in deployment.of_type("AWS::Events::Rule").items():
        (target,) = rule["Properties"]["Targets"]
        function = target["Arn"].removesuffix(".Arn")
        assert rule["Properties"]["Name"] == functions[function]["Properties"]["FunctionName"]
        assert {
            "FunctionName": function,
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": f"{name}.Arn",
        } in permissions


def test_nobody_but_a_rule_may_call_a_function(deployment):
    rules = deployment.of_type("AWS::Events::Rule")
    for permission in deployment.of_type("AWS::Lambda::Permission").values():
        assert permission["Properties"]["SourceArn"].removesuffix(".Arn") in rules


def test_an_event_that_a_rule_cannot_deliver_is_retried_and_then_kept(deployment):
    rules = deployment.of_type("AWS::Events::Rule")
    for name, rule in rules.items():
        (target,) = rule["Properties"]["Targets"]
        assert target["RetryPolicy"]["MaximumRetryAttempts"] == 185, name
        assert target["DeadLetterConfig"] == {"Arn": "DeadLetterQueue.Arn"}, name
    (policy,) = deployment.of_type("AWS::SQS::QueuePolicy").values()
    (allowed,) = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert sorted(allowed["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(
        f"{name}.Arn" for name in rules
    )


def test_each_function_has_sample_events_that_its_rule_takes_and_no_other(deployment, takes):
    for name, rule in deployment.of_type("AWS::Events::Rule").items():
        function = rule["Properties"]["Targets"][0]["Id"]
        texts = [path.read_text() for path in ROOT.glob(f"events/{function}/*.json")]
        assert any(is_event(text) and takes(name, json.loads(text)) for text in texts), (
            f"events/{function}/ holds no event that {name} takes"
        )
        for other in deployment.of_type("AWS::Events::Rule").keys() - {name}:
            assert not any(is_event(text) and takes(other, json.loads(text)) for text in texts)


def is_event(text: str) -> bool:
    """Some samples are broken on purpose."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
