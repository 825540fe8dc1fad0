"""Functions that are killed between two of their calls: the retry carries on, and nothing happens twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from localcloud import clock
from localcloud.deploy import Stack
from localcloud.functions import asynchronous
from moto.ec2.models import EC2Backend

from .account import RULE, Account, client, forget_budgets
from .config_events import compliance_change
from .conftest import mend
from .crashes import Crash, Crashes

TIMEOUT_SECONDS = 5
"""Of the functions here, so that none waits for its turn to start something."""

RETRY_COMES = timedelta(seconds=61)
"""After a failure, and so after the lease. The clock is moved that far."""

LONGEST_CALL_SECONDS = 24.0
"""A step of a runbook gives its call 25 seconds."""


@dataclass(frozen=True)
class Story:
    """What happens to one incident."""

    crashes: tuple[Crash, ...]
    long_runbook: bool = False
    """The runbook still runs when the retry comes; otherwise the outcome waits in the inbox by then."""

    @property
    def needs_the_outcome(self) -> bool:
        """Whether automation-outcome has to carry the outcome itself, not leave it in a busy row's inbox."""
        return self.crashes[0].function == "automation-outcome"

    def __str__(self) -> str:
        crashes = ", then ".join(map(str, self.crashes))
        return f"{crashes}, while the runbook runs" if self.long_runbook else crashes


def compliance(operation: str, nth: int = 1) -> Crash:
    return Crash("config-compliance", operation, nth)


def outcome(operation: str, nth: int = 1) -> Crash:
    return Crash("automation-outcome", operation, nth)


STORIES = [
    Story((compliance("CreateOpsItem"), compliance("StartAutomationExecution"))),
    Story((compliance("StartAutomationExecution"), compliance("UpdateItem"))),
    Story((compliance("UpdateItem"),)),
    Story((compliance("GetParameters"),)),
    Story((compliance("DescribeDocument"),)),
    Story((compliance("TransactWriteItems"),)),
    Story((compliance("CreateOpsItem"),)),
    Story((compliance("StartAutomationExecution"),)),
    Story((compliance("UpdateOpsItem"),)),
    Story((compliance("Publish"),)),
    Story((compliance("PutEvents"),)),
    Story((compliance("TransactWriteItems", 2),)),
    Story((outcome("TransactWriteItems"), outcome("UpdateOpsItem"))),
    Story((outcome("GetAutomationExecution"),)),
    Story((outcome("UpdateItem"),)),
    Story((outcome("TransactWriteItems"),)),
    Story((outcome("UpdateOpsItem"),)),
    Story((outcome("Publish"),)),
    Story((outcome("PutEvents"),)),
    Story((outcome("TransactWriteItems", 2),)),
    Story((compliance("StartAutomationExecution"),), long_runbook=True),
    Story((compliance("UpdateOpsItem"),), long_runbook=True),
    Story((compliance("PutEvents"),), long_runbook=True),
]
"""Those that end a config-compliance come first, because a process that lives on has nothing more to ask.
Those with a long runbook come last, because its step waits for so long and no longer."""

