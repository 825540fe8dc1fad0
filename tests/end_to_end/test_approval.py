"""The mode `approve`: people are asked, and what they say happens, unless a guard rail has closed by then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud import clock, journal
from localcloud.clients import client_of_user
from localcloud.deploy import Stack

from .account import APPROVE_AND_RUN, RULE, RUNBOOK, Account, client
from .config_events import compliance_change
from .conftest import mend


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mend("approve", Approvers="lee,kim") as stack:
        yield stack


@pytest.fixture(scope="module")
def people(stack: Stack) -> dict[str, Any]:
    """Clients of Systems Manager, by the names of their users; pat is no approver."""
    return {name: client_of_user("ssm", name) for name in ("lee", "kim", "pat")}


class Asked:
    """A group whose repair waits for a person."""

    def __init__(self, account: Account, people: dict[str, Any]):
        self.account = account
        self.people = people
        self.group_id = account.open_group()
        (self.answer,) = account.deliver(compliance_change(self.group_id, rule=RULE))
        account.settled(self.group_id, "awaiting-approval")

    @property
    def request_id(self) -> str:
        """The execution that asks, as the OpsItem names it."""
        return self.account.ops_item(self.group_id)["OperationalData"]["mend/approval"]["Value"]

    @property
    def request(self) -> dict[str, Any]:
        """The same, whole."""
        answer = client("ssm").get_automation_execution(AutomationExecutionId=self.request_id)
        return answer["AutomationExecution"]

    @property
    def messages(self) -> list[journal.Entry]:
        """What the approvers got."""
        topic = self.account.stack.outputs["ApprovalTopicArn"]
        sent = self.account.journal("notification", topic_arn=topic)
        return [e for e in sent if self.group_id in e["message"]]

    def say(self, user: str, word: str) -> None:
        """Approve or reject as this person, with AWS's own API."""
        self.people[user].send_automation_signal(
            AutomationExecutionId=self.request_id, SignalType=word, Payload={"Comment": ["as agreed"]}
        )

    def story(self) -> str:
        """What the OpsItem tells."""
        return self.account.ops_item(self.group_id)["OperationalData"]["mend/timeline"]["Value"]


@pytest.fixture
def asked(account: Account, people: dict[str, Any]) -> Asked:
    return Asked(account, people)


def test_people_are_asked_with_all_that_they_need_and_nothing_starts(account: Account, asked: Asked):
    assert asked.answer["decision"] == "respond"
    assert "mode approve: the stack's default" in asked.answer["reasons"]
    account.assert_untouched(asked.group_id)
    item = account.ops_item(asked.group_id)
    assert item["Status"] == "Open"
    plan = json.loads(item["OperationalData"]["mend/plan"]["Value"])
    assert plan == {
        "runbook": RUNBOOK,
        "version": "1",
        "role": account.stack.outputs["NetworkAutomationRoleArn"],
        "parameters": {"SecurityGroupId": asked.group_id},
    }
    assert asked.request["DocumentName"] == APPROVE_AND_RUN
    (message,) = asked.messages
    parameters = asked.request["Parameters"]
    for needed in (
        "SSH or RDP is open to the world",
        f"Reported by Config rule {RULE}",
        f"{RUNBOOK}, version 1",
        asked.group_id,
        "Mend-RestoreAdminPorts",
        "24 hours",
        parameters["PlanHash"][0],
        item["OpsItemId"],
        f"--automation-execution-id {asked.request_id}",
    ):
        assert needed in message["message"]
    assert account.told(asked.group_id) == ["AwaitingApproval"]
    (notification,) = account.notifications(asked.group_id)
    assert notification["subject"].startswith("[Mend dev] Needs approval: ")
    assert f"--automation-execution-id {asked.request_id}" in notification["message"]["email"]


def test_a_yes_runs_exactly_what_was_shown(account: Account, asked: Asked):
    request_id = asked.request_id
    asked.say("lee", "Approve")
    row = account.settled(asked.group_id, "resolved")
    assert row["incident"]["state"]["how"] == "remediated"
    assert account.rules(asked.group_id) == set()
    assert account.ops_item(asked.group_id)["Status"] == "Resolved"
    assert account.told(asked.group_id) == ["AwaitingApproval", "Resolved"]

    (child,) = account.executions(asked.group_id)
    assert child["ParentAutomationExecutionId"] == request_id
    assert child["DocumentVersion"] == "1"
    assert child["Parameters"] == {
        "AutomationAssumeRole": [account.stack.outputs["NetworkAutomationRoleArn"]],
        "Incident": [asked.answer["incident"]],
        "Attempt": ["1"],
        "SecurityGroupId": [asked.group_id],
    }
    kept = [item["pk"] for item in account.ledger() if item["sk"] == "before-state"]
    assert kept == [f"execution#{child['AutomationExecutionId']}"], "it can be undone as any other"
    assert account.journal("api-call", operation="StopAutomationExecution") == []
    (signal,) = account.journal("api-call", operation="SendAutomationSignal")
    assert signal["principal"].endswith(":user/lee")


