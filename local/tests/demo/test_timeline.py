"""The timeline: what of the journal is told, and how it reads."""

from __future__ import annotations

import io
from typing import Any

from demo.console import Console
from demo.timeline import Timeline, describe

GROUP = "sg-0badcafe0badcafe1"
ROLE = "arn:aws:sts::123456789012:assumed-role/mend-dev-NetworkAutomationRole-X/Automation-1a44"


def event(source: str, kind: str, bus: str = "default", **detail: Any) -> dict[str, Any]:
    return {
        "kind": "event",
        "bus": bus,
        "event": {"source": source, "detail-type": kind, "detail": detail},
    }


def call(operation: str, principal: str = ROLE, service: str = "ec2", **more: Any) -> dict[str, Any]:
    entry = {"kind": "api-call", "service": service, "operation": operation, "principal": principal}
    return {**entry, "request": {}, "status": 200, "error": None, **more}


def execution(status: str, outputs: dict[str, list[str]], failure: str | None = None) -> dict[str, Any]:
    return {
        "kind": "execution",
        "execution_id": "1a44",
        "document": "Mend-CloseAdminPorts",
        "stand_in": False,
        "parent": None,
        "status": status,
        "parameters": {"Attempt": ["1"]},
        "outputs": outputs,
        "failure": failure,
    }


def step(name: str, status: str, failure: str | None = None) -> dict[str, Any]:
    return {"kind": "step", "step": name, "status": status, "failure": failure}


def invocation(response: Any, *, ok: bool = True) -> dict[str, Any]:
    return {"kind": "invocation", "function": "f", "ok": ok, "response": response, "duration_ms": 12.3}


def ledger_row(state: str, *outbox: str) -> dict[str, Any]:
    incident = {
        "state": {"M": {"name": {"S": state}}},
        "notes": {
            "L": [{"M": {"text": {"S": "Opened"}}}, {"M": {"text": {"S": "Responding: mode enforce"}}}]
        },
        "outbox": {"L": [{"S": effect} for effect in outbox]},
    }
    items = [{"Put": {"Item": {"incident": {"M": incident}}}}, {"Put": {"Item": {"pk": {"S": "resource#x"}}}}]
    return call("TransactWriteItems", service="dynamodb", request={"TransactItems": items})


def story() -> list[tuple[float, dict[str, Any]]]:
    finding = {"complianceType": "NON_COMPLIANT"}
    return [
        (
            0.0,
            event("aws.config", "Changed", configRuleName="r", resourceId=GROUP, newEvaluationResult=finding),
        ),
        (0.01, {"kind": "delivery", "rule": "r", "target": "arn:aws:lambda:x:1:function:f", "error": None}),
        (0.2, ledger_row("remediating", "ops-item", "runbook")),
        (
            0.25,
            {"kind": "ops-item", "ops_item_id": "oi-1", "change": "Create", "severity": "2", "title": "Open"},
        ),
        (0.3, execution("InProgress", {})),
        (0.3, step("LookAtGroup", "InProgress")),
        (0.4, call("DescribeSecurityGroups")),
        (0.4, step("LookAtGroup", "Success")),
        (0.5, call("RevokeSecurityGroupIngress")),
        (0.6, step("Verify", "Success")),
        (
            0.7,
            execution(
                "Success", {"Conclude.Outcome": ["Remediated"], "Conclude.Changes": ["Closed tcp 22."]}
            ),
        ),
        (0.8, {"kind": "notification", "subject": "[Mend dev] Resolved: it"}),
        (0.9, invocation({"decision": "resolve", "reasons": ["it was repaired", "and proved"]})),
        (12.0, ledger_row("resolved")),
    ]


def test_the_story_is_told_in_order_with_the_seconds_since_its_first_entry():
    stream = io.StringIO()
    timeline = Timeline(Console(stream))
    for seconds, entry in story():
        timeline.show({**entry, "at": f"2026-11-24T05:05:{seconds:06.3f}Z"})
    assert stream.getvalue().splitlines() == [
        f"   +0.00 s  event       Changed: r finds {GROUP} NON_COMPLIANT",
        "   +0.01 s  delivered   to f",
        "   +0.20 s  ledger      Responding: mode enforce. To do: ops-item, runbook",
        "   +0.25 s  OpsItem     oi-1 opened, severity 2: Open",
        "   +0.30 s  runbook     Mend-CloseAdminPorts, attempt 1, as 1a44",
        "   +0.40 s  step        LookAtGroup",
        "   +0.50 s  change      ec2:RevokeSecurityGroupIngress as mend-dev-NetworkAutomationRole-X",
        "   +0.60 s  verified    Verify read the resource back and found it as it should be",
        "   +0.70 s  outcome     Remediated. Closed tcp 22.",
        "   +0.80 s  told people [Mend dev] Resolved: it",
        "   +0.90 s  decision    resolve, because: it was repaired; and proved (f, 12 ms)",
        "  +12.00 s  ledger      resolved, nothing left to do",
    ]


def test_a_stand_in_is_named_as_one():
    child = {"document": "AWSConfigRemediation-EnableKeyRotation", "stand_in": True, "parent": "0b17"}
    name = "AWSConfigRemediation-EnableKeyRotation (a stand-in for AWS's own)"

    for status, text in [
        ("InProgress", f"{name}, for a step of 0b17, as 1a44"),
        ("Waiting", f"{name} is Waiting"),
        ("Success", f"{name} ended in Success"),
    ]:
        line = describe({**execution(status, {}), **child})
        assert line
        assert line.text == text


def test_failures_are_told_with_their_reasons():
    for entry, reason in [
        (step("Verify", "Failed", "still open"), "still open"),
        (execution("Failed", {}, "step Verify failed"), "step Verify failed"),
        (invocation({"errorMessage": "detail is missing"}, ok=False), "detail is missing"),
        (
            call("RevokeSecurityGroupIngress", status=400, error="UnauthorizedOperation"),
            "UnauthorizedOperation",
        ),
        ({"kind": "delivery", "rule": "r", "target": "t:f", "error": "no permission"}, "no permission"),
    ]:
        line = describe(entry)
        assert line
        assert line.style == "bad"
        assert reason in line.text


def test_noise_is_not_told():
    administrator = "arn:aws:iam::123456789012:root"
    function = (
        "arn:aws:sts::123456789012:assumed-role/mend-dev-ConfigComplianceRole-X/mend-dev-config-compliance"
    )
    for entry in [
        event("aws.ssm", "OpsItem Create"),
        event("aws.ssm", "EC2 Automation Step Status-change Notification"),
        call("AuthorizeSecurityGroupIngress", administrator),
        call("CreateOpsItem", function, "ssm"),
        call("GetItem", function, "dynamodb"),
        {"kind": "mark"},
    ]:
        assert describe(entry) is None


def test_long_lines_are_wrapped_under_their_text_and_never_wider_than_100_columns():
    stream = io.StringIO()
    Console(stream).moment(1.0, "outcome", "a sentence that is repeated " * 8)
    first, *rest = stream.getvalue().splitlines()
    assert rest
    assert all(len(line) <= 100 for line in [first, *rest])
    assert all(line.index(line.strip()) == first.index("a sentence") for line in rest)
