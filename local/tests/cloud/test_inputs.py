"""What targets get: a constant, a part of the event, or a text from a template."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client
from localcloud.settings import ACCOUNT_ID, REGION

pytestmark = pytest.mark.usefixtures("cloud")

ALLOWED = {"Effect": "Allow", "Action": "sqs:SendMessage", "Principal": {"Service": "events.amazonaws.com"}}
DETAIL = {
    "name": "disk full",
    "quoted": 'the "big" one',
    "count": 3,
    "ok": True,
    "nothing": None,
    "owner": {"id": 7, "tags": ["a", "b"]},
    "list": [{"id": "x"}, {"id": "y"}],
    "a/b": "slash",
}
PATHS = {
    "type": "$.detail-type",
    "name": "$.detail.name",
    "quoted": "$.detail.quoted",
    "count": "$.detail.count",
    "ok": "$.detail.ok",
    "nothing": "$.detail.nothing",
    "owner": "$.detail.owner",
    "tags": "$.detail.owner.tags",
    "second": "$.detail.list[1].id",
    "ids": "$.detail.list[*].id",
    "all": "$.detail.owner.*",
    "slash": "$.detail.a/b",
    "absent": "$.detail.list[9].id",
}


@pytest.fixture(scope="module")
def queue(cloud: Any) -> tuple[str, str]:
    """The URL and the ARN of a queue that rules may send to."""
    policy = json.dumps({"Statement": [ALLOWED]})
    url = client("sqs").create_queue(QueueName="inputs", Attributes={"Policy": policy})["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:inputs"


@pytest.fixture
def put_target(queue: tuple[str, str]) -> Any:
    """A function that gives a new rule a target with this input, and returns the rule's name."""

    def put(**given: Any) -> str:
        name = f"r-{uuid.uuid4().hex}"
        eventbridge = client("events")
        eventbridge.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
        eventbridge.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": queue[1], **given}])
        return name

    return put


@pytest.fixture
def delivered(queue: tuple[str, str], put_target: Any) -> Any:
    """A function that returns the text which a target with this input gets, and the rule's name."""

    def deliver(**given: Any) -> tuple[str, str]:
        name = put_target(**given)
        entry = {"Source": name, "DetailType": "Something Happened", "Detail": json.dumps(DETAIL)}
        client("events").put_events(Entries=[{**entry, "Resources": ["r"]}])
        sqs = client("sqs")
        (message,) = sqs.receive_message(QueueUrl=queue[0], WaitTimeSeconds=10)["Messages"]
        sqs.delete_message(QueueUrl=queue[0], ReceiptHandle=message["ReceiptHandle"])
        return message["Body"], name

    return deliver


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("$.detail.owner", '{"id":7,"tags":["a","b"]}'),
        ("$.detail.name", '"disk full"'),
        ("$.detail-type", '"Something Happened"'),
        ("$.detail.list[*].id", '["x","y"]'),
        ("$.detail.nothing", "null"),
        ("$.detail.a/b", '"slash"'),
    ],
)
def test_a_path_takes_a_part_of_the_event(delivered: Any, path: str, text: str):
    assert delivered(InputPath=path)[0] == text


def test_a_constant_is_delivered_as_it_stands(delivered: Any):
    assert delivered(Input='{ "constant":  true }')[0] == '{ "constant":  true }'


@pytest.mark.parametrize(
    ("template", "text"),
    [
        # Text: quotes belong to it, values go in as they are, structures without their quotes.
        ('"<name>: <count> of <type>"', '"disk full: 3 of Something Happened"'),
        (r'"the \"<name>\""', r'"the \"disk full\""'),
        ('"<absent>."', '"."'),
        ('"<owner> <tags> <ok> <nothing>"', '"{id:7,tags:[a,b]} [a,b] true null"'),
        ('"one <name>"\n"two <second>"', '"one disk full"\n"two y"'),
        ('"a < b > c <name>"', '"a < b > c disk full"'),
        # JSON: outside of quotes a value keeps its type, and what is not there is an empty text.
        ('{"n": <name>, "c": <count>, "z": <nothing>}', '{"n":"disk full","c":3,"z":null}'),
        ('{"q": <quoted>}', r'{"q":"the \"big\" one"}'),
        ('{"a": <absent>, "b": "<absent>"}', '{"a":"","b":""}'),
        ('{"s": "<name> <count>", "l": [1, <second>]}', '{"s":"disk full 3","l":[1,"y"]}'),
        ('{"owner": <owner>, "ids": <ids>, "all": <all>}',
         '{"owner":{"id":7,"tags":["a","b"]},"ids":["x","y"],"all":[7,["a","b"]]}'),
        ('{"s": <slash>}', '{"s":"slash"}'),
        ("<owner>", '{"id":7,"tags":["a","b"]}'),
        ("[<count>, <tags>]", '[3,["a","b"]]'),
    ],
)  # fmt: skip
def test_a_template_is_filled(delivered: Any, template: str, text: str):
    assert delivered(InputTransformer={"InputPathsMap": PATHS, "InputTemplate": template})[0] == text


