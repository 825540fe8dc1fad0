"""Every sample of `events/` through `aws lambda invoke`, as a developer tries them out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from localcloud.deploy import Stack
from localcloud.settings import ACCOUNT_ID, REGION

from .account import Account, client
from .config_events import about, changed, compliance_change, sample, sample_names
from .conftest import mend

VIOLATIONS = {"open-ssh", "security-hub", "conformance-pack"}
CLEARANCES = {"closed-ssh", "not-applicable"}
OTHER_ROUTES = {
    "public-bucket": "blocked-bucket",
    "volumes-unencrypted-by-default": "volumes-encrypted-by-default",
    "key-without-rotation": "key-with-rotation",
}
WITHOUT_CONSEQUENCE = {
    "hostile-resource-id": "reject",
    "insufficient-data": "ignore",
    "member-account": "ignore",
    "other-resource-type": "ignore",
    "unrouted-rule": "ignore",
}


def test_every_sample_is_tried_here():
    tried = VIOLATIONS | CLEARANCES | WITHOUT_CONSEQUENCE.keys()
    tried |= OTHER_ROUTES.keys() | set(OTHER_ROUTES.values())
    assert set(sample_names("config-compliance")) == tried
    assert set(sample_names("automation-outcome")) == OUTCOMES.keys() | {"other-runbook"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack, whose automation-outcome hears of executions only through the samples."""
    with mend("enforce") as stack:
        client("events").disable_rule(Name=stack.functions["automation-outcome"])
        yield stack


@pytest.mark.parametrize("name", sorted(VIOLATIONS))
def test_a_violation_is_answered(account: Account, name: str):
    group_id = account.open_group()
    answer = account.invoke("config-compliance", about(sample("config-compliance", name), group_id))
    assert answer["decision"] == "respond"
    assert answer["incident"].endswith("-1")
    assert answer["ops_item"] == account.ops_item(group_id)["OpsItemId"]
    assert answer["execution"] == account.execution(group_id)["AutomationExecutionId"]
    account.ended(answer["execution"])


@pytest.mark.parametrize("name", sorted(CLEARANCES))
def test_a_clearance_while_the_attempt_runs_is_noted(account: Account, name: str):
    group_id = account.open_group()
    opened = account.invoke("config-compliance", compliance_change(group_id))
    answer = account.invoke("config-compliance", about(sample("config-compliance", name), group_id))
    assert answer == {
        **opened,
        "decision": "ignore",
        "reasons": [
            "Config rule restricted-ssh no longer reports a violation",
            "attempt 1 is running, and its outcome closes the incident",
        ],
    }


def a_bucket() -> str:
    name = f"test-{time.monotonic_ns()}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def a_key() -> str:
    return client("kms").create_key()["KeyMetadata"]["KeyId"]


@pytest.mark.parametrize(
    ("violated", "resource"),
    [
        ("public-bucket", a_bucket),
        ("volumes-unencrypted-by-default", lambda: ACCOUNT_ID),
        ("key-without-rotation", a_key),
    ],
)
def test_the_other_routes_repair_what_they_are_for(
    account: Account, violated: str, resource: Callable[[], str]
):
    resource_id = resource()
    opened = account.invoke("config-compliance", about(sample("config-compliance", violated), resource_id))
    assert opened["decision"] == "respond"
    ended = account.ended(opened["execution"])
    assert ended["Outputs"]["Conclude.Outcome"] == ["Remediated"], ended.get("FailureMessage")

    right_again = about(sample("config-compliance", OTHER_ROUTES[violated]), resource_id)
    assert account.invoke("config-compliance", right_again)["incident"] == opened["incident"]


@pytest.mark.parametrize(("name", "decision"), WITHOUT_CONSEQUENCE.items())
def test_the_rest_has_no_consequence(account: Account, name: str, decision: str):
    answer = account.invoke("config-compliance", sample("config-compliance", name))
    assert answer["decision"] == decision
    assert len(answer["reasons"]) == 1
    assert answer["incident"] is answer["ops_item"] is answer["execution"] is None
    assert account.operations() == []


def let_it_end(account: Account, execution_id: str) -> None:
    account.ended(execution_id)


def cancel(account: Account, execution_id: str) -> None:
    client("ssm").stop_automation_execution(AutomationExecutionId=execution_id)
    account.ended(execution_id)


NOTHING = {"name": "First", "action": "aws:sleep", "inputs": {"Duration": "PT0S"}}
LONG = {"name": "First", "action": "aws:sleep", "inputs": {"Duration": "PT1M"}}
TOO_LONG = {**LONG, "timeoutSeconds": 1}
BROKEN = {
    "name": "First",
    "action": "aws:executeScript",
    "inputs": {
        "Runtime": "python3.11",
        "Handler": "fail",
        "Script": "def fail(events, context):\n    raise RuntimeError('no such luck')",
    },
}

OUTCOMES = {
    "success": (NOTHING, let_it_end, "resolve", "the runbook repaired it and proved it"),
    "failed": (BROKEN, let_it_end, "respond", "no such luck"),
    "timed-out": (TOO_LONG, let_it_end, "respond", "attempt 1 failed: it took too long"),
    "canceled": (LONG, cancel, "respond", "attempt 1 failed: it was cancelled"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_resolves_the_incident_or_begins_the_next_attempt(
    account: Account, first_step: Callable[[dict[str, Any]], None], name: str
):
    step, end, decision, reason = OUTCOMES[name]
    first_step(step)
    group_id = account.open_group()
    opened = account.invoke("config-compliance", compliance_change(group_id))
    end(account, opened["execution"])
    event = changed(sample("automation-outcome", name), "detail.ExecutionId", opened["execution"])
    answer = account.invoke("automation-outcome", event)
    assert answer["decision"] == decision
    assert reason in answer["reasons"][0]
    assert (answer["incident"], answer["ops_item"]) == (opened["incident"], opened["ops_item"])
    attempts = [e["AutomationExecutionId"] for e in account.executions(group_id)]
    assert attempts[0] == opened["execution"]
    assert answer["execution"] == attempts[-1]
    if decision == "resolve":
        assert len(attempts) == 1
        assert account.ops_item(group_id)["Status"] == "Resolved"
    else:
        assert answer["reasons"][1] == "attempt 2 begins"
        assert len(attempts) == 2
        assert account.ops_item(group_id)["Status"] == "InProgress"


def test_the_outcome_of_another_runbook_is_ignored(account: Account):
    answer = account.invoke("automation-outcome", sample("automation-outcome", "other-runbook"))
    assert answer["decision"] == "ignore"
    assert answer["reasons"] == ["the execution carries no incident and attempt of Mend"]


@pytest.mark.parametrize("name", sample_names("circuit-breaker"))
def test_an_alarm_that_nobody_named_opens_nothing(account: Account, name: str):
    answer = account.invoke("circuit-breaker", sample("circuit-breaker", name))
    assert answer["decision"] == "ignore"
    assert len(answer["reasons"]) == 1


@pytest.mark.parametrize("name", sample_names("reconcile"))
def test_a_switch_or_a_calendar_wakes_reconcile(account: Account, name: str):
    run = account.try_invoke("reconcile", sample("reconcile", name))
    assert not run["elsewhere"]
    assert run["complete"]
