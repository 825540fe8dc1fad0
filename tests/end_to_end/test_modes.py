"""How far Mend goes: modes, switches, the kill switch, and events that are only recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from localcloud.deploy import Stack
from localcloud.functions import stop_all

from .account import RUNBOOK, Account, client
from .config_events import a_look, changed, compliance_change
from .conftest import mend

MODE = "mode/close-admin-ports"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack as it comes: in mode observe."""
    with mend("observe") as stack:
        yield stack


@pytest.fixture
def account(stack: Stack) -> Iterator[Account]:
    """The account, with its switches as they come before and after the test."""
    account = Account(stack)
    yield account
    client("ssm").delete_parameters(Names=[f"/mend/dev/{MODE}"])
    account.switch("kill-switch", "released")


def test_observe_plans_and_changes_nothing(account: Account, tell: Callable[[str], None]):
    stop_all()
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id))
    calls = account.operations()
    row = account.settled(group_id, "observed")
    assert answer["decision"] == "respond"
    assert answer["reasons"][-1] == "mode observe: the stack's default"
    assert answer["execution"] is None
    account.assert_untouched(group_id)
    item = account.ops_item(group_id)
    assert item["Status"] == "Open"
    assert f"In mode enforce it would start {RUNBOOK} (version 1)" in item["Description"]
    plan = json.loads(item["OperationalData"]["mend/plan"]["Value"])
    assert (plan["runbook"], plan["parameters"]) == (RUNBOOK, {"SecurityGroupId": group_id})
    (notification,) = account.notifications(group_id)
    assert notification["subject"].startswith("[Mend dev] Observed: ")
    assert (
        "Observed, nothing is changed: mode observe: the stack's default." in notification["message"]["email"]
    )
    assert [e["detail-type"] for e in account.mend_events(group_id)] == ["Mend Incident Observed"]
    assert "expires_at" not in row, "an open incident stays in the ledger"
    assert calls == [
        "UpdateItem",
        "GetParameters",
        "DescribeDocument",
        "TransactWriteItems",
        "CreateOpsItem",
        "Publish",
        "PutEvents",
        "TransactWriteItems",
    ]
    tell(f"API calls in observe mode: new incident {len(calls)} cold, {len(calls) - 2} warm")


def test_an_observed_incident_is_resolved_when_the_rule_clears(account: Account):
    for clear in ("COMPLIANT", "NOT_APPLICABLE"):
        group_id = account.open_group()
        account.deliver(compliance_change(group_id))
        (answer,) = account.deliver(compliance_change(group_id, clear))
        row = account.settled(group_id, "resolved")
        assert answer["decision"] == "resolve"
        assert row["incident"]["state"]["how"] == "cleared"
        assert account.ops_item(group_id)["Status"] == "Resolved"
        assert account.told(group_id) == ["Observed", "Resolved"]
        account.assert_untouched(group_id)


def test_an_incident_stays_until_its_last_cause_has_cleared(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.deliver(compliance_change(group_id, rule="restricted-rdp"))
    (answer,) = account.deliver(compliance_change(group_id, "COMPLIANT"))
    assert answer["decision"] == "ignore"
    assert answer["reasons"][-1] == "still reported by Config rule restricted-rdp"
    account.settled(group_id, "observed")
    account.deliver(compliance_change(group_id, "COMPLIANT", rule="restricted-rdp"))
    account.settled(group_id, "resolved")
    assert len(account.ops_items(group_id)) == 1


def test_a_switch_raises_the_mode_to_enforce_for_what_is_seen_next(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")
    account.switch(MODE, "enforce")
    (answer,) = account.deliver(compliance_change(group_id))
    account.settled(group_id, "resolved")
    assert "mode enforce: the route's switch says so" in answer["reasons"]
    assert account.rules(group_id) == set()
    assert account.told(group_id) == ["Observed", "Responding", "Resolved"]
    assert account.ops_item(group_id)["Status"] == "Resolved"


def test_the_switch_off_records_the_event_and_nothing_else(account: Account):
    account.switch(MODE, "off")
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id))
    account.settled(group_id, "suppressed")
    assert answer["decision"] == "suppress"
    assert answer["reasons"][-1] == "mode off: the route's switch says so"
    assert account.ops_items(group_id) == []
    assert account.notifications(group_id) == []
    assert [e["detail-type"] for e in account.mend_events(group_id)] == ["Mend Incident Suppressed"]
    account.assert_untouched(group_id)


def test_a_switch_that_says_no_mode_counts_as_observe(account: Account):
    account.switch(MODE, "ENFORCE")
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")
    assert answer["reasons"][-1] == (
        "mode observe: the route's switch says none of off, observe, approve, enforce"
    )
    account.assert_untouched(group_id)