def test_reserved_variables_tell_of_the_rule_and_the_event(delivered: Any):
    template = (
        '{"rule": "<aws.events.rule-name>", "arn": <aws.events.rule-arn>,'
        ' "at": <aws.events.event.ingestion-time>,'
        ' "event": <aws.events.event>, "whole": <aws.events.event.json>}'
    )
    text, name = delivered(InputTransformer={"InputTemplate": template})
    body = json.loads(text)
    assert body["rule"] == name
    assert body["arn"] == f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{name}"
    assert body["at"] == body["whole"]["time"]
    assert body["whole"]["detail"] == DETAIL
    without = {key: value for key, value in body["whole"].items() if key not in ("detail", "detail-type")}
    assert body["event"] == {**without, "detailType": "Something Happened"}


def test_a_filled_template_that_is_no_json_is_a_dead_letter(
    put_target: Any, queue: tuple[str, str], watch: Any
):
    name = put_target(
        InputTransformer={"InputPathsMap": PATHS, "InputTemplate": '{"q": "<quoted>"}'},
        DeadLetterConfig={"Arn": queue[1]},
    )
    entry = {"Source": name, "DetailType": "t", "Detail": json.dumps(DETAIL)}
    client("events").put_events(Entries=[entry])
    sqs = client("sqs")
    (message,) = sqs.receive_message(
        QueueUrl=queue[0], WaitTimeSeconds=10, MessageAttributeNames=["All"]
    )["Messages"]  # fmt: skip
    sqs.delete_message(QueueUrl=queue[0], ReceiptHandle=message["ReceiptHandle"])
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "INVALID_JSON"
    assert json.loads(message["Body"])["source"] == name


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"Input": "{}", "InputPath": "$.detail"}, "Only one of Input, InputPath, or InputTransformer"),
        ({"Input": "not json"}, "is not JSON"),
        ({"InputPath": "detail"}, "does not begin with \\$"),
        ({"InputPath": "$['detail']"}, "not one that EventBridge understands"),
        ({"InputPath": "$..id"}, "not one that EventBridge understands"),
        ({"InputPath": "$.detail[?(@.a)]"}, "not one that EventBridge understands"),
    ],
)
def test_an_impossible_input_is_refused(put_target: Any, given: dict[str, str], complaint: str):
    with pytest.raises(ClientError, match=complaint):
        put_target(**given)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ('"<unknown>"', "InputTemplate for target one contains invalid placeholder unknown"),
        ('"<aws.events.unknown>"', "contains invalid placeholder aws.events.unknown"),
        ("text without quotes", "Invalid InputTemplate for target one"),
        ('{"a": <name>', "Invalid InputTemplate for target one"),
        ('{<name>: "a"}', "Invalid InputTemplate for target one"),
        ('{"<name>": "a"}', "a placeholder cannot be used as an object key"),
        ('{"a": 1} {"b": 2}', "only strings may follow each other"),
    ],
)
def test_an_impossible_template_is_refused(put_target: Any, template: str, complaint: str):
    with pytest.raises(ClientError, match=complaint):
        put_target(InputTransformer={"InputPathsMap": {"name": "$.detail.name"}, "InputTemplate": template})


def test_the_input_of_a_bus_cannot_be_modified(put_target: Any):
    bus = client("events").create_event_bus(Name="unmodified")["EventBusArn"]
    with pytest.raises(ClientError, match="Modifying the input for target one is not supported"):
        put_target(Arn=bus, Input="{}")
