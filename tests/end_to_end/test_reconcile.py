"""What `reconcile` finds when no event tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from localcloud import clock, faults, journal, scheduler
from localcloud.config import record_evaluation
from localcloud.deploy import Stack

from .account import RULE, RUNBOOK, Account, client
from .config_events import Event, a_look
from .config_events import compliance_change as change_of_any_rule
from .conftest import mend

MODE = "mode/close-admin-ports"
GROUP = "AWS::EC2::SecurityGroup"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack as it comes, in mode observe."""
    with mend("observe") as stack:
        yield stack


@contextmanager
def without_events(account: Account, function: str) -> Iterator[None]:
    """Lose the events that the function would get."""
    events, name = client("events"), account.stack.functions[function]
    events.disable_rule(Name=name)
    yield
    events.enable_rule(Name=name)


def compliance_change(group_id: str, compliance: str = "NON_COMPLIANT") -> Event:
    """Return the event that says what the rule found now."""
    return change_of_any_rule(group_id, compliance, RULE)


def config_finds(group_id: str, compliance: str) -> None:
    """Let the rule have looked now, and lose its event."""
    record_evaluation(RULE, GROUP, group_id, compliance, at=a_look())


def test_the_schedule_runs_it_and_it_says_that_it_lives(account: Account):
    scheduler.fire(account.stack.functions["reconcile"])

    def ran() -> list[journal.Entry]:
        return account.journal("invocation", function=account.stack.functions["reconcile"])

    (run,) = account.wait_until(ran, "a run of reconcile")
    assert run["ok"], run
    metrics = [json.loads(line) for line in run["log"].splitlines() if '"_aws"' in line]
    (beat,) = [m for m in metrics if "Heartbeat" in m]
    directive = beat["_aws"]["CloudWatchMetrics"][0]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Mend", [["Environment"]])
    assert (beat["Environment"], beat["Heartbeat"]) == ("dev", 1)


def test_a_violation_whose_event_was_lost_is_found_and_repaired(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    config_finds(group_id, "NON_COMPLIANT")
    assert account.reconcile()["opened"] == 1
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()
    assert account.ops_item(group_id)["Status"] == "Resolved"
    assert account.reconcile()["opened"] == 0, "Config has not looked again since the repair"
    config_finds(group_id, "COMPLIANT")


def test_a_clear_whose_event_was_lost_is_heard(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")
    config_finds(group_id, "COMPLIANT")
    assert account.reconcile()["cleared"] == 1
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] == "cleared"


def test_an_execution_whose_end_was_lost_is_heard(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    with without_events(account, "automation-outcome"):
        account.deliver(compliance_change(group_id))
        account.ended(account.execution(group_id)["AutomationExecutionId"])
    assert account.reconcile()["outcomes"] == 0, "the event may still come"
    clock.forward(timedelta(minutes=3))
    assert account.reconcile()["outcomes"] == 1
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] == "remediated"
    kept = [item["pk"] for item in account.ledger() if item["sk"] == "before-state"]
    assert f"execution#{account.execution(group_id)['AutomationExecutionId']}" in kept


def test_switches_take_effect_without_an_event(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")
    account.switch("kill-switch", "engaged: lee, storm")
    account.switch(MODE, "enforce")
    account.settled(group_id, "deferred")
    account.assert_untouched(group_id)
    account.switch("kill-switch", "released")
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()
    assert account.told(group_id) == ["Observed", "Deferred", "Responding", "Resolved"]
    assert len(account.ops_items(group_id)) == 1


def test_what_a_throttle_left_waiting_is_started(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    with faults.inject("throttle", "ssm", "StartAutomationExecution"):
        account.put(compliance_change(group_id))

        def given_up() -> bool:
            invocations = account.journal("invocation", function=account.stack.functions["config-compliance"])
            return [e["ok"] for e in invocations] == [False] * 3

        account.wait_until(given_up, "three tries")
        assert account.executions(group_id) == []
        assert account.ops_item(group_id)["Status"] == "Open"
    (letter,) = account.dead_letters()
    assert letter["requestPayload"]["detail"]["resourceId"] == group_id
    assert account.reconcile()["resumed"] == 1
    account.settled(group_id, "resolved")
    assert account.execution(group_id)["Parameters"]["Attempt"] == ["1"]


def test_what_waited_until_a_person_closed_it_is_not_started(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    with faults.inject("throttle", "ssm", "StartAutomationExecution"):
        account.put(compliance_change(group_id))
        account.wait_until(lambda: account.dead_letters(), "three tries in vain")
    set_status(account, group_id, "Resolved")
    clock.forward(timedelta(minutes=3))
    person = {"function": account.stack.functions["ops-item-update"], "ok": True}
    account.wait_until(lambda: account.journal("invocation", **person), "that the person is heard")
    account.reconcile()
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] == "by-person"
    account.assert_untouched(group_id)


def test_an_old_account_is_no_flood(account: Account):
    awslambda, name = client("lambda"), account.stack.functions["reconcile"]
    variables = awslambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    awslambda.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "MEND_NEW_INCIDENTS_PER_RUN": "2"}}
    )
    groups = [account.open_group() for _ in range(5)]
    for group_id in groups:
        config_finds(group_id, "NON_COMPLIANT")
    runs = [account.reconcile() for _ in range(4)]
    assert [run["opened"] for run in runs] == [2, 2, 1, 0]
    assert [run["more_to_open"] for run in runs] == [True, True, False, False]
    for group_id in groups:
        account.settled(group_id, "observed")
        config_finds(group_id, "COMPLIANT")
    awslambda.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    assert account.reconcile()["cleared"] == 5


