"""The kill switch while much happens: who engages it stops everything, and who releases it loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from localcloud import clock, journal

from .account import RULE, SSH_TO_THE_WORLD, SWITCHES, Account, client
from .config_events import compliance_change

GROUPS = 6
HOLDS_AFTER = timedelta(seconds=30)


def started_groups(account: Account) -> list[str]:
    """Return the groups of all starts, in their order."""
    calls = account.journal("api-call", operation="StartAutomationExecution", status=200)
    return [call["request"]["Parameters"]["SecurityGroupId"][0] for call in calls]


def engage(account: Account, value: str) -> None:
    """Engage the switch as an operator does, while warm functions believe what they have read."""
    client("ssm").put_parameter(Name=f"{SWITCHES}kill-switch", Value=value, Type="String", Overwrite=True)


def pause(minutes: int) -> dict[str, Any]:
    return {"name": "First", "action": "aws:sleep", "inputs": {"Duration": f"PT{minutes}M"}}


def test_engaged_in_a_storm_it_holds_within_30_seconds_and_nothing_is_lost(account: Account):
    groups = [account.open_group() for _ in range(GROUPS)]
    first, others = groups[:2], groups[2:]
    for group_id in first:
        account.put(compliance_change(group_id, rule=RULE))
    account.wait_until(lambda: started_groups(account), "the first start")
    engage(account, "engaged: lee, wrong groups are hit")
    for group_id in first:
        account.settled(group_id, "resolved")
    clock.forward(HOLDS_AFTER)

    stopped = Account(account.stack)
    answers = [
        answer for group_id in others for answer in stopped.deliver(compliance_change(group_id, rule=RULE))
    ]
    assert {answer["decision"] for answer in answers} == {"defer"}
    reason = "the kill switch is engaged: lee, wrong groups are hit"
    assert all(reason in answer["reasons"] for answer in answers)
    for group_id in others:
        account.settled(group_id, "deferred")
        account.assert_untouched(group_id)
        assert reason in account.ops_item(group_id)["Description"]
    assert started_groups(stopped) == []
    (told,) = account.people_are_told("KillSwitch")
    assert told["subject"] == "[Mend dev] The kill switch is engaged"
    assert "It says: lee, wrong groups are hit." in told["message"]["email"]

    account.switch("kill-switch", "released")
    for group_id in others:
        account.settled(group_id, "resolved")
        assert account.rules(group_id) == set()
        assert account.told(group_id) == ["Deferred", "Responding", "Resolved"]
    assert started_groups(stopped) == others, "the oldest first"
    assert [e["subject"] for e in account.people_are_told("KillSwitch")][1:] == [
        "[Mend dev] The kill switch is released"
    ]


def test_two_starts_keep_their_distance(account: Account):
    groups = [account.open_group() for _ in range(3)]
    for group_id in groups:
        account.put(compliance_change(group_id, rule=RULE))
    for group_id in groups:
        account.settled(group_id, "resolved")
    calls = account.journal("api-call", operation="StartAutomationExecution")
    moments = [datetime.fromisoformat(call["at"]) for call in calls]
    apart = [later - earlier for earlier, later in pairwise(moments)]
    assert len(apart) == 2
    assert min(apart) >= timedelta(seconds=1), "AWS takes one start a second"


def test_engaged_and_stop_also_stops_what_runs(
    account: Account, first_step: Callable[[dict[str, Any]], None]
):
    first_step(pause(minutes=10))
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "remediating")
    account.switch("kill-switch", "engaged and stop: kim, the runbook is wrong")
    assert account.ended(answer["execution"])["AutomationExecutionStatus"] == "Cancelled"
    account.settled(group_id, "deferred")
    assert account.rules(group_id) == {SSH_TO_THE_WORLD}
    (told,) = account.people_are_told("KillSwitch")
    assert "It says: kim, the runbook is wrong." in told["message"]["email"]
    assert "1 execution that was under way was stopped." in told["message"]["email"]
    (stop,) = account.journal("api-call", operation="StopAutomationExecution")
    assert stop["request"]["AutomationExecutionId"] == answer["execution"]
    assert "it was cancelled" in account.ops_item(group_id)["OperationalData"]["mend/timeline"]["Value"]


def test_engaged_alone_lets_what_runs_come_to_its_end(
    account: Account, first_step: Callable[[dict[str, Any]], None]
):
    first_step(pause(minutes=5))
    group_id = account.open_group()
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "remediating")
    account.switch("kill-switch", "engaged: kim, slowly")
    clock.forward(timedelta(minutes=5))
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()


def test_two_switches_of_one_word_tell_once(account: Account):
    account.switch("kill-switch", "engaged: lee, a drill")
    account.reconcile()
    assert len(account.people_are_told("KillSwitch")) == 1
    account.switch("kill-switch", "engaged: kim took over")
    told: list[journal.Entry] = account.people_are_told("KillSwitch")
    assert "It says: kim took over." in told[-1]["message"]["email"]
    assert len(told) == 2