@pytest.fixture
def awaiting(account: Account) -> str:
    """A group whose repair waits for a person."""
    account.switch(MODE, "approve")
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id))
    account.settled(group_id, "awaiting-approval")
    assert answer["decision"] == "respond"
    return group_id


def test_approve_asks_and_starts_nothing(account: Account, awaiting: str):
    account.assert_untouched(awaiting)
    item = account.ops_item(awaiting)
    assert item["Status"] == "Open"
    incident_id = item["OperationalData"]["mend/incident"]["Value"]
    (notification,) = account.notifications(awaiting)
    assert notification["subject"].startswith("[Mend dev] Needs approval: ")
    asked = f"OpsItem with these parameters, Incident {incident_id}, Attempt 1 and AutomationAssumeRole "
    assert asked in notification["message"]["email"]
    assert asked in item["Description"]


def test_a_person_approves_by_starting_the_planned_runbook(account: Account, awaiting: str):
    data = account.ops_item(awaiting)["OperationalData"]
    plan = json.loads(data["mend/plan"]["Value"])
    person = {
        "AutomationAssumeRole": plan["role"],
        "Incident": data["mend/incident"]["Value"],
        "Attempt": "1",
    }
    execution = account.run(plan["runbook"], {**plan["parameters"], **person})
    row = account.settled(awaiting, "resolved")
    assert execution["AutomationExecutionStatus"] == "Success"
    assert row["incident"]["state"]["how"] == "remediated"
    assert account.rules(awaiting) == set()
    assert account.ops_item(awaiting)["Status"] == "Resolved"
    assert account.told(awaiting) == ["AwaitingApproval", "Resolved"]
    assert len(account.executions(awaiting)) == 1
    kept = [i["pk"] for i in account.ledger() if i["sk"] == "before-state"]
    assert f"execution#{execution['AutomationExecutionId']}" in kept, "it can be undone as any other"


def test_a_person_who_starts_another_attempt_has_not_approved_this_one(account: Account, awaiting: str):
    data = account.ops_item(awaiting)["OperationalData"]
    plan = json.loads(data["mend/plan"]["Value"])
    person = {
        "AutomationAssumeRole": plan["role"],
        "Incident": data["mend/incident"]["Value"],
        "Attempt": "2",
    }
    execution = account.run(plan["runbook"], {**plan["parameters"], **person})

    answer = account.outcome_answer(execution["AutomationExecutionId"])
    assert (answer["decision"], answer["reasons"]) == ("ignore", ["attempt 2 is not the one under way"])
    account.settled(awaiting, "awaiting-approval")


def test_a_clear_withdraws_the_request_for_approval(account: Account, awaiting: str):
    (answer,) = account.deliver(compliance_change(awaiting, "COMPLIANT"))
    account.settled(awaiting, "resolved")
    assert answer["decision"] == "resolve"
    assert answer["reasons"][-1] == "the request for approval is withdrawn"
    assert account.ops_item(awaiting)["Status"] == "Resolved"
    account.assert_untouched(awaiting)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("engaged", "the kill switch is engaged"),
        ("engaged: lee, incident 12", "the kill switch is engaged: lee, incident 12"),
        (None, "the kill switch is missing, which counts as engaged"),
        ("Released", "the kill switch says neither released nor engaged, which counts as engaged"),
    ],
)
def test_nothing_starts_unless_the_kill_switch_is_released(account: Account, value: str | None, reason: str):
    account.switch(MODE, "enforce")
    account.switch("kill-switch", value)
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id))
    account.settled(group_id, "deferred")
    assert answer["decision"] == "defer"
    assert answer["reasons"][-1] == reason
    account.assert_untouched(group_id)
    item = account.ops_item(group_id)
    assert item["Status"] == "Open"
    assert reason in item["Description"]
    assert account.told(group_id) == ["Deferred"]
    assert reason in account.notifications(group_id)[0]["message"]["email"]

    account.switch("kill-switch", "released")
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()
    assert account.ops_item(group_id)["Status"] == "Resolved"


def test_the_kill_switch_does_not_stop_observing(account: Account):
    account.switch("kill-switch", "engaged")
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")


def test_a_stale_event_is_recorded_and_not_acted_on(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id, at=a_look() - timedelta(hours=25)))
    account.settled(group_id, "observed")
    assert answer["reasons"][-1] == (
        "mode observe: the event is older than a day, so it is recorded and not acted on"
    )
    account.assert_untouched(group_id)
    assert account.ops_item(group_id)["Status"] == "Open"


def test_a_replayed_event_is_recorded_and_not_acted_on(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    event = changed(compliance_change(group_id), "replay-name", "after-the-outage")
    answer = account.invoke("config-compliance", event)
    account.settled(group_id, "observed")
    assert answer["reasons"][-1] == (
        "mode observe: the event is a replay, which is recorded and never acted on"
    )
    account.assert_untouched(group_id)

    account.deliver(compliance_change(group_id))
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set(), "a live event that says the same is acted on"
