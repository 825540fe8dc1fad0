"""The rules that bring events in: what they take and leave, and what becomes of what they cannot deliver."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from localcloud.events.envelope import Event, wrap
from localcloud.events.pattern import compile_pattern
from moto.events.models import EventPattern

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
OPS_ITEM_UPDATED = wrap(
    "OpsItem Update",
    "aws.ssm",
    {
        "ops-item-id": "oi-0a1b2c3d4e5f",
        "source": "Mend",
        "status": "Resolved",
        "modified-by": "arn:aws:iam::123456789012:user/lee",
    },
)
SWITCH_CHANGED = wrap(
    "Parameter Store Change",
    "aws.ssm",
    {"operation": "Update", "name": "/mend/dev/kill-switch", "type": "String"},
)
CALENDAR_OPENED = wrap(
    "Calendar State Change",
    "aws.ssm",
    {"state": "OPEN", "atTime": "2026-12-20T00:00:00Z", "nextTransitionTime": "2027-01-04T06:00:00Z"},
)
ALARM_RINGS = wrap(
    "CloudWatch Alarm State Change",
    "aws.cloudwatch",
    {
        "alarmName": "shop errors",
        "state": {"value": "ALARM", "reason": "Threshold Crossed"},
        "previousState": {"value": "OK"},
    },
)
EVENTS = {
    "ConfigComplianceRule": COMPLIANCE_CHANGE,
    "AutomationOutcomeRule": EXECUTION_ENDED,
    "OpsItemUpdateRule": OPS_ITEM_UPDATED,
    "SwitchChangeRule": SWITCH_CHANGED,
    "CalendarStateRule": CALENDAR_OPENED,
    "CircuitBreakerRule": ALARM_RINGS,
}
"""An event for each rule."""

OTHER_EVENTS = [
    wrap(detail_type, source, detail)
    for source, detail_type, detail in [
        (
            "aws.config",
            "Config Configuration Item Change",
            {"messageType": "ConfigurationItemChangeNotification"},
        ),
        ("aws.config", "Config Rules Re-evaluation Status", {"messageType": "ReevaluationStatus"}),
        (
            "aws.config",
            "Config Snapshot Delivery Status",
            {"messageType": "ConfigurationSnapshotDeliveryStarted"},
        ),
        ("aws.config", "AWS API Call via CloudTrail", {"eventName": "PutEvaluations"}),
        ("aws.ssm", "AWS API Call via CloudTrail", {"eventName": "UpdateOpsItem"}),
        ("aws.ssm", "OpsItem Create", {"source": "Mend", "status": "Open", "created-by": "x"}),
        (
            "aws.ssm",
            "EC2 Automation Step Status-change Notification",
            {"Definition": "Mend-A", "Status": "Success"},
        ),
        ("aws.ssm", "EC2 Command Status-change Notification", {"status": "Failed"}),
        ("aws.ssm", "EC2 State Manager Association State Change", {"status": "Success"}),
        ("aws.ssm", "Maintenance Window Execution State-change Notification", {"status": "SUCCESS"}),
        ("aws.ssm", "Configuration Compliance State Change", {"compliance-status": "non_compliant"}),
        ("aws.ssm", "Parameter Store Change", {"name": "/shop/dev/kill-switch", "operation": "Update"}),
        ("aws.ssm", "Parameter Store Policy Action", {"parameter-name": "/mend/dev/kill-switch"}),
        ("aws.cloudwatch", "CloudWatch Alarm Configuration Change", {"state": {"value": "ALARM"}}),
        ("aws.cloudwatch", "CloudWatch Alarm State Change", {"state": {"value": "OK"}}),
        ("aws.ssm", "Change Request Status Update", {"ops-item-status": "Approved"}),
        ("aws.securityhub", "Security Hub Findings - Imported", {"findings": []}),
        ("aws.guardduty", "GuardDuty Finding", {"severity": 8}),
        ("aws.ec2", "EC2 Instance State-change Notification", {"state": "running"}),
        ("aws.events", "Scheduled Event", {}),
        ("mend", "Mend Incident Resolved", {"change": "Resolved"}),
    ]
]
"""Events of the same bus, and of Mend's own, that no rule is for."""

NOT_TAKEN = {
    "automation-outcome/other-runbook.json",
    "circuit-breaker/alarm-action.json",
    "circuit-breaker/ok.json",
    "ops-item-update/other-source.json",
    "ops-item-update/updated-by-mend.json",
}
"""Samples of what comes another way, or what a function does with an event that its rule should have left."""


