"""Functions that are killed between two of their calls: the retry carries on, and nothing happens twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from localcloud.deploy import Stack
from localcloud.functions import asynchronous

from .account import Account, client
from .config_events import compliance_change
from .conftest import mend
from .crashes import Crash, Crashes

TIMEOUT_SECONDS = 5
"""Of the functions here, so that a lease lasts 10 seconds at most, as it lasts 35 with the template's 30."""

WAIT_SCALE = 0.175
"""Makes Lambda's first retry come 10.5 seconds after a failure: after the lease, as AWS's 60 seconds do."""

AT_ONCE = 5
"""So many processes may start at the same time; more of them would get nowhere in 5 seconds."""

COMPLIANCE_CALLS = [
    Crash("config-compliance", "UpdateItem"),
    Crash("config-compliance", "GetParameters"),
    Crash("config-compliance", "DescribeDocument"),
    Crash("config-compliance", "TransactWriteItems"),
    Crash("config-compliance", "CreateOpsItem"),
    Crash("config-compliance", "StartAutomationExecution"),
    Crash("config-compliance", "UpdateOpsItem"),
    Crash("config-compliance", "Publish"),
    Crash("config-compliance", "PutEvents"),
    Crash("config-compliance", "TransactWriteItems", 2),
]
OUTCOME_CALLS = [
    Crash("automation-outcome", "GetAutomationExecution"),
    Crash("automation-outcome", "UpdateItem"),
    Crash("automation-outcome", "TransactWriteItems"),
    Crash("automation-outcome", "UpdateOpsItem"),
    Crash("automation-outcome", "Publish"),
    Crash("automation-outcome", "PutEvents"),
    Crash("automation-outcome", "TransactWriteItems", 2),
]
STORIES = [
    [Crash("config-compliance", "CreateOpsItem"), Crash("config-compliance", "StartAutomationExecution")],
    [Crash("config-compliance", "StartAutomationExecution"), Crash("config-compliance", "UpdateItem")],
    *([crash] for crash in COMPLIANCE_CALLS),
    [Crash("automation-outcome", "TransactWriteItems"), Crash("automation-outcome", "UpdateOpsItem")],
    *([crash] for crash in OUTCOME_CALLS),
]
"""Those that end a config-compliance come first, because a process that lives on has nothing more to ask."""

NEW_ID = pytest.mark.xfail(
    strict=True,
    reason="the id of a notification or event counts the attempts that are over when it is sent: sent again"
    " after the outcome came in, it has another id than the first time",
)


def told(story: list[Crash], *marks: pytest.MarkDecorator) -> object:
    return pytest.param(story, marks=marks, id=", ".join(map(str, story)))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mend("enforce", WAIT_SCALE, concurrency=len(STORIES)) as stack:
        awslambda = client("lambda")
        for name in stack.functions.values():
            configuration = awslambda.get_function_configuration(FunctionName=name)
            variables = configuration["Environment"]["Variables"]
            awslambda.update_function_configuration(
                FunctionName=name,
                Timeout=TIMEOUT_SECONDS,
                Environment={"Variables": {**variables, "MEND_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)}},
            )
        yield stack


@dataclass
class Survivors:
    """What the functions made of it: the groups, in the order of `STORIES`."""

    account: Account
    crashes: Crashes
    groups: list[str]


@pytest.fixture(scope="module")
def survivors(stack: Stack) -> Iterator[Survivors]:
    """All stories at the same time, because each of them waits for its retries."""
    account, crashes = Account(stack), Crashes()
    with pytest.MonkeyPatch.context() as monkeypatch:
        # Lambda waits two minutes before its second retry; what survives a shorter wait survives that.
        monkeypatch.setattr(asynchronous, "RETRY_WAITS", (60.0, 60.0))
        crashes.install(monkeypatch)
        groups = [account.open_group() for _ in STORIES]
        crashes.planned |= {group_id: list(story) for group_id, story in zip(groups, STORIES, strict=True)}
        for first in range(0, len(groups), AT_ONCE):
            wave = groups[first : first + AT_ONCE]
            for group_id in wave:
                account.put(compliance_change(group_id))
            account.wait_until(lambda wave=wave: crashes.happened.keys() >= set(wave), f"crashes of {wave}")
        yield Survivors(account, crashes, groups)


@pytest.mark.parametrize("story", [told(story) for story in STORIES])
def test_the_retry_carries_on(survivors: Survivors, story: list[Crash]):
    account = survivors.account
    group_id = survivors.groups[STORIES.index(story)]
    row = account.settled(group_id, "resolved")
    assert survivors.crashes.happened[group_id] == story
    assert account.rules(group_id) == set()
    assert account.ops_item(group_id)["Status"] == "Resolved"
    execution = account.execution(group_id)
    assert row["incident"]["state"]["how"] == "remediated"
    incident_id = execution["Parameters"]["Incident"][0]
    assert account.holds(incident_id) == []
    kept = [item["pk"] for item in account.ledger() if item["sk"] == "before-state"]
    assert f"execution#{execution['AutomationExecutionId']}" in kept
    assert account.told(group_id)[-1] == "Resolved"
    assert set(account.told(group_id)) <= {"Responding", "Resolved"}
    assert {e["detail"]["change"] for e in account.mend_events(group_id)} >= {"Resolved"}


@pytest.mark.parametrize(
    "story",
    [
        told(story, *([NEW_ID] if story[0].operation in ("Publish", "PutEvents") else []))
        for story in STORIES
        if story[0].function == "config-compliance"
    ]
    + [told(story) for story in STORIES if story[0].function == "automation-outcome"],
)
def test_what_is_told_twice_has_the_same_id(survivors: Survivors, story: list[Crash]):
    account = survivors.account
    group_id = survivors.groups[STORIES.index(story)]
    account.settled(group_id, "resolved")
    details = [json.loads(e["message"]["sqs"]) for e in account.notifications(group_id)]
    details += [event["detail"] for event in account.mend_events(group_id)]
    ids = {(detail["change"], detail["id"]) for detail in details}
    assert len(ids) == len({detail["change"] for detail in details})


def test_nothing_is_lost(survivors: Survivors):
    account = survivors.account

    def settled() -> bool:
        rows = [item for item in account.ledger() if item["sk"] == "current"]
        return len(rows) == len(STORIES) and all(row["settled"] for row in rows)

    account.wait_until(settled, "all incidents to be settled")
    assert account.dead_letters() == []
