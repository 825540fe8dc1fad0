"""How far Mend goes: modes, switches, the kill switch, and events that are only recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from localcloud.deploy import Stack
from localcloud.functions import stop_all

from .account import RUNBOOK, Account
from .config_events import a_look, changed, compliance_change
from .conftest import mend

MODE = "mode/close-admin-ports"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack as it comes: in mode observe."""
    with mend("observe") as stack:
        yield stack


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
    later = Account(account.stack)
    later.deliver(compliance_change(later.open_group()))
    warm = later.operations()
    assert warm == [call for call in calls if call != "DescribeDocument"], "the version is remembered"
    tell(f"API calls in observe mode: new incident {len(calls)} cold, {len(warm)} warm")


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


def test_a_switch_that_raises_the_mode_takes_effect_at_once(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")
    account.switch(MODE, "enforce")
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()
    assert account.told(group_id) == ["Observed", "Responding", "Resolved"]
    item = account.ops_item(group_id)
    assert item["Status"] == "Resolved"
    story = item["OperationalData"]["mend/timeline"]["Value"]
    assert "mode enforce: the route's switch says so" in story


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
