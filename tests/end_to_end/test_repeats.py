"""Events that come again, late, out of order, or all at once; and what each kind of event costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from localcloud.functions import stop_all

from .account import RUNBOOK, SSH_TO_THE_WORLD, Account, client, forget_budgets
from .config_events import a_look, changed, compliance_change, sample

KNOWN = "nothing new: the ledger has this, or something newer, already"


def repaired(account: Account) -> tuple[str, dict]:
    """Have a group repaired; return it with the event that reported it."""
    group_id = account.open_group()
    event = compliance_change(group_id)
    account.deliver(event)
    account.settled(group_id, "resolved")
    return group_id, event


def test_the_same_event_again_after_the_repair_does_nothing(account: Account):
    group_id, event = repaired(account)
    later = Account(account.stack)
    (answer,) = later.deliver(event)
    assert (answer["decision"], answer["reasons"]) == ("ignore", [KNOWN])
    assert answer["incident"] == account.ops_item(group_id)["OperationalData"]["mend/incident"]["Value"]
    assert later.operations() == ["UpdateItem"]
    assert len(account.executions(group_id)) == 1


def test_an_older_event_after_a_newer_one_does_nothing(account: Account):
    group_id = account.open_group()
    old = compliance_change(group_id, at=a_look() - timedelta(hours=1))
    new = compliance_change(group_id, "COMPLIANT")
    account.deliver(compliance_change(group_id, at=a_look() - timedelta(minutes=1)))
    account.settled(group_id, "resolved")
    account.deliver(new)
    later = Account(account.stack)
    (answer,) = later.deliver(old)
    assert (answer["decision"], answer["reasons"]) == ("ignore", [KNOWN])
    assert later.operations() == ["UpdateItem"]
    assert len(account.executions(group_id)) == 1


def test_a_rule_that_has_not_looked_since_the_repair_says_nothing_new(account: Account):
    before_the_repair = a_look()
    group_id, _ = repaired(account)
    account.add_rules(group_id, SSH_TO_THE_WORLD)
    event = compliance_change(group_id, rule="securityhub-restricted-ssh-1a2b3c4d", at=before_the_repair)
    (answer,) = account.deliver(event)
    assert answer["decision"] == "ignore"
    assert answer["reasons"][0].startswith("nothing new: resolved at ")
    assert len(account.executions(group_id)) == 1
    assert account.rules(group_id) == {SSH_TO_THE_WORLD}


def test_a_new_violation_after_the_repair_is_a_new_generation(account: Account):
    group_id, _ = repaired(account)
    account.add_rules(group_id, SSH_TO_THE_WORLD)
    (answer,) = account.deliver(compliance_change(group_id))
    account.settled(group_id, "resolved", generation=2)
    assert answer["decision"] != "ignore"
    assert answer["incident"].endswith("-2")
    assert account.rules(group_id) == set()
    first, second = account.executions(group_id)
    assert first["Parameters"]["Incident"][0].removesuffix("-1") == answer["incident"].removesuffix("-2")
    assert second["Parameters"]["Incident"] == [answer["incident"]]
    assert [item["Status"] for item in account.ops_items(group_id)] == ["Resolved", "Resolved"]
    assert account.told(group_id) == ["Responding", "Resolved"] * 2
    assert set(account.rows(group_id)) == {"current", "generation#0000000001"}, "the first one is kept"


def test_two_rules_about_one_problem_are_one_incident(account: Account):
    group_id = account.open_group()
    look = a_look()
    events = [
        compliance_change(group_id, rule=rule, at=look)
        for rule in (
            "restricted-ssh",
            "securityhub-restricted-ssh-1a2b3c4d",
            "restricted-ssh-conformance-pack-k3x9qa7zt",
        )
    ]
    account.answers([event_id for event in events for event_id in account.put(event)])
    row = account.settled(group_id, "resolved")
    assert len(account.executions(group_id)) == 1
    assert len(account.ops_items(group_id)) == 1
    assert set(row["incident"]["causes"]) == {f"config-rule/{e['detail']['configRuleName']}" for e in events}


def test_eight_deliveries_at_once_are_one_incident_and_twenty_later_ones_nothing(account: Account):
    stop_all()
    group_id = account.open_group()
    event = compliance_change(group_id)
    answers = account.deliver(event, copies=8)
    account.settled(group_id, "resolved")
    assert len(answers) == 8
    assert [answer["decision"] for answer in answers].count("ignore") == 7
    assert len(account.ops_items(group_id)) == 1
    assert len(account.starts(group_id)) == 1
    assert len(account.executions(group_id)) == 1
    assert account.told(group_id) == ["Responding", "Resolved"]
    assert len(account.mend_events(group_id)) == 2
    assert account.rules(group_id) == set()

    later = Account(account.stack)
    answers = later.deliver(event, copies=20)
    assert {(answer["decision"], *answer["reasons"]) for answer in answers} == {("ignore", KNOWN)}
    assert later.operations() == ["UpdateItem"] * 20
    assert len(account.ops_items(group_id)) == 1
    assert len(account.executions(group_id)) == 1
    assert later.notifications(group_id) == later.mend_events(group_id) == []


def test_eight_different_looks_at_once_are_one_incident(account: Account):
    group_id = account.open_group()
    events = [compliance_change(group_id) for _ in range(8)]
    event_ids = [event_id for event in reversed(events) for event_id in account.put(event)]
    account.answers(event_ids)
    row = account.settled(group_id, "resolved")
    assert row["incident"]["generation"] == 1
    assert len(account.ops_items(group_id)) == 1
    assert len(account.executions(group_id)) == 1


@contextmanager
def outcomes_held_back(account: Account) -> Iterator[None]:
    """Keep the ends of executions from automation-outcome, so that nothing runs beside what is counted."""
    events, rule = client("events"), account.stack.functions["automation-outcome"]
    events.disable_rule(Name=rule)
    try:
        yield
    finally:
        events.enable_rule(Name=rule)


NEW_IN_ENFORCE = [
    "UpdateItem",
    "TransactWriteItems",
    "CreateOpsItem",
    "StartAutomationExecution",
    "UpdateOpsItem",
    "Publish",
    "PutEvents",
    "TransactWriteItems",
]
FACTS = ["GetParameters", "DescribeDocument"]
OUTCOME = [
    "GetAutomationExecution",
    "UpdateItem",
    "TransactWriteItems",
    "UpdateOpsItem",
    "Publish",
    "PutEvents",
    "TransactWriteItems",
]


def test_an_incident_costs_so_many_calls(account: Account, tell: Callable[[str], None]):
    stop_all()
    group_id = account.open_group()
    with outcomes_held_back(account):
        (answer,) = account.deliver(compliance_change(group_id))
        cold = account.operations()
        execution = account.ended(answer["execution"])
    assert answer["decision"] == "respond"
    assert cold == NEW_IN_ENFORCE[:1] + FACTS + NEW_IN_ENFORCE[1:]

    event = sample("automation-outcome", "success")
    event = changed(event, "detail.ExecutionId", execution["AutomationExecutionId"])
    before = Account(account.stack)
    answer = before.invoke("automation-outcome", event)
    outcome = before.operations()
    assert answer["decision"] == "resolve"
    assert outcome == OUTCOME

    before = Account(account.stack)
    before.invoke("automation-outcome", event)
    again = before.operations()
    assert again == ["GetAutomationExecution", "UpdateItem"]

    # Two starts keep their distance, and whoever has to wait for its turn asks twice for it.
    forget_budgets(account.stack)
    before = Account(account.stack)
    other_group_id = before.open_group()
    with outcomes_held_back(account):
        before.deliver(compliance_change(other_group_id))
        warm = before.operations()
        before.ended(before.execution(other_group_id)["AutomationExecutionId"])
    assert warm == NEW_IN_ENFORCE[:1] + FACTS[:1] + NEW_IN_ENFORCE[1:], "the version is remembered"
    tell(
        f"API calls in enforce mode: new incident {len(cold)} cold, {len(warm)} warm; outcome {len(outcome)};"
        f" duplicate 1; outcome again {len(again)}; not routed 0"
    )


@pytest.mark.parametrize(
    ("event", "decision", "reason"),
    [
        pytest.param(
            sample("config-compliance", "unrouted-rule"),
            "ignore",
            "no route takes Config rule ebs-encrypted",
            id="unrouted rule",
        ),
        pytest.param(
            sample("config-compliance", "other-resource-type"),
            "ignore",
            "the route for Config rule restricted-ssh does not take resources of this type",
            id="other resource type",
        ),
        pytest.param(
            sample("config-compliance", "insufficient-data"),
            "ignore",
            "AWS Config has insufficient data to say anything",
            id="insufficient data",
        ),
        pytest.param(
            sample("config-compliance", "member-account"),
            "ignore",
            "the resource belongs to account 210987654321, whose own Mend answers",
            id="member account",
        ),
        pytest.param(
            changed(sample("config-compliance", "open-ssh"), "account", "210987654321"),
            "reject",
            "the event is addressed to another account than the stack's",
            id="foreign account",
        ),
    ],
)
def test_an_event_that_no_route_takes_costs_no_call(
    account: Account, event: dict, decision: str, reason: str
):
    answer = account.invoke("config-compliance", event)
    assert answer == {
        "decision": decision,
        "reasons": [reason],
        "incident": None,
        "ops_item": None,
        "execution": None,
    }
    assert account.operations() == []
    if event["account"] == "123456789012":
        (delivered,) = account.deliver(event)
        assert delivered == answer
        assert account.operations() == []


def test_an_execution_that_is_no_attempt_costs_no_call(account: Account):
    answer = account.invoke("automation-outcome", sample("automation-outcome", "other-runbook"))
    assert answer["decision"] == "ignore"
    assert answer["reasons"] == ["the execution carries no incident and attempt of Mend"]
    assert account.operations() == []


def test_a_clear_without_an_incident_is_remembered_for_a_violation_that_it_has_overtaken(account: Account):
    group_id = account.open_group()
    overtaken = compliance_change(group_id)
    for compliance in ("COMPLIANT", "NOT_APPLICABLE"):
        seen = Account(account.stack)
        (answer,) = seen.deliver(compliance_change(group_id, compliance))
        assert (answer["decision"], answer["reasons"]) == ("ignore", ["no incident is open for the resource"])
        assert seen.operations() == ["UpdateItem", "TransactWriteItems"]
    (answer,) = account.deliver(overtaken)
    assert (answer["decision"], answer["incident"]) == ("ignore", None)
    account.assert_untouched(group_id)


def test_a_group_that_is_gone_is_found_compliant(account: Account):
    group_id = account.open_group()
    client("ec2").delete_security_group(GroupId=group_id)
    account.deliver(compliance_change(group_id))
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] == "already-compliant"
    assert account.execution(group_id)["DocumentName"] == RUNBOOK
    assert account.ops_item(group_id)["Status"] == "Resolved"
