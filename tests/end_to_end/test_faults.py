"""Calls that go wrong: whatever AWS does, each problem has one OpsItem, one start per attempt, and an end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from localcloud import clock, faults
from localcloud.deploy import Stack
from localcloud.faults import Fault
from localcloud.functions import stop_all

from .account import Account
from .config_events import compliance_change
from .conftest import mend

CALLS = {
    "config-compliance": [
        ("dynamodb", "UpdateItem"),
        ("ssm", "GetParameters"),
        ("ssm", "DescribeDocument"),
        ("dynamodb", "TransactWriteItems"),
        ("ssm", "CreateOpsItem"),
        ("ssm", "StartAutomationExecution"),
        ("ssm", "UpdateOpsItem"),
        ("sns", "Publish"),
        ("events", "PutEvents"),
    ],
    "automation-outcome": [
        ("ssm", "GetAutomationExecution"),
        ("dynamodb", "UpdateItem"),
        ("dynamodb", "TransactWriteItems"),
        ("ssm", "UpdateOpsItem"),
        ("sns", "Publish"),
        ("events", "PutEvents"),
    ],
}
"""Every call of the loop."""

KINDS = ("throttle", "server-error", "lost-response")
GROUPS = 6
"""So many problems at once."""

SEEDS = (1, 2)
LAST_TRY = 3
RUNS = 5
CHANCE = 0.5
"""Of each call to go wrong, in a storm: the SDK's own tries do not suffice for some."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mend("enforce") as stack:
        yield stack


def heal(account: Account) -> list[str]:
    """Open some groups at once and have all of them reported; return them."""
    # A warm process would not read switches and versions anew.
    stop_all()
    groups = [account.open_group() for _ in range(GROUPS)]
    for group_id in groups:
        account.put(compliance_change(group_id))
    return groups


def assert_healed_once(account: Account, group_id: str) -> None:
    """Fail unless the problem came to its end as if nothing had gone wrong."""
    row = account.settled(group_id, "resolved")
    assert row["incident"]["state"]["how"] in ("remediated", "already-compliant")
    assert account.rules(group_id) == set()
    assert account.ops_item(group_id)["Status"] == "Resolved"
    executions = account.executions(group_id)
    attempts = [execution["Parameters"]["Attempt"] for execution in executions]
    assert len(attempts) == len({tuple(attempt) for attempt in attempts}), "one start for each attempt"
    incident = executions[0]["Parameters"]["Incident"][0]
    assert account.holds(incident) == []
    assert account.told(group_id)[-1] == "Resolved"
    details = [json.loads(e["message"]["sqs"]) for e in account.notifications(group_id)]
    assert len({d["id"] for d in details}) == len({d["change"] for d in details})


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_of_the_loop_may_go_wrong(account: Account, kind: str):
    injected: list[Fault] = [
        faults.inject(kind, service, operation, caller=account.stack.functions[function], times=1)
        for function, calls in CALLS.items()
        for service, operation in calls
    ]
    groups = heal(account)
    for group_id in groups:
        assert_healed_once(account, group_id)
    assert [(fault.service, fault.operation) for fault in injected if not fault.hits] == []
    faults.clear()
    assert account.dead_letters() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storm_of_faults_loses_nothing_and_does_nothing_twice(account: Account, seed: int):
    functions = [account.stack.functions[function] for function in CALLS]
    for function in functions:
        for kind in KINDS:
            faults.inject(kind, caller=function, probability=CHANCE / len(KINDS), seed=seed)
    groups = heal(account)

    def answered() -> bool:
        """The bus's deliveries are over, each with an answer or in the dead-letter queue."""
        tries = account.journal("invocation", function=functions[0])
        ends = {e["request_id"] for e in tries if e["ok"] or e["attempt"] == LAST_TRY}
        return len(ends) >= GROUPS

    account.wait_until(answered, "the end of all deliveries", on="invocation")
    faults.clear()
    for _ in range(RUNS):
        if all(state(account, group_id) == "resolved" for group_id in groups):
            break
        # Leases run out meanwhile, and executions end.
        clock.forward(timedelta(minutes=5))
        account.try_invoke("reconcile", {})
    for group_id in groups:
        assert_healed_once(account, group_id)
    account.dead_letters()


def state(account: Account, group_id: str) -> str | None:
    """Return where the incident of a group stands, if it is settled."""
    row = account.rows(group_id).get("current")
    return row["incident"]["state"]["name"] if row and row["settled"] and "incident" in row else None
