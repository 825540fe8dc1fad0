"""EventBridge: what PutRule and PutEvents accept, and what is delivered where."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud import events, journal
from localcloud.clients import client
from localcloud.settings import ACCOUNT_ID, REGION

pytestmark = pytest.mark.usefixtures("cloud")


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


def queue(allowing: str | None = "*") -> tuple[str, str]:
    """Create a queue that rules of this ARN may send to, and return its URL and ARN."""
    name = f"q-{uuid.uuid4().hex}"
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    statement |= {"Principal": {"Service": "events.amazonaws.com"}}
    statement |= {"Condition": {"ArnLike": {"aws:SourceArn": allowing}}}
    attributes = {"Policy": json.dumps({"Statement": [statement]})} if allowing else {}
    return client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], arn("sqs", name)


def rule(pattern: dict[str, Any], *targets: dict[str, Any], bus: str = "default", **options: Any) -> str:
    """Create a rule with these targets and return its name."""
    name = f"r-{uuid.uuid4().hex}"
    eventbridge = client("events")
    eventbridge.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern), **options)
    targets_ = [{"Id": str(i), **target} for i, target in enumerate(targets)]
    if targets_:
        eventbridge.put_targets(Rule=name, EventBusName=bus, Targets=targets_)
    return name


def allow_publishing(topic: str) -> None:
    """Let all rules publish to the topic."""
    allowed = {"Effect": "Allow", "Action": "sns:Publish", "Principal": {"Service": "events.amazonaws.com"}}
    policy = json.dumps({"Statement": [allowed]})
    client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


def put(source: str, detail: Any = None, **entry: Any) -> dict[str, Any]:
    detail = json.dumps(detail if detail is not None else {})
    entries = [{"Source": source, "DetailType": "Test", "Detail": detail, **entry}]
    return client("events").put_events(Entries=entries)["Entries"][0]


def refused(call: Any, **parameters: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]


def test_an_event_arrives_in_the_envelope_that_aws_makes(receive: Any):
    url, queue_arn = queue()
    rule({"source": ["aws.config"]}, {"Arn": queue_arn})
    event_id = put("aws.config", {"a": [1, None]}, Resources=["r"])["EventId"]
    event = receive(url)["Body"]
    assert list(event) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"
    ]  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
    assert event | {"time": None} == {
        "version": "0",
        "id": event_id,
        "detail-type": "Test",
        "source": "aws.config",
        "account": ACCOUNT_ID,
        "time": None,
        "region": REGION,
        "resources": ["r"],
        "detail": {"a": [1, None]},
    }


def test_the_caller_cannot_set_id_account_or_replay_name(cloud: Any, receive: Any):
    url, queue_arn = queue()
    rule({"source": ["forger"]}, {"Arn": queue_arn})
    eventbridge = client("events", config=Config())
    forged = {"id": "mine", "account": "999999999999", "replay-name": "r"}

    def forge(params: dict[str, Any], **_: Any) -> None:
        body = json.loads(params["body"])
        body["Entries"][0] |= forged
        params["body"] = json.dumps(body).encode()

    eventbridge.meta.events.register("before-call.events.PutEvents", forge)
    eventbridge.put_events(Entries=[{"Source": "forger", "DetailType": "Test", "Detail": "{}"}])
    event = receive(url)["Body"]
    assert event["id"] != "mine"
    assert event["account"] == ACCOUNT_ID
    assert "replay-name" not in event


def test_the_time_of_an_entry_is_kept_to_the_second(receive: Any):
    url, queue_arn = queue()
    rule({"source": ["timed"]}, {"Arn": queue_arn})
    put("timed", Time=datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC))
    assert receive(url)["Body"]["time"] == "2026-03-04T05:06:07Z"


def test_emit_puts_a_service_event_on_the_default_bus(receive: Any):
    url, queue_arn = queue()
    rule({"source": ["aws.ssm"], "detail": {"Status": ["Success"]}}, {"Arn": queue_arn})
    events.emit("Automation", "aws.ssm", {"Status": "Success"}, ["arn"])
    event = receive(url)["Body"]
    assert (event["source"], event["detail-type"], event["resources"]) == ("aws.ssm", "Automation", ["arn"])


def test_only_enabled_rules_with_a_matching_pattern_take_an_event(watch: Any):
    _, queue_arn = queue()
    taking = rule({"source": ["choosy"], "detail": {"x": [{"numeric": [">", 1]}]}}, {"Arn": queue_arn})
    rule({"source": ["choosy"]}, {"Arn": queue_arn}, State="DISABLED")
    rule({"source": ["other"]}, {"Arn": queue_arn})
    eventbridge = client("events")
    eventbridge.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    eventbridge.put_targets(Rule="hourly", Targets=[{"Id": "1", "Arn": queue_arn}])
    put("choosy", {"x": 1})
    event_id = put("choosy", {"x": 2})["EventId"]
    (delivery,) = watch.wait("delivery", event_id=event_id)
    last = put("other")["EventId"]
    watch.wait("delivery", event_id=last)
    assert delivery["rule"] == taking
    assert [d["rule"] for d in watch.entries("delivery") if d["event_id"] != last] == [taking]


def test_input_and_input_path_change_what_the_target_gets(receive: Any):
    url, queue_arn = queue()
    rule({"source": ["constant"]}, {"Arn": queue_arn, "Input": '{"constant": true}'})
    rule({"source": ["part"]}, {"Arn": queue_arn, "InputPath": "$.detail.a"})
    put("constant")
    assert receive(url)["Body"] == {"constant": True}
    put("part", {"a": {"b": 1}})
    assert receive(url)["Body"] == {"b": 1}


def test_a_topic_and_another_bus_are_targets(watch: Any, receive: Any):
    sns, eventbridge = client("sns"), client("events")
    topic = sns.create_topic(Name="from-rules")["TopicArn"]
    allow_publishing(topic)
    bus = eventbridge.create_event_bus(Name="second")["EventBusArn"]
    url, queue_arn = queue()
    rule({"source": ["wide"]}, {"Arn": topic}, {"Arn": bus})
    rule({"source": ["wide"]}, {"Arn": queue_arn}, bus="second")
    event_id = put("wide", {"n": 1})["EventId"]
    assert receive(url)["Body"]["id"] == event_id
    (notification,) = watch.wait("notification", topic_arn=topic)
    assert json.loads(notification["message"])["id"] == event_id


def test_an_event_goes_from_one_bus_to_another_but_to_no_third(watch: Any, receive: Any):
    eventbridge = client("events")
    first, second = (eventbridge.create_event_bus(Name=n)["EventBusArn"] for n in ("hop-1", "hop-2"))
    dead_url, dead_arn = queue()
    rule({"source": ["hopping"]}, {"Arn": first})
    name = rule({"source": ["hopping"]}, {"Arn": second, "DeadLetterConfig": {"Arn": dead_arn}}, bus="hop-1")
    event_id = put("hopping")["EventId"]
    message = receive(dead_url)
    assert message["Body"]["id"] == event_id
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "THIRD_ACCOUNT_HOP_DETECTED"
    assert message["MessageAttributes"]["RULE_ARN"]["StringValue"] == arn("events", f"rule/hop-1/{name}")
    assert [entry["bus"] for entry in watch.entries("event")] == ["default", "hop-1"]


def test_a_fifo_queue_gets_the_message_group_of_the_target():
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url, fifo = fifo_queue("grouped.fifo", attributes)
    rule({"source": ["ordered"]}, {"Arn": fifo, "SqsParameters": {"MessageGroupId": "orders"}})
    event_id = put("ordered")["EventId"]
    answer = client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=10, AttributeNames=["All"])
    (message,) = answer["Messages"]
    assert json.loads(message["Body"])["id"] == event_id
    assert message["Attributes"]["MessageGroupId"] == "orders"


def test_a_fifo_queue_without_deduplication_by_content_takes_nothing(receive: Any):
    dead_url, dead_arn = queue()
    _, fifo = fifo_queue("plain.fifo", {"FifoQueue": "true"})
    target = {"Arn": fifo, "SqsParameters": {"MessageGroupId": "g"}, "DeadLetterConfig": {"Arn": dead_arn}}
    rule({"source": ["unordered"]}, target)
    put("unordered")
    attributes = receive(dead_url)["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "SDK_CLIENT_ERROR"
    assert "ContentBasedDeduplication" in attributes["ERROR_MESSAGE"]["StringValue"]
    assert attributes["RETRY_ATTEMPTS"]["StringValue"] == "0"


def fifo_queue(name: str, attributes: dict[str, str]) -> tuple[str, str]:
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Principal": "*"}
    policy = json.dumps({"Statement": [statement]})
    url = client("sqs").create_queue(QueueName=name, Attributes={**attributes, "Policy": policy})["QueueUrl"]
    return url, arn("sqs", name)


def test_a_function_takes_no_text(receive: Any, stack: Any):
    dead_url, dead_arn = queue()
    awslambda = client("lambda")
    awslambda.add_permission(
        FunctionName="stand-in",
        StatementId="any-rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
    )
    transformer = {"InputTemplate": '"one"\n"two"'}
    target = {"Arn": stack.outputs["FunctionArn"], "InputTransformer": transformer}
    rule({"source": ["wordy"]}, {**target, "DeadLetterConfig": {"Arn": dead_arn}})
    put("wordy")
    assert receive(dead_url)["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "INVALID_JSON"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (arn("lambda", "function:absent"), "NO_RESOURCE"),
        (arn("sqs", "absent"), "NO_RESOURCE"),
        (arn("sns", "absent"), "NO_RESOURCE"),
        (arn("events", "event-bus/absent"), "NO_RESOURCE"),
        ("closed", "NO_PERMISSIONS"),
    ],
)
def test_what_cannot_be_delivered_is_in_the_dead_letter_queue_at_once(target: str, code: str, receive: Any):
    dead_url, dead_arn = queue()
    target = queue(allowing=None)[1] if target == "closed" else target
    source = f"lost-{uuid.uuid4().hex}"
    name = rule({"source": [source]}, {"Arn": target, "DeadLetterConfig": {"Arn": dead_arn}})
    event_id = put(source)["EventId"]
    message = receive(dead_url)
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert message["Body"]["id"] == event_id
    assert attributes.pop("ERROR_MESSAGE")
    assert attributes == {
        "ERROR_CODE": code,
        "RULE_ARN": arn("events", f"rule/{name}"),
        "TARGET_ARN": target,
        "RETRY_ATTEMPTS": "0",
    }


def test_a_dead_letter_queue_that_lets_nobody_in_loses_the_event_and_says_so(watch: Any):
    rule(
        {"source": ["doomed"]},
        {"Arn": arn("sqs", "absent"), "DeadLetterConfig": {"Arn": queue(allowing="arn:other")[1]}},
    )
    event_id = put("doomed")["EventId"]
    (delivery,) = watch.wait("delivery", event_id=event_id)
    assert delivery["dead_letter_queue"] is None
    assert "did not take the event either" in delivery["error"]


def test_a_failing_target_is_tried_again_as_the_retry_policy_says(cloud: Any, watch: Any, receive: Any):
    dead_url, dead_arn = queue()
    topic = client("sns").create_topic(Name="failing")["TopicArn"]
    allow_publishing(topic)
    policy = {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 86_400}
    target = {"Arn": topic, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": dead_arn}}
    rule({"source": ["stubborn"]}, target)
    for kind, code in (("server-error", "ERROR_FROM_TARGET"), ("throttle", "THROTTLING")):
        with cloud.inject(kind, "sns", "Publish", caller="events.amazonaws.com"):
            event_id = put("stubborn")["EventId"]
            attributes = receive(dead_url)["MessageAttributes"]
        assert attributes["RETRY_ATTEMPTS"]["StringValue"] == "3"
        assert attributes["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumRetryAttempts"
        assert attributes["ERROR_CODE"]["StringValue"] == code
        assert len(watch.wait("delivery", 4, event_id=event_id)) == 4


def test_a_target_whose_answer_is_lost_gets_the_event_twice(cloud: Any, receive: Any):
    url, queue_arn = queue()
    rule({"source": ["repeated"]}, {"Arn": queue_arn})
    with cloud.inject("lost-response", "sqs", caller="events.amazonaws.com", times=1):
        event_id = put("repeated")["EventId"]
        first, second = receive(url), receive(url)
    assert first["Body"] == second["Body"]
    assert first["Body"]["id"] == event_id
    assert first["MessageId"] != second["MessageId"]


def test_an_event_that_is_held_up_arrives_after_a_later_one(cloud: Any, watch: Any):
    topic = client("sns").create_topic(Name="held-up")["TopicArn"]
    allow_publishing(topic)
    rule({"source": ["held-up"]}, {"Arn": topic})
    rule({"source": ["prompt"]}, {"Arn": queue()[1]})
    with cloud.inject("latency", "sns", caller="events.amazonaws.com", times=1, milliseconds=300):
        sent = [put(source)["EventId"] for source in ("held-up", "prompt")]
        arrived = [entry["event_id"] for entry in watch.wait("delivery", 2)]
    assert arrived == sent[::-1]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"Detail": "{", "Source": "s", "DetailType": "t"}, "MalformedDetail"),
        ({"Detail": "[]", "Source": "s", "DetailType": "t"}, "MalformedDetail"),
        ({"Detail": '{"a": NaN}', "Source": "s", "DetailType": "t"}, "MalformedDetail"),
        ({"Detail": "{}", "DetailType": "t"}, "InvalidArgument"),
        ({"Detail": "{}", "Source": "s"}, "InvalidArgument"),
    ],
)
def test_a_bad_entry_fails_alone(entry: dict[str, str], code: str):
    good = {"Source": "s", "DetailType": "t", "Detail": "{}"}
    answer = client("events").put_events(Entries=[entry, good])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code
    assert answer["Entries"][1]["EventId"]


def test_requests_beyond_the_limits_are_refused():
    entry = {"Source": "s", "DetailType": "t", "Detail": "{}"}
    put_events = client("events").put_events
    assert refused(put_events, Entries=[entry] * 11)["Code"] == "ValidationException"
    large = {**entry, "Detail": json.dumps({"x": "x" * 1_048_576})}
    assert refused(put_events, Entries=[large])["Code"] == "ValidationException"
    absent = {**entry, "EventBusName": "absent"}
    assert refused(put_events, Entries=[absent])["Code"] == "ResourceNotFoundException"


def test_invalid_patterns_and_targets_are_refused_when_they_are_made():
    eventbridge = client("events")
    error = refused(eventbridge.put_rule, Name="bad", EventPattern='{"source": [{"contains": "x"}]}')
    assert error["Code"] == "InvalidEventPatternException"
    assert "contains" in error["Message"]
    name = rule({"source": ["s"]})

    def complaint(**target: Any) -> str:
        targets = [{"Id": "1", "Arn": arn("sqs", "x"), **target}]
        return refused(eventbridge.put_targets, Rule=name, Targets=targets)["Message"]

    assert "does not support arn:aws:states" in complaint(Arn=arn("states", "stateMachine:x"))
    assert "less than or equal to 185" in complaint(RetryPolicy={"MaximumRetryAttempts": 186})
    assert "less than or equal to 86400" in complaint(RetryPolicy={"MaximumEventAgeInSeconds": 86_401})
    assert "is no standard queue" in complaint(DeadLetterConfig={"Arn": arn("sqs", "dead.fifo")})
    assert "is no standard queue" in complaint(DeadLetterConfig={"Arn": arn("sns", "dead")})
    assert "SqsParameters must be specified" in complaint(Arn=arn("sqs", "x.fifo"))
    six = [{"Id": str(i), "Arn": arn("sqs", "x")} for i in range(6)]
    assert refused(eventbridge.put_targets, Rule=name, Targets=six)["Code"] == "LimitExceededException"


def test_test_event_pattern_answers():
    eventbridge = client("events")
    event = {"id": "1", "detail-type": "t", "source": "s", "account": "a", "time": "t", "region": "r"}

    def result(pattern: str) -> bool:
        return eventbridge.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]

    assert result('{"source": [{"prefix": "s"}]}') is True
    assert result('{"source": ["t"]}') is False
    error = refused(eventbridge.test_event_pattern, EventPattern="{}", Event=json.dumps(event))
    assert error["Code"] == "InvalidEventPatternException"
    error = refused(eventbridge.test_event_pattern, EventPattern='{"source": ["s"]}', Event="{}")
    assert error["Code"] == "ValidationException"


def test_every_event_is_in_the_journal_whether_a_rule_takes_it_or_not(watch: Any):
    event_id = put("nobody-listens")["EventId"]
    (entry,) = watch.wait("event", bus="default")
    assert entry["event"]["id"] == event_id
    assert journal.entries(watch.after, "delivery") == []