def test_a_no_leaves_it_to_people(account: Account, asked: Asked):
    asked.say("kim", "Reject")
    account.settled(asked.group_id, "escalated")
    account.assert_untouched(asked.group_id)
    item = account.ops_item(asked.group_id)
    assert (item["Status"], item["Severity"]) == ("Open", "1"), "raised from 2"
    assert account.told(asked.group_id) == ["AwaitingApproval", "Escalated"]
    assert "attempt 1 was not approved: it was rejected" in asked.story()


def test_people_are_reminded_at_half_time_and_after_a_day_it_is_left_to_them(account: Account, asked: Asked):
    account.later(hours=11)
    assert account.told(asked.group_id) == ["AwaitingApproval"]
    account.later(hours=1, minutes=1)
    assert account.told(asked.group_id) == ["AwaitingApproval", "Reminded"]
    account.later(hours=1)
    assert account.told(asked.group_id) == ["AwaitingApproval", "Reminded"], "once"
    clock.forward(timedelta(hours=12))
    account.settled(asked.group_id, "escalated")
    account.assert_untouched(asked.group_id)
    assert account.told(asked.group_id) == ["AwaitingApproval", "Reminded", "Escalated"]
    assert "attempt 1 was not approved: nobody answered in time" in asked.story()


def test_the_request_is_withdrawn_when_the_problem_is_gone(account: Account, asked: Asked):
    request_id = asked.request_id
    (answer,) = account.deliver(compliance_change(asked.group_id, "COMPLIANT", RULE))
    assert answer["decision"] == "resolve"
    assert "the request for approval is withdrawn" in answer["reasons"]
    account.settled(asked.group_id, "resolved")
    assert account.ended(request_id)["AutomationExecutionStatus"] == "Cancelled"
    account.outcome_answer(request_id)
    account.assert_untouched(asked.group_id)
    assert account.ops_item(asked.group_id)["Status"] == "Resolved"
    assert account.told(asked.group_id) == ["AwaitingApproval", "Resolved"]


@pytest.mark.parametrize(
    ("switch", "closed", "why"),
    [
        ("kill-switch", "engaged: kim, a freeze", "the kill switch /mend/dev/kill-switch says"),
        ("mode/close-admin-ports", "observe", "the mode /mend/dev/mode/close-admin-ports is 'observe'"),
        ("breaker/all", "open: by hand", "the circuit breaker /mend/dev/breaker/all is there"),
    ],
)
def test_a_guard_rail_that_closes_before_the_yes_stops_it(
    account: Account, asked: Asked, switch: str, closed: str, why: str
):
    request_id = asked.request_id
    account.switch(switch, closed)
    asked.say("lee", "Approve")
    assert account.ended(request_id)["AutomationExecutionStatus"] == "Failed"
    account.outcome_answer(request_id)
    expected = "observed" if switch.startswith("mode") else "deferred"
    account.settled(asked.group_id, expected)
    account.assert_untouched(asked.group_id)
    story = asked.story()
    assert "Nothing was changed. It was approved, but now" in story
    assert why in story

    account.switch(switch, "released" if switch == "kill-switch" else None)
    account.settled(asked.group_id, "awaiting-approval")
    asked.say("lee", "Approve")
    account.settled(asked.group_id, "resolved")
    assert account.rules(asked.group_id) == set()


def test_an_exemption_that_comes_before_the_yes_stops_it(account: Account, asked: Asked):
    request_id = asked.request_id
    until = (clock.now() + timedelta(days=30)).strftime("%Y-%m-%d")
    account.switch(f"exemptions/close-admin-ports/{asked.group_id}", f"until {until}: a bastion")
    asked.say("lee", "Approve")
    account.outcome_answer(request_id)
    account.settled(asked.group_id, "suppressed")
    account.assert_untouched(asked.group_id)
    assert f"/exemptions/close-admin-ports/{asked.group_id} says" in asked.story()


def test_nobody_else_may_approve(account: Account, asked: Asked):
    with pytest.raises(ClientError, match="pat is not among the approvers"):
        asked.say("pat", "Approve")
    account.settled(asked.group_id, "awaiting-approval")
    account.assert_untouched(asked.group_id)


def test_whoever_is_asked_once_is_asked_once(account: Account, asked: Asked):
    account.deliver(compliance_change(asked.group_id, rule=RULE))
    account.settled(asked.group_id, "awaiting-approval")
    assert len(asked.messages) == 1
    assert [s["DocumentName"] for s in starts(account)] == [APPROVE_AND_RUN]


def starts(account: Account) -> list[dict[str, Any]]:
    """Return all requests to start a runbook."""
    return [c["request"] for c in account.journal("api-call", operation="StartAutomationExecution")]
