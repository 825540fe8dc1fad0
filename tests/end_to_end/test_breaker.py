"""The circuit breaker: repairs that fail, or an alarm, open it; only a person closes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from localcloud.deploy import Stack
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend

from .account import RULE, SWITCHES, Account, client
from .config_events import compliance_change
from .conftest import mend

ALARM = "checkout errors"
OF_ROUTE, OF_ALL = "breaker/close-admin-ports", "breaker/all"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mend("enforce", BreakerAlarms=ALARM) as stack:
        yield stack


def opened(account: Account, name: str) -> str | None:
    """Return what a breaker says; nothing while it is closed."""
    found = client("ssm").get_parameters(Names=[f"{SWITCHES}{name}"])["Parameters"]
    return found[0]["Value"] if found else None


def test_repairs_that_fail_open_it_and_a_person_closes_it(account: Account, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise EC2ClientError("UnauthorizedOperation", "The role may not do that any more.")

    with monkeypatch.context() as broken:
        broken.setattr(EC2Backend, "revoke_security_group_ingress", refuse)
        escalated = account.open_group()
        account.deliver(compliance_change(escalated, rule=RULE))
        account.settled(escalated, "escalated")
        assert opened(account, OF_ROUTE) is None, "two failures say nothing"
        third = account.open_group()
        account.deliver(compliance_change(third, rule=RULE))
        account.settled(third, "deferred")
    assert opened(account, OF_ROUTE) == (
        "open: 3 of the last 3 attempts failed, in this hour and the one before"
    )
    (told,) = account.people_are_told("BreakerOpened")
    assert told["subject"] == "[Mend dev] Circuit breaker open: close-admin-ports"
    assert f"aws ssm delete-parameter --name {SWITCHES}{OF_ROUTE}" in told["message"]["email"]
    counted = [e["log"] for e in account.journal("invocation") if '"BreakerOpened":1' in e["log"]]
    assert len(counted) == 1, "once, for the alarm"
    assert len(account.executions(third)) == 1

    account.wait_until_heard(OF_ROUTE)
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
    assert answer["decision"] == "defer"
    assert answer["reasons"][-1].startswith("the route's circuit breaker is open: 3 of the last 3")
    account.later(hours=3)
    account.assert_untouched(group_id)

    account.switch(OF_ROUTE, None)
    for waiting in (third, group_id):
        account.settled(waiting, "resolved")
        assert account.rules(waiting) == set()
    assert opened(account, OF_ROUTE) is None


def alarm(name: str, *actions: str) -> None:
    client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=list(actions),
    )


def set_state(name: str, state: str) -> None:
    client("cloudwatch").set_alarm_state(
        AlarmName=name, StateValue=state, StateReason="Threshold Crossed: 97 errors"
    )


@pytest.fixture
def silent() -> Iterator[None]:
    """Alarms that are gone, and so quiet, at the end of the test."""
    yield
    names = [a["AlarmName"] for a in client("cloudwatch").describe_alarms()["MetricAlarms"]]
    client("cloudwatch").delete_alarms(AlarmNames=[name for name in names if not name.startswith("mend-")])


def assert_stops_everything_until_a_person_closes_it(account: Account) -> None:
    account.wait_until(lambda: account.people_are_told("BreakerOpened"), "that people are told")
    assert opened(account, OF_ALL) == f"open: the alarm {ALARM} rings: Threshold Crossed: 97 errors"
    (told,) = account.people_are_told("BreakerOpened")
    assert told["subject"] == "[Mend dev] Circuit breaker open: all"
    account.wait_until_heard(OF_ALL)
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
    assert answer["reasons"][-1] == (
        f"the circuit breaker of all routes is open: the alarm {ALARM} rings: Threshold Crossed: 97 errors"
    )
    account.settled(group_id, "deferred")
    set_state(ALARM, "OK")
    account.reconcile()
    account.assert_untouched(group_id)
    account.switch(OF_ALL, None)
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()


@pytest.mark.usefixtures("silent")
def test_the_event_of_an_alarm_opens_it_for_all_routes(account: Account):
    alarm(ALARM)
    set_state(ALARM, "ALARM")
    assert_stops_everything_until_a_person_closes_it(account)


@pytest.mark.usefixtures("silent")
def test_an_alarm_opens_it_by_its_own_action(account: Account):
    name = account.stack.functions["circuit-breaker"]
    arn = client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    client("events").disable_rule(Name=name)
    alarm(ALARM, arn)
    set_state(ALARM, "ALARM")
    assert_stops_everything_until_a_person_closes_it(account)
    client("events").enable_rule(Name=name)


@pytest.mark.usefixtures("silent")
def test_another_alarm_opens_nothing(account: Account):
    alarm("disk full")
    set_state("disk full", "ALARM")
    name = account.stack.functions["circuit-breaker"]

    def answers() -> list[Any]:
        return [e["response"] for e in account.journal("invocation", function=name, ok=True)]

    (answer,) = account.wait_until(answers, "an answer to the alarm")
    assert answer["decision"] == "ignore"
    assert "names disk full" in answer["reasons"][0]
    assert opened(account, OF_ALL) is None
    assert "PutParameter" not in json.dumps(account.operations())