def changed(event: Event, path: str, value: Any) -> Event:
    """A copy of the event with another value at a path such as `detail.Status`."""
    event = copy.deepcopy(event)
    *parents, last = path.split(".")
    node = event
    for parent in parents:
        node = node[parent]
    node[last] = value
    return event


@pytest.fixture(scope="session")
def takes(deployment) -> Callable[[str, Event], bool]:
    """Say whether the rule with this logical id takes an event: two matchers, written apart, must agree."""
    patterns = {}
    for name, rule in deployment.of_type("AWS::Events::Rule").items():
        text = json.dumps(rule["Properties"]["EventPattern"])
        patterns[name] = re.sub(r"assumed-role/(\w+)/", r"assumed-role/mend-dev-\1-AB12/", text)

    def verdict(rule: str, event: Event) -> bool:
        taken = compile_pattern(patterns[rule])(event)
        assert EventPattern.load(patterns[rule]).matches_event(event) == taken, "moto's matcher disagrees"
        return taken

    return verdict


@pytest.mark.parametrize("rule", EVENTS)
def test_a_rule_takes_its_own_events_and_no_others(takes, rule):
    assert takes(rule, EVENTS[rule])
    for other in [*(event for name, event in EVENTS.items() if name != rule), *OTHER_EVENTS]:
        assert not takes(rule, other), f"{rule} takes {other['detail-type']} of {other['source']}"


@pytest.mark.parametrize("rule", EVENTS)
@pytest.mark.parametrize("path", ["account", "source", "detail-type", "detail"])
def test_nothing_may_be_missing(takes, rule, path):
    if (rule, path) == ("CalendarStateRule", "detail"):
        pytest.skip("calendars are asked, whatever the event says")
    event = {key: value for key, value in EVENTS[rule].items() if key != path}
    assert not takes(rule, event)


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


@pytest.mark.parametrize("status", ["Open", "InProgress", "Resolved", "Pending"])
@pytest.mark.parametrize(
    "person",
    [
        "arn:aws:iam::123456789012:user/lee",
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Operations_0123456789abcdef/lee@example.com",
        # Whoever calls a session like a function of Mend is nevertheless not it.
        "arn:aws:sts::123456789012:assumed-role/Administrator/mend-dev-reconcile",
        "arn:aws:sts::123456789012:assumed-role/mend-dev-ReconcileRole-AB123/mend-dev-reconcile",
        # The Mend of another environment in the same account.
        "arn:aws:sts::123456789012:assumed-role/mend-prod-ReconcileRole-AB12/mend-prod-reconcile",
    ],
)
def test_what_a_person_changes_about_an_ops_item_is_taken(takes, person, status):
    event = changed(changed(OPS_ITEM_UPDATED, "detail.modified-by", person), "detail.status", status)
    assert takes("OpsItemUpdateRule", event)


def test_mend_does_not_hear_of_itself(takes, deployment, allowed_actions):
    for function in deployment.of_type("AWS::Lambda::Function").values():
        properties = function["Properties"]
        role = properties["Role"].removesuffix(".Arn")
        if "ssm:UpdateOpsItem" not in allowed_actions(role):
            continue
        role = f"mend-dev-{role}-AB12"
        session = f"arn:aws:sts::123456789012:assumed-role/{role}/{properties['FunctionName']}"
        assert not takes("OpsItemUpdateRule", changed(OPS_ITEM_UPDATED, "detail.modified-by", session))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("account", "210987654321"),
        ("source", "mend"),
        ("detail-type", "OpsItem Create"),
        ("detail.source", "mend"),
        ("detail.source", "aws.ssm"),
        ("detail.source", "Security Hub"),
    ],
)
def test_what_is_no_change_of_an_ops_item_of_mend_here_is_left(takes, path, value):
    assert not takes("OpsItemUpdateRule", changed(OPS_ITEM_UPDATED, path, value))


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("/mend/dev/kill-switch", True),
        ("/mend/dev/mode/close-admin-ports", True),
        ("/mend/dev/exemptions/close-admin-ports/sg-0123456789abcdef0", True),
        ("/mend/dev/breaker/all", True),
        ("/mend/prod/kill-switch", False),
        ("/mend/development", False),
        ("/amend/dev/kill-switch", False),
    ],
)
@pytest.mark.parametrize("operation", ["Create", "Update", "Delete"])
def test_every_change_of_a_switch_of_this_environment_is_taken(takes, operation, name, taken):
    event = changed(changed(SWITCH_CHANGED, "detail.name", name), "detail.operation", operation)
    assert takes("SwitchChangeRule", event) == taken


