"""CloudWatch alarms: what happens when somebody sets their state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from localcloud.clients import client
from localcloud.deploy import Stack
from localcloud.settings import ACCOUNT_ID, REGION

pytestmark = pytest.mark.usefixtures("cloud")

WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")


def alarm(name: str, **options: Any) -> None:
    threshold = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 90}
    client("cloudwatch").put_metric_alarm(AlarmName=name, **threshold, **options)


def set_state(name: str, value: str, **data: str) -> None:
    client("cloudwatch").set_alarm_state(
        AlarmName=name, StateValue=value, StateReason=f"It is {value}", **data
    )


def test_a_change_of_state_is_an_event(watch: Any):
    metric = {"Namespace": "CWAgent", "MetricName": "disk_used_percent", "Period": 60, "Statistic": "Maximum"}
    dimensions = [{"Name": "InstanceId", "Value": "i-1"}]
    alarm("disk full", AlarmDescription="root disk", Dimensions=dimensions, **metric)
    set_state("disk full", "ALARM", StateReasonData='{"version": "1.0"}')
    event = watch.wait("event", bus="default")[0]["event"]
    assert (event["source"], event["detail-type"]) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert event["resources"] == [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT_ID}:alarm:disk full"]
    detail = event["detail"]
    assert WHEN.fullmatch(detail["state"].pop("timestamp"))
    assert WHEN.fullmatch(detail["previousState"].pop("timestamp"))
    assert detail == {
        "alarmName": "disk full",
        "state": {"value": "ALARM", "reason": "It is ALARM", "reasonData": '{"version": "1.0"}'},
        "previousState": {"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation"},
        "configuration": {
            "description": "root disk",
            "metrics": [
                {
                    "id": "m1",
                    "metricStat": {
                        "metric": {
                            "namespace": "CWAgent",
                            "name": "disk_used_percent",
                            "dimensions": {"InstanceId": "i-1"},
                        },
                        "period": 60,
                        "stat": "Maximum",
                    },
                    "returnData": True,
                }
            ],
        },
    }


def test_only_a_change_is_an_event(watch: Any):
    alarm("steady", Namespace="N", MetricName="m", Period=60, Statistic="Sum")
    for value in ("OK", "OK", "ALARM", "ALARM", "OK"):
        set_state("steady", value)
    states = [entry["event"]["detail"]["state"]["value"] for entry in watch.wait("event", 3)]
    assert states == ["OK", "ALARM", "OK"]
    assert len(watch.entries("event")) == 3


def test_an_alarm_on_an_expression_shows_all_its_metrics(watch: Any):
    metric = {"Namespace": "N", "MetricName": "m", "Dimensions": [{"Name": "D", "Value": "v"}]}
    queries = [
        {"Id": "e1", "Expression": "m1 * 2", "Label": "twice", "ReturnData": True},
        {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
    ]
    alarm("computed", Metrics=queries)
    set_state("computed", "ALARM")
    assert watch.wait("event")[0]["event"]["detail"]["configuration"]["metrics"] == [
        {"id": "e1", "returnData": True, "expression": "m1 * 2", "label": "twice"},
        {
            "id": "m1",
            "returnData": False,
            "metricStat": {
                "metric": {"namespace": "N", "name": "m", "dimensions": {"D": "v"}},
                "period": 60,
                "stat": "Sum",
            },
        },
    ]


def test_an_alarm_that_is_put_again_keeps_its_state(watch: Any):
    alarm("kept", Namespace="N", MetricName="m", Period=60, Statistic="Sum")
    set_state("kept", "ALARM")
    alarm("kept", Namespace="N", MetricName="m", Period=300, Statistic="Sum")
    [described] = client("cloudwatch").describe_alarms(AlarmNames=["kept"])["MetricAlarms"]
    assert (described["StateValue"], described["StateReason"]) == ("ALARM", "It is ALARM")
    assert described["Period"] == 300


@pytest.fixture
def function(stack: Stack) -> str:
    """The ARN of the stack's function."""
    return client("lambda").get_function(FunctionName=stack.functions["stand-in"])["Configuration"][
        "FunctionArn"
    ]


@pytest.fixture
def allow(function: str) -> Iterator[Callable[[str], None]]:
    """A function that lets the alarms of an account invoke the function until the test ends."""

    def allow_(account: str) -> None:
        client("lambda").add_permission(
            FunctionName=function,
            StatementId="Alarms",
            Action="lambda:InvokeFunction",
            Principal="lambda.alarms.cloudwatch.amazonaws.com",
            SourceAccount=account,
        )

    yield allow_
    client("lambda").remove_permission(FunctionName=function, StatementId="Alarms")


def test_an_alarm_invokes_the_functions_of_its_new_state(function: str, allow: Any, watch: Any):
    allow(ACCOUNT_ID)
    metric = {"Namespace": "N", "MetricName": "m", "Period": 60, "Statistic": "Sum"}
    alarm("direct", AlarmActions=[function], OKActions=[f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:any"], **metric)
    set_state("direct", "ALARM")
    set_state("direct", "ALARM")
    set_state("direct", "OK")
    [invocation] = watch.wait("invocation", ok=True)
    payload = invocation["payload"]
    assert WHEN.fullmatch(payload.pop("time"))
    told = watch.wait("event")[0]["event"]["detail"]
    assert told["state"]["value"] == "ALARM"
    assert payload == {
        "source": "aws.cloudwatch",
        "alarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT_ID}:alarm:direct",
        "accountId": ACCOUNT_ID,
        "region": REGION,
        "alarmData": told,
    }
    watch.wait("event", 2)
    assert len(watch.wait("alarm-action")) == len(watch.entries("alarm-action")) == 1


def test_an_alarm_needs_the_functions_permission(function: str, allow: Any, watch: Any):
    allow("999999999999")
    metric = {"Namespace": "N", "MetricName": "m", "Period": 60, "Statistic": "Sum"}
    gone = f"{function}-gone"
    alarm("stranger", AlarmActions=[function, gone], **metric)
    set_state("stranger", "ALARM")
    actions = {entry["target"]: entry["error"] for entry in watch.wait("alarm-action", 2)}
    assert "does not allow lambda.alarms.cloudwatch.amazonaws.com" in actions[function]
    assert "does not exist" in actions[gone]
    assert not watch.entries("invocation")


def test_an_alarm_without_actions_only_tells(function: str, watch: Any):
    metric = {"Namespace": "N", "MetricName": "m", "Period": 60, "Statistic": "Sum"}
    alarm("silenced", AlarmActions=[function], ActionsEnabled=False, **metric)
    set_state("silenced", "ALARM")
    watch.wait("event")
    assert not watch.entries("alarm-action")
