"""Runbooks that fail: the next attempt, and a person when none is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend

from .account import RUNBOOK, Account, Rule
from .config_events import compliance_change

QUOTA = 60
"""Inbound rules that a group may have."""

ALL_TRAFFIC: Rule = ("-1", -1, -1, "0.0.0.0/0", "Everything")
ESCALATED = "[Mend dev] Needs you: SSH or RDP is open to the world, "


def full_group(account: Account) -> str:
    """Create a group that has no room for the rules that would replace "all traffic"."""
    offices = [("tcp", 443, 443, f"10.0.{number}.0/24", "An office") for number in range(QUOTA - 3)]
    return account.open_group(ALL_TRAFFIC, *offices)


@pytest.fixture
def escalated(account: Account) -> str:
    """A group whose repair has failed as often as the route allows."""
    group_id = full_group(account)
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "escalated")
    return group_id


def test_after_the_last_attempt_a_person_has_to_look(account: Account, escalated: str):
    first, second = account.executions(escalated)
    assert [e["AutomationExecutionStatus"] for e in (first, second)] == ["Failed", "Failed"]
    assert [e["Parameters"]["Attempt"] for e in (first, second)] == [["1"], ["2"]]
    assert first["Parameters"]["Incident"] == second["Parameters"]["Incident"]
    assert len({start["ClientToken"] for start in account.starts(escalated)}) == 2
    assert ALL_TRAFFIC in account.rules(escalated)

    item = account.ops_item(escalated)
    assert item["Status"] == "Open"
    assert item["Severity"] == "1", "raised from 2"
    assert f"Tried {RUNBOOK} 2 times, without success. The last time: " in item["Description"]
    assert f"{escalated} is still open to the world" in item["Description"]
    story = item["OperationalData"]["mend/timeline"]["Value"]
    assert "Attempt 1 failed: " in story
    assert "Attempt 2 failed: " in story
    assert "no attempt is left after 2, so a person has to look" in story

    notification = account.notifications(escalated)[-1]
    assert notification["subject"] == f"{ESCALATED}{escalated}"
    assert notification["attributes"]["severity"] == "critical"
    assert "What you need to do: Look at the last execution" in notification["message"]["email"]
    assert account.told(escalated) == ["Responding", "Responding", "Escalated"]
    assert account.mend_events(escalated)[-1]["detail-type"] == "Mend Incident Escalated"
    assert account.holds(first["Parameters"]["Incident"][0]) == []
    assert account.dead_letters() == []
    logs = [e["log"] for e in account.journal("invocation") if '"Escalations":1' in e["log"]]
    assert len(logs) == 1, "counted once, for the alarm"


def test_an_escalated_incident_waits_for_the_person(account: Account, escalated: str):
    (answer,) = account.deliver(compliance_change(escalated))
    account.settled(escalated, "escalated")
    assert answer["decision"] == "ignore"
    assert answer["reasons"][-1] == "the incident waits for a person already"
    assert len(account.executions(escalated)) == 2
    assert account.ops_item(escalated)["Status"] == "Open"


def test_an_escalated_incident_is_resolved_when_the_rule_clears(account: Account, escalated: str):
    (answer,) = account.deliver(compliance_change(escalated, "COMPLIANT"))
    account.settled(escalated, "resolved")
    assert answer["decision"] == "resolve"
    assert account.ops_item(escalated)["Status"] == "Resolved"
    assert account.told(escalated)[-1] == "Resolved"


@pytest.fixture
def fail_revoking(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Return a function that lets EC2 refuse the next so many revocations of a group."""
    left: dict[str, int] = {}
    revoke = EC2Backend.revoke_security_group_ingress

    def refuse(self: EC2Backend, group_name_or_id: str, *args: Any, **kwargs: Any) -> Any:
        if left.get(group_name_or_id, 0) > 0:
            left[group_name_or_id] -= 1
            raise EC2ClientError("UnauthorizedOperation", "The role may not do that just now.")
        return revoke(self, group_name_or_id, *args, **kwargs)

    monkeypatch.setattr(EC2Backend, "revoke_security_group_ingress", refuse)
    return left.__setitem__


def test_a_second_attempt_can_succeed(account: Account, fail_revoking: Callable[[str, int], None]):
    group_id = account.open_group()
    fail_revoking(group_id, 1)
    account.deliver(compliance_change(group_id))
    row = account.settled(group_id, "resolved")
    statuses = [e["AutomationExecutionStatus"] for e in account.executions(group_id)]
    assert statuses == ["Failed", "Success"]
    assert account.rules(group_id) == set()
    item = account.ops_item(group_id)
    assert (item["Status"], item["Severity"]) == ("Resolved", "2")
    assert account.told(group_id) == ["Responding", "Responding", "Resolved"]
    responding = account.notifications(group_id)[:2]
    assert "attempt 1 of 2" in responding[0]["message"]["email"]
    assert "attempt 2 of 2" in responding[1]["message"]["email"]
    assert [f["outcome"] for f in row["incident"]["finished"]][-1] == "remediated"


def test_a_cleared_cause_while_the_attempt_fails_needs_no_second_one(
    account: Account, monkeypatch: pytest.MonkeyPatch
):
    group_id = account.open_group()
    revoke = EC2Backend.revoke_security_group_ingress

    def clear_and_refuse(self: EC2Backend, group_name_or_id: str, *args: Any, **kwargs: Any) -> Any:
        if group_name_or_id == group_id:
            account.deliver(compliance_change(group_id, "COMPLIANT"))
            raise EC2ClientError("UnauthorizedOperation", "The role may not do that.")
        return revoke(self, group_name_or_id, *args, **kwargs)

    monkeypatch.setattr(EC2Backend, "revoke_security_group_ingress", clear_and_refuse)
    account.deliver(compliance_change(group_id))
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] == "cleared"
    assert len(account.executions(group_id)) == 1
    assert account.ops_item(group_id)["Status"] == "Resolved"
