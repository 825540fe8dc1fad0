"""The alarms about Mend itself: what they watch, when they ring, whom they reach and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

GIVEN_TOPIC = "arn:aws:sns:eu-central-1:123456789012:operations"
PRICE_OF_A_WATCHED_METRIC = 0.10
"""USD a month, for a standard-resolution alarm, first tier, in most Regions."""
BUDGET = 2.60
"""USD a month: what the parameter CreateAlarms tells the person who deploys."""
LONGEST_DESCRIPTION = 1024

Watched = tuple[str, str, str, str]
"""Namespace, metric, and name and value of its one dimension."""


@pytest.fixture(scope="session")
def alarms(deployment) -> dict[str, dict[str, Any]]:
    """The properties of the alarms by their names."""
    properties = [alarm["Properties"] for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values()]
    return {alarm["AlarmName"].removeprefix("mend-dev-"): alarm for alarm in properties}


def watched(alarm: dict[str, Any]) -> set[Watched]:
    metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    found = set()
    for metric in metrics or [alarm]:
        (dimension,) = metric["Dimensions"]
        found.add((metric["Namespace"], metric["MetricName"], dimension["Name"], dimension["Value"]))
    return found


def test_what_is_watched(alarms, deployment):
    functions = deployment.of_type("AWS::Lambda::Function").keys()
    # What does not get through to reconcile is found in its next run.
    targets = {
        name: rule["Properties"]["Targets"][0]["Arn"].removesuffix(".Arn")
        for name, rule in deployment.of_type("AWS::Events::Rule").items()
    }
    rules = {name for name, function in targets.items() if function != "ReconcileFunction"}
    taking_events = set(targets.values()) - {"ReconcileFunction"}
    assert {name: watched(alarm) for name, alarm in alarms.items()} == {
        "heartbeat-missing": {("Mend", "Heartbeat", "Environment", "dev")},
        "functions-failing": {("AWS/Lambda", "Errors", "FunctionName", name) for name in functions},
        "functions-throttled": {("AWS/Lambda", "Throttles", "FunctionName", name) for name in functions},
        "events-waiting": {("AWS/Lambda", "AsyncEventAge", "FunctionName", name) for name in taking_events},
        "dead-letters": {
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "DeadLetterQueue.QueueName")
        },
        "events-lost": {
            *(("AWS/Events", "InvocationsFailedToBeSentToDlq", "RuleName", name) for name in rules),
            *(("AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", name) for name in taking_events),
        },
        "incident-escalated": {("Mend", "Escalations", "Environment", "dev")},
        "breaker-opened": {("Mend", "BreakerOpened", "Environment", "dev")},
    }


def test_only_silence_of_the_heartbeat_rings_without_data(alarms):
    assert {name: alarm["TreatMissingData"] for name, alarm in alarms.items()} == {
        **dict.fromkeys(alarms, "notBreaching"),
        "heartbeat-missing": "breaching",
    }


def test_the_heartbeat_may_miss_two_beats(alarms, deployment):
    (schedule,) = deployment.of_type("AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["ScheduleExpression"] == "rate(5 minutes)"
    heartbeat = alarms["heartbeat-missing"]
    assert heartbeat["Period"] == 5 * 60
    assert heartbeat["EvaluationPeriods"] == 3
    assert heartbeat.get("DatapointsToAlarm", 3) == 3
    assert (heartbeat["Statistic"], heartbeat["ComparisonOperator"], heartbeat["Threshold"]) == (
        "Sum",
        "LessThanThreshold",
        1,
    )


def test_a_computed_alarm_has_one_result_over_all_that_it_watches(alarms):
    for name, alarm in alarms.items():
        if "Metrics" not in alarm:
            continue
        (result,) = [query for query in alarm["Metrics"] if query.get("ReturnData", True)]
        assert result["Expression"] == ("MAX" if name == "events-waiting" else "SUM") + "(METRICS())"
        inputs = [query["MetricStat"] for query in alarm["Metrics"] if query is not result]
        assert {metric["Stat"] for metric in inputs} == {"Maximum" if name == "events-waiting" else "Sum"}
        assert {metric["Period"] for metric in inputs} == {300}


def test_every_alarm_says_what_it_means_and_what_to_do(alarms):
    for name, alarm in alarms.items():
        description = alarm["AlarmDescription"]
        assert 150 < len(description) <= LONGEST_DESCRIPTION, name
        assert "\n" not in description, name


def test_alarms_take_no_way_that_mend_takes(alarms, deployment):
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == ["AlarmTopic"], name
        assert set(alarm.get("OKActions", [])) <= {"AlarmTopic"}, name
    assert "KmsMasterKeyId" not in deployment.resources["AlarmTopic"]["Properties"]
    allowed = [
        statement
        for statement in deployment.resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [statement["Principal"] for statement in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert allowed[0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:mend-dev-*"},
    }
    assert deployment.resources["AlarmEmailSubscription"]["Properties"]["TopicArn"] == "AlarmTopic"


def test_a_given_topic_takes_the_place_of_the_stacks(deploy):
    deployment = deploy(AlarmTopicArn=GIVEN_TOPIC, NotificationEmail="ops@example.com")
    assert deployment.of_type("AWS::SNS::Topic").keys() == {"NotificationTopic", "ApprovalTopic"}
    assert deployment.of_type("AWS::SNS::Subscription").keys() == {"EmailSubscription"}
    for name, alarm in deployment.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["Properties"]["AlarmActions"] == [GIVEN_TOPIC], name


def test_the_alarms_cost_what_the_parameter_says(alarms, source):
    metrics = sum(len(watched(alarm)) for alarm in alarms.values())
    assert metrics * PRICE_OF_A_WATCHED_METRIC <= BUDGET
    told = source["Parameters"]["CreateAlarms"]["Description"]
    assert "eight alarms" in told
    assert f"{metrics * PRICE_OF_A_WATCHED_METRIC:.2f} USD" in told
    assert len(alarms) == 8
