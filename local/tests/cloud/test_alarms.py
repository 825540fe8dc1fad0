"""CloudWatch alarms: what the bus hears when somebody sets their state."""

from __future__ import annotations

import re
from typing import Any

import pytest
from localcloud.clients import client
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