@pytest.mark.parametrize("state", ["OPEN", "CLOSED"])
def test_every_change_of_a_calendar_is_taken_if_there_are_calendars(takes, deploy, state):
    assert takes("CalendarStateRule", changed(CALENDAR_OPENED, "detail.state", state))
    without = deploy(ChangeCalendars="")
    assert "CalendarStateRule" not in without.resources
    assert "CalendarStatePermission" not in without.resources


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("account", "210987654321"),
        ("source", "custom.cloudwatch"),
        ("detail-type", "CloudWatch Alarm Configuration Change"),
        ("detail.state.value", "OK"),
        ("detail.state.value", "INSUFFICIENT_DATA"),
    ],
)
def test_what_is_no_alarm_that_rings_here_is_left(takes, path, value):
    assert not takes("CircuitBreakerRule", changed(ALARM_RINGS, path, value))


def test_every_sample_is_taken_by_a_rule_of_its_function_and_by_no_other(deployment, takes):
    functions = {
        name: rule["Properties"]["Targets"][0]["Id"]
        for name, rule in deployment.of_type("AWS::Events::Rule").items()
    }
    taken = set()
    for function in set(functions.values()):
        samples = {
            f"{function}/{path.name}": json.loads(path.read_text())
            for path in ROOT.glob(f"events/{function}/*.json")
        }
        for sample, event in samples.items():
            takers = {name for name in functions if takes(name, event)}
            if sample in NOT_TAKEN:
                assert not takers, sample
            else:
                assert [functions[name] for name in takers] == [function], sample
            taken |= takers
    assert taken == functions.keys(), f"events/ holds no event that {functions.keys() - taken} takes"


def test_every_rule_is_for_events_of_this_account_alone(deployment):
    for name, rule in deployment.of_type("AWS::Events::Rule").items():
        assert rule["Properties"]["EventPattern"]["account"] == ["123456789012"], name


def test_a_rule_of_one_function_is_named_after_it(deployment):
    functions = deployment.of_type("AWS::Lambda::Function")
    for rule in deployment.of_type("AWS::Events::Rule").values():
        function = rule["Properties"]["Targets"][0]["Arn"].removesuffix(".Arn")
        if function != "ReconcileFunction":
            assert rule["Properties"]["Name"] == functions[function]["Properties"]["FunctionName"]


def test_every_rule_calls_one_function_and_may(deployment):
    functions = deployment.of_type("AWS::Lambda::Function")
    permissions = [p["Properties"] for p in deployment.of_type("AWS::Lambda::Permission").values()]
    for name, rule in deployment.of_type("AWS::Events::Rule").items():
        (target,) = rule["Properties"]["Targets"]
        function = target["Arn"].removesuffix(".Arn")
        assert functions[function]["Properties"]["FunctionName"] == f"mend-dev-{target['Id']}"
        assert {
            "FunctionName": function,
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": f"{name}.Arn",
        } in permissions


def test_nobody_but_a_rule_and_an_alarm_of_this_account_may_call_a_function(deployment):
    rules = deployment.of_type("AWS::Events::Rule")
    others = []
    for permission in (p["Properties"] for p in deployment.of_type("AWS::Lambda::Permission").values()):
        if permission["Principal"] == "events.amazonaws.com":
            assert permission["SourceArn"].removesuffix(".Arn") in rules
        else:
            others.append(permission)
    assert others == [
        {
            "FunctionName": "CircuitBreakerFunction",
            "Action": "lambda:InvokeFunction",
            "Principal": "lambda.alarms.cloudwatch.amazonaws.com",
            "SourceAccount": "123456789012",
        }
    ]


def test_an_event_that_a_rule_cannot_deliver_is_retried_and_then_kept(deployment):
    rules = deployment.of_type("AWS::Events::Rule")
    keeping = set()
    for name, rule in rules.items():
        (target,) = rule["Properties"]["Targets"]
        assert target["RetryPolicy"]["MaximumRetryAttempts"] == 185, name
        if target["Id"] == "reconcile":
            # The next run looks at the switches and calendars again; nothing has to be kept.
            assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 300, name
            assert "DeadLetterConfig" not in target, name
        else:
            assert target["DeadLetterConfig"] == {"Arn": "DeadLetterQueue.Arn"}, name
            keeping.add(name)
    (policy,) = deployment.of_type("AWS::SQS::QueuePolicy").values()
    (allowed,) = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert sorted(allowed["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(
        f"{name}.Arn" for name in keeping
    )