def test_what_it_may_not_look_at_is_said_and_its_heart_stands_still(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    with faults.inject("server-error", "config", caller=account.stack.functions["reconcile"]):
        answer = account.try_invoke("reconcile", {})
    assert any("could not ask AWS Config which rules complain" in failure for failure in answer["failures"])
    (run,) = account.journal("invocation", function=account.stack.functions["reconcile"])
    assert "Heartbeat" not in run["log"]
    account.deliver(compliance_change(group_id, "COMPLIANT"))


# -- people


def set_status(account: Account, group_id: str, status: str) -> None:
    """Do as a person does in the console, later than clocks may differ."""
    clock.forward(timedelta(seconds=10))
    client("ssm").update_ops_item(OpsItemId=account.ops_item(group_id)["OpsItemId"], Status=status)


def test_a_person_who_resolves_the_ops_item_closes_the_incident(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")
    set_status(account, group_id, "Resolved")
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] == "by-person"
    assert account.told(group_id) == ["Observed", "Resolved"]
    story = account.ops_item(group_id)["OperationalData"]["mend/timeline"]["Value"]
    assert "arn:aws:iam::123456789012:root resolved the OpsItem" in story
    # The rule goes on complaining, and is not believed more than the person.
    config_finds(group_id, "NON_COMPLIANT")
    assert account.reconcile()["opened"] == 0
    assert account.ops_item(group_id)["Status"] == "Resolved"
    config_finds(group_id, "COMPLIANT")


def test_a_person_who_reopens_the_ops_item_has_the_incident(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "resolved")
    set_status(account, group_id, "InProgress")
    account.settled(group_id, "reopened")
    assert account.told(group_id)[-1] == "Reopened"
    item = account.ops_item(group_id)
    assert item["Status"] == "InProgress", "as the person has set it"
    assert "reopened the OpsItem" in item["Description"]
    account.reconcile()
    assert len(account.executions(group_id)) == 1
    set_status(account, group_id, "Resolved")
    account.settled(group_id, "resolved")


def test_a_person_is_heard_though_the_event_was_lost(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "observed")
    with without_events(account, "ops-item-update"):
        set_status(account, group_id, "Resolved")
    assert account.reconcile()["people"] == 1
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] == "by-person"
    assert account.reconcile()["people"] == 0


def test_mends_own_changes_wake_nobody(account: Account):
    account.switch(MODE, "enforce")
    group_id = account.open_group()
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "resolved")
    assert account.operations("ops-item-update") == []
    assert account.journal("invocation", function=account.stack.functions["ops-item-update"]) == []
    assert account.execution(group_id)["DocumentName"] == RUNBOOK