STARTED_AGAIN = [story for story in STORIES if story.long_runbook]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mend("enforce", wait_scale=1.0, concurrency=len(STORIES)) as stack:
        awslambda = client("lambda")
        for package, name in stack.functions.items():
            if package == "reconcile":
                # In 5 seconds it would begin nothing.
                continue
            configuration = awslambda.get_function_configuration(FunctionName=name)
            variables = configuration["Environment"]["Variables"]
            awslambda.update_function_configuration(
                FunctionName=name,
                Timeout=TIMEOUT_SECONDS,
                Environment={"Variables": {**variables, "MEND_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)}},
            )
        yield stack


class LongRunbooks:
    """Executions that stand still before they change their group, until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self._held: dict[str, threading.Event] = {}
        revoke = EC2Backend.revoke_security_group_ingress

        def wait_and_revoke(backend: EC2Backend, group_name_or_id: str, *args: Any, **kwargs: Any) -> Any:
            if held := self._held.get(group_name_or_id):
                assert held.wait(LONGEST_CALL_SECONDS), "the step fails, and the test with it"
            return revoke(backend, group_name_or_id, *args, **kwargs)

        monkeypatch.setattr(EC2Backend, "revoke_security_group_ingress", wait_and_revoke)

    def hold(self, group_id: str) -> None:
        self._held[group_id] = threading.Event()

    def let_go(self, group_id: str) -> None:
        self._held[group_id].set()


@dataclass
class Survivors:
    """What the functions made of it."""

    account: Account
    crashes: Crashes
    groups: dict[Story, str]


@pytest.fixture(scope="module")
def survivors(stack: Stack) -> Iterator[Survivors]:
    """All stories at the same time, because each of them waits for its retries."""
    account, crashes = Account(stack), Crashes()
    with pytest.MonkeyPatch.context() as monkeypatch:
        # Lambda waits two minutes before its second retry; what survives a shorter wait survives that.
        monkeypatch.setattr(asynchronous, "RETRY_WAITS", (60.0, 60.0))
        crashes.install(monkeypatch)
        long_runbooks = LongRunbooks(monkeypatch)
        groups = {story: account.open_group() for story in STORIES}
        for story in STORIES:
            if story.long_runbook or story.needs_the_outcome:
                long_runbooks.hold(groups[story])
        crashes.planned |= {groups[story]: list(story.crashes) for story in STORIES}
        events = {}
        for story in STORIES:
            group_id = groups[story]
            # Two starts keep their distance, and so short a function does not wait for its turn.
            forget_budgets(stack)
            events[group_id] = account.put(compliance_change(group_id, rule=RULE))
            if story.needs_the_outcome:
                account.settled(group_id, "remediating")
                long_runbooks.let_go(group_id)
            account.wait_until(
                lambda group_id=group_id: group_id in crashes.happened, f"the crash of {story}"
            )
        clock.forward(RETRY_COMES)
        account.wait_until(lambda: not any(crashes.planned.values()), "the second crashes")
        account.answers(
            event_id for story in STORIES if len(story.crashes) == 1 for event_id in events[groups[story]]
        )
        clock.forward(RETRY_COMES)
        account.answers(event_id for event_ids in events.values() for event_id in event_ids)
        for story in STARTED_AGAIN:
            long_runbooks.let_go(groups[story])
        # A retry that found the turn of another has left its start to this.
        account.later(seconds=2)
        yield Survivors(account, crashes, groups)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_the_retry_carries_on(survivors: Survivors, story: Story):
    account, group_id = survivors.account, survivors.groups[story]
    row = account.settled(group_id, "resolved")
    assert survivors.crashes.happened[group_id] == list(story.crashes)
    assert account.rules(group_id) == set()
    assert account.ops_item(group_id)["Status"] == "Resolved"
    execution = account.execution(group_id)
    assert row["incident"]["state"]["how"] == "remediated"
    incident_id = execution["Parameters"]["Incident"][0]
    assert account.holds(incident_id) == []
    kept = [item["pk"] for item in account.ledger() if item["sk"] == "before-state"]
    assert f"execution#{execution['AutomationExecutionId']}" in kept
    assert account.told(group_id)[-1] == "Resolved"
    assert set(account.told(group_id)) <= {"Deferred", "Responding", "Resolved"}
    assert {event["detail"]["change"] for event in account.mend_events(group_id)} >= {"Resolved"}


@pytest.mark.parametrize("story", STARTED_AGAIN, ids=str)
def test_a_start_is_repeated_word_for_word(survivors: Survivors, story: Story):
    first, again = survivors.account.starts(survivors.groups[story])
    assert first == again


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_what_is_told_twice_has_the_same_id(survivors: Survivors, story: Story):
    account, group_id = survivors.account, survivors.groups[story]
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

    account.wait_until(settled, "all incidents to be settled", on="invocation")
    assert account.dead_letters() == []
