"""Rules with a schedule, and EventBridge Scheduler: what fires when, and what its target gets."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError
from localcloud import clock, journal
from localcloud.clients import client
from localcloud.deploy import Stack
from localcloud.scheduler import UnknownSchedule
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID, REGION

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NEVER = "cron(0 0 1 1 ? 2199)"


@pytest.fixture(scope="module")
def cloud(binaries: Path) -> Iterator[LocalCloud]:
    """A local cloud whose waits are as long as AWS's, so that only the clock ends them."""
    with LocalCloud(binaries=binaries) as running:
        yield running


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


@pytest.fixture
def queue(cloud: LocalCloud) -> tuple[str, str]:
    """The URL and the ARN of a new queue that rules may send to."""
    name = f"q-{uuid.uuid4().hex}"
    allowed = {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Principal": {"Service": "events.amazonaws.com"},
    }
    policy = json.dumps({"Statement": [allowed]})
    return client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"], arn(
        "sqs", name
    )


@pytest.fixture(scope="module")
def role(cloud: LocalCloud) -> str:
    """The ARN of a role with which the Scheduler may do everything."""
    return make_role("scheduler", {"aws:SourceAccount": ACCOUNT_ID})


def make_role(name: str, condition: dict[str, str]) -> str:
    iam = client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust |= {"Condition": {"StringEquals": condition}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    return role


@pytest.fixture
def schedule(cloud: LocalCloud, role: str) -> Iterator[Any]:
    """A function that creates a schedule with this expression and target and returns its name."""
    made = []

    def create(expression: str, target: str, given: dict[str, Any] | None = None, **options: Any) -> str:
        name = f"s-{uuid.uuid4().hex}"
        client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": target, "RoleArn": role, **(given or {})},
            **options,
        )
        made.append((name, options.get("GroupName", "default")))
        return name

    yield create
    scheduler = client("scheduler")
    for name, group in made:
        try:
            scheduler.delete_schedule(Name=name, GroupName=group)
        except scheduler.exceptions.ResourceNotFoundException:
            continue


@pytest.fixture
def rule(cloud: LocalCloud) -> Iterator[Any]:
    """A function that creates a rule with this schedule and target and returns its name."""
    made = []

    def create(expression: str, target: str, **options: Any) -> str:
        name = f"r-{uuid.uuid4().hex}"
        eventbridge = client("events")
        eventbridge.put_rule(Name=name, ScheduleExpression=expression, **options)
        eventbridge.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])
        made.append(name)
        return name

    yield create
    for name in made:
        client("events").disable_rule(Name=name)


def at(moment: datetime) -> str:
    return f"at({moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S})"


def parsed(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def scheduled_times(watch: Any, name: str, count: int) -> list[datetime]:
    return [parsed(entry["time"]) for entry in watch.wait("schedule", count, name=name)]


def forward_to(cloud: LocalCloud, moment: datetime) -> None:
    cloud.forward(max(moment - clock.now(), timedelta()))


# Rules


def test_a_rule_gives_its_targets_an_event_of_its_own(cloud: LocalCloud, rule: Any, queue: Any, receive: Any):
    before = clock.now()
    name = rule("rate(5 minutes)", queue[1])
    cloud.forward(5 * MINUTE)
    event = receive(queue[0])["Body"]
    due = parsed(event["time"])
    assert before + 5 * MINUTE - timedelta(seconds=1) <= due <= clock.now()
    assert event | {"id": "", "time": ""} == {
        "version": "0",
        "id": "",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": "",
        "region": REGION,
        "resources": [arn("events", f"rule/{name}")],
        "detail": {},
    }


def test_a_rule_fires_at_each_of_its_times(cloud: LocalCloud, rule: Any, queue: Any, watch: Any):
    name = rule("rate(1 hour)", queue[1])
    times = []
    for count in (1, 2, 3):
        cloud.forward(HOUR)
        times = scheduled_times(watch, name, count)
    assert [second - first for first, second in pairwise(times)] == [HOUR, HOUR]


def test_a_cron_rule_fires_on_the_minute(cloud: LocalCloud, rule: Any, queue: Any, watch: Any):
    due = (clock.now() + timedelta(days=1)).replace(hour=3, minute=25, second=0, microsecond=0)
    name = rule("cron(25 3 * * ? *)", queue[1])
    forward_to(cloud, due - MINUTE)
    cloud.forward(2 * MINUTE)
    assert scheduled_times(watch, name, 1)[-1].strftime("%H:%M:%S") == "03:25:00"


def test_a_jump_over_many_times_fires_once_for_the_last(cloud: LocalCloud, rule: Any, queue: Any, watch: Any):
    name = rule("rate(5 minutes)", queue[1])
    cloud.forward(24 * HOUR)
    (due,) = scheduled_times(watch, name, 1)
    assert timedelta() <= clock.now() - due < 5 * MINUTE
    cloud.forward(5 * MINUTE)
    assert scheduled_times(watch, name, 2) == [due, due + 5 * MINUTE]


def test_a_disabled_rule_does_not_fire_and_an_enabled_one_begins_anew(
    cloud: LocalCloud, rule: Any, queue: Any, watch: Any
):
    name = rule("rate(1 hour)", queue[1], State="DISABLED")
    other = rule("rate(1 hour)", queue[1])
    cloud.forward(2 * HOUR)
    scheduled_times(watch, other, 1)
    client("events").enable_rule(Name=name)
    cloud.forward(HOUR / 2)
    later = rule("rate(1 minute)", queue[1])
    cloud.forward(MINUTE)
    scheduled_times(watch, later, 1)
    assert [entry["name"] for entry in watch.entries("schedule") if entry["name"] == name] == []
    cloud.forward(HOUR / 2)
    assert len(scheduled_times(watch, name, 1)) == 1


def test_a_delivery_is_tried_again_on_the_clock(
    cloud: LocalCloud, rule: Any, queue: Any, watch: Any, receive: Any
):
    name = rule(NEVER, queue[1])
    with cloud.inject("server-error", "sqs", caller="events.amazonaws.com", times=2):
        cloud.fire_schedule(name)
        for failures in (1, 2):
            assert "Internal failure" in watch.wait("delivery", failures, rule=name)[-1]["error"]
            cloud.forward(MINUTE)
        assert receive(queue[0])["Body"]["source"] == "aws.events"


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "cron(0 1 * * * *)", "at(2030-01-01T00:00:00)"])
def test_a_rule_refuses_an_invalid_schedule(cloud: LocalCloud, expression: str):
    with pytest.raises(ClientError, match="Parameter ScheduleExpression is not valid"):
        client("events").put_rule(Name="invalid", ScheduleExpression=expression)


# Schedules: when


def test_a_rate_begins_at_once_and_goes_on(cloud: LocalCloud, schedule: Any, queue: Any, watch: Any):
    before = clock.now().replace(microsecond=0)
    name = schedule("rate(1 hour)", queue[1])
    (first,) = scheduled_times(watch, name, 1)
    assert before <= first <= clock.now()
    cloud.forward(HOUR)
    assert scheduled_times(watch, name, 2) == [first, first + HOUR]


def test_start_and_end_bound_the_times(cloud: LocalCloud, schedule: Any, queue: Any, watch: Any):
    start = clock.now().replace(microsecond=0) + 10 * HOUR
    name = schedule("rate(1 hour)", queue[1], StartDate=start, EndDate=start + 2 * HOUR)
    for moment in (start - MINUTE, start, start + HOUR, start + 2 * HOUR, start + 3 * HOUR, start + 4 * HOUR):
        forward_to(cloud, moment)
        other = schedule("rate(1 hour)", queue[1])
        scheduled_times(watch, other, 1)
    assert scheduled_times(watch, name, 3) == [start, start + HOUR, start + 2 * HOUR]
    assert len([entry for entry in watch.entries("schedule") if entry["name"] == name]) == 3


def test_a_cron_schedule_has_a_time_zone(cloud: LocalCloud, schedule: Any, queue: Any, watch: Any):
    name = schedule("cron(0 12 * * ? *)", queue[1], ScheduleExpressionTimezone="Asia/Kolkata")
    cloud.forward(24 * HOUR)
    (due,) = scheduled_times(watch, name, 1)
    assert (due.hour, due.minute) == (6, 30)


@pytest.mark.parametrize("action", ["NONE", "DELETE"])
def test_a_schedule_for_one_time_fires_once(
    cloud: LocalCloud, schedule: Any, queue: Any, watch: Any, action: str
):
    due = clock.now().replace(microsecond=0) + HOUR
    name = schedule(at(due), queue[1], ActionAfterCompletion=action)
    cloud.forward(2 * HOUR)
    watch.wait("delivery", rule=name)
    cloud.forward(2 * HOUR)
    assert scheduled_times(watch, name, 1) == [due]
    names = await_names(lambda names: (name in names) == (action == "NONE"))
    assert (name in names) == (action == "NONE")
    assert len([entry for entry in watch.entries("schedule") if entry["name"] == name]) == 1


def await_names(expected: Any) -> list[str]:
    """Return the names of all schedules, as soon as they are as expected or after some looks."""
    for _ in range(200):
        names = [entry["Name"] for entry in client("scheduler").list_schedules()["Schedules"]]
        if expected(names):
            break
    return names


def test_a_recurring_schedule_is_deleted_after_its_last_time(
    cloud: LocalCloud, schedule: Any, queue: Any, watch: Any
):
    end = clock.now() + 90 * MINUTE
    name = schedule("rate(1 hour)", queue[1], EndDate=end, ActionAfterCompletion="DELETE")
    watch.wait("delivery", rule=name)
    assert name in await_names(lambda names: name in names)
    cloud.forward(HOUR)
    watch.wait("delivery", 2, rule=name)
    assert name not in await_names(lambda names: name not in names)


def test_a_disabled_schedule_waits_for_its_update(cloud: LocalCloud, schedule: Any, queue: Any, watch: Any):
    name = schedule("rate(1 hour)", queue[1], State="DISABLED")
    cloud.forward(2 * HOUR)
    scheduled_times(watch, schedule("rate(1 hour)", queue[1]), 1)
    assert [entry for entry in watch.entries("schedule") if entry["name"] == name] == []
    scheduler = client("scheduler")
    known = scheduler.get_schedule(Name=name)
    scheduler.update_schedule(
        Name=name,
        ScheduleExpression="rate(2 hours)",
        FlexibleTimeWindow=known["FlexibleTimeWindow"],
        Target=known["Target"],
        ActionAfterCompletion="DELETE",
    )
    (first,) = scheduled_times(watch, name, 1)
    cloud.forward(2 * HOUR)
    assert scheduled_times(watch, name, 2) == [first, first + 2 * HOUR]
    updated = scheduler.get_schedule(Name=name)
    assert (updated["State"], updated["ActionAfterCompletion"]) == ("ENABLED", "DELETE")


def test_schedules_of_a_group_fire_and_end_with_it(cloud: LocalCloud, schedule: Any, queue: Any, watch: Any):
    client("scheduler").create_schedule_group(Name="group")
    name = schedule("rate(1 hour)", queue[1], GroupName="group")
    entry = watch.wait("schedule", name=name)[0]
    assert entry["arn"] == arn("scheduler", f"schedule/group/{name}")


# Schedules: what


def test_without_an_input_the_target_gets_a_notification(
    cloud: LocalCloud, schedule: Any, queue: Any, receive: Any
):
    name = schedule(NEVER, queue[1])
    cloud.fire_schedule(name)
    event = receive(queue[0])["Body"]
    assert parsed(event["time"]) <= clock.now()
    assert uuid.UUID(event["id"])
    assert event | {"id": "", "time": ""} == {
        "version": "0",
        "id": "",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT_ID,
        "time": "",
        "region": REGION,
        "resources": [arn("scheduler", f"schedule/default/{name}")],
        "detail": "{}",
    }


def test_an_input_can_tell_of_the_invocation(cloud: LocalCloud, schedule: Any, queue: Any, receive: Any):
    due = clock.now().replace(microsecond=0) + HOUR
    keywords = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    template = {keyword: f"<aws.scheduler.{keyword}>" for keyword in keywords}
    name = schedule(at(due), queue[1], {"Input": json.dumps(template)})
    cloud.forward(HOUR)
    told = receive(queue[0])["Body"]
    assert told["schedule-arn"] == arn("scheduler", f"schedule/default/{name}")
    assert parsed(told["scheduled-time"]) == due
    assert len(told["execution-id"]) == 16
    assert told["attempt-number"] == "1"


def test_a_function_is_invoked_under_the_role(
    cloud: LocalCloud, stack: Stack, schedule: Any, role: str, watch: Any
):
    name = schedule(NEVER, stack.outputs["FunctionArn"], {"Input": '{"do": "answer"}'})
    cloud.fire_schedule(name)
    (call,) = watch.wait("api-call", service="lambda", operation="Invoke")
    assert call["principal"] == f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/scheduler/{name}"
    assert call["request"]["InvocationType"] == "Event"
    (invocation,) = watch.wait("invocation", ok=True)
    assert invocation["payload"] == {"do": "answer"}


def test_topics_buses_and_fifo_queues_are_targets(cloud: LocalCloud, schedule: Any, watch: Any, receive: Any):
    topic = client("sns").create_topic(Name="scheduled")["TopicArn"]
    cloud.fire_schedule(schedule(NEVER, topic, {"Input": "plain text"}))
    assert watch.wait("notification", topic_arn=topic)[0]["message"] == "plain text"

    bus = client("events").create_event_bus(Name="scheduled")["EventBusArn"]
    told = {"EventBridgeParameters": {"Source": "mine", "DetailType": "Tick"}, "Input": '{"n": 1}'}
    cloud.fire_schedule(schedule(NEVER, bus, told))
    event = watch.wait("event", bus="scheduled")[0]["event"]
    assert (event["source"], event["detail-type"], event["detail"]) == ("mine", "Tick", {"n": 1})

    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = client("sqs").create_queue(QueueName="scheduled.fifo", Attributes=attributes)["QueueUrl"]
    grouped = {"SqsParameters": {"MessageGroupId": "g"}, "Input": "1"}
    cloud.fire_schedule(schedule(NEVER, arn("sqs", "scheduled.fifo"), grouped))
    answer = client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=10, AttributeNames=["All"])
    assert answer["Messages"][0]["Attributes"]["MessageGroupId"] == "g"


def test_a_target_whose_answer_is_lost_is_invoked_twice(
    cloud: LocalCloud, schedule: Any, queue: Any, watch: Any, receive: Any
):
    name = schedule(NEVER, queue[1], {"Input": '"<aws.scheduler.attempt-number>"'})
    with cloud.inject("lost-response", "sqs", "SendMessage", times=1):
        cloud.fire_schedule(name)
        watch.wait("delivery", rule=name)
        cloud.forward(MINUTE)
        assert [receive(queue[0])["Body"] for _ in range(2)] == ["1", "2"]


def test_a_target_that_fails_for_now_is_tried_again_on_the_clock(
    cloud: LocalCloud, schedule: Any, queue: Any, watch: Any, receive: Any
):
    name = schedule(NEVER, queue[1], {"Input": '"attempt <aws.scheduler.attempt-number>"'})
    with cloud.inject("throttle", "sqs", "SendMessage", times=2):
        cloud.fire_schedule(name)
        for failures in (1, 2):
            failed = watch.wait("delivery", failures, rule=name)[-1]
            assert "RequestThrottled" in failed["error"]
            assert failed["dead_letter_queue"] is None
            cloud.forward(MINUTE)
        assert receive(queue[0])["Body"] == "attempt 3"


def test_exhausted_retries_end_in_the_dead_letter_queue(
    cloud: LocalCloud, schedule: Any, queue: Any, watch: Any, receive: Any
):
    topic = client("sns").create_topic(Name="exhausted")["TopicArn"]
    policy = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 86_400}
    given = {"Input": '"x"', "DeadLetterConfig": {"Arn": queue[1]}, "RetryPolicy": policy}
    name = schedule(NEVER, topic, given)
    with cloud.inject("server-error", "sns", "Publish"):
        cloud.fire_schedule(name)
        watch.wait("delivery", rule=name)
        cloud.forward(MINUTE)
        message = receive(queue[0])
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert message["Body"] == "x"
    assert parsed(attributes["SCHEDULED_TIME"]) <= clock.now()
    assert len(attributes["EXECUTION_ID"]) == 16
    assert "InternalError" in attributes["ERROR_MESSAGE"]
    assert attributes | {"SCHEDULED_TIME": "", "EXECUTION_ID": "", "ERROR_MESSAGE": ""} == {
        "ERROR_CODE": "InternalError",
        "ERROR_MESSAGE": "",
        "EXECUTION_ID": "",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "1",
        "SCHEDULED_TIME": "",
        "SCHEDULE_ARN": arn("scheduler", f"schedule/default/{name}"),
        "TARGET_ARN": topic,
    }


def test_an_old_invocation_is_given_up(
    cloud: LocalCloud, schedule: Any, queue: Any, watch: Any, receive: Any
):
    topic = client("sns").create_topic(Name="old")["TopicArn"]
    policy = {"MaximumEventAgeInSeconds": 60}
    name = schedule(NEVER, topic, {"DeadLetterConfig": {"Arn": queue[1]}, "RetryPolicy": policy})
    with cloud.inject("server-error", "sns", "Publish"):
        cloud.fire_schedule(name)
        watch.wait("delivery", rule=name)
        cloud.forward(2 * MINUTE)
        attributes = receive(queue[0])["MessageAttributes"]
    assert attributes["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"


def test_what_will_never_succeed_is_a_dead_letter_at_once(
    cloud: LocalCloud, schedule: Any, queue: Any, receive: Any
):
    name = schedule(NEVER, arn("sns", "absent"), {"DeadLetterConfig": {"Arn": queue[1]}})
    cloud.fire_schedule(name)
    attributes = receive(queue[0])["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "NotFound"
    assert attributes["RETRY_ATTEMPTS"]["StringValue"] == "0"
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes


# On request


def test_a_schedule_and_a_rule_fire_on_request_also_when_disabled(
    cloud: LocalCloud, schedule: Any, rule: Any, queue: Any, watch: Any
):
    disabled = schedule(NEVER, queue[1], State="DISABLED")
    ruled = rule(NEVER, queue[1])
    for name in (disabled, ruled):
        request = urllib.request.Request(f"{cloud.endpoint_url}/_local/schedules/{name}/fire", method="POST")
        assert urllib.request.urlopen(request).status == 200
        watch.wait("delivery", rule=name, error=None)


def test_firing_what_does_not_exist_names_what_does(cloud: LocalCloud, schedule: Any, queue: Any):
    name = schedule(NEVER, queue[1])
    with pytest.raises(UnknownSchedule, match=name):
        cloud.fire_schedule("absent")
    request = urllib.request.Request(f"{cloud.endpoint_url}/_local/schedules/absent/fire", method="POST")
    with pytest.raises(HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 404
    assert name in json.load(error.value)["error"]


# What the Scheduler refuses


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"expression": "rate(10 seconds)"}, r"Invalid Schedule Expression rate\(10 seconds\)."),
        ({"ScheduleExpressionTimezone": "Europe/Atlantis"}, "Invalid Schedule Expression Timezone"),
        ({"EndDate": datetime(2020, 1, 1, tzinfo=UTC)}, "The EndDate must come after"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes belongs to"),
        ({"target": arn("states", "stateMachine:x")}, "does not support the target"),
        ({"target": arn("lambda", "function:x"), "given": {"Input": "text"}}, "must be well-formed JSON"),
        ({"target": arn("events", "event-bus/x")}, "EventBridgeParameters belong to an event bus"),
        ({"target": arn("sqs", "x.fifo")}, "SqsParameters belong to a FIFO queue"),
        ({"given": {"RetryPolicy": {"MaximumRetryAttempts": 186}}}, "value less than or equal to 185"),
        ({"given": {"DeadLetterConfig": {"Arn": arn("sqs", "dead.fifo")}}}, "regular expression pattern"),
        ({"given": {"RoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/absent"}}, "to assume the role"),
        ({"GroupName": "absent"}, "Schedule group absent does not exist"),
    ],
)
def test_an_impossible_schedule_is_refused(
    cloud: LocalCloud, role: str, options: dict[str, Any], complaint: str
):
    target = options.pop("target", arn("sqs", "x"))
    given = options.pop("given", {})
    request = {
        "Name": "impossible",
        "ScheduleExpression": options.pop("expression", NEVER),
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": target, "RoleArn": role, **given},
    }
    with pytest.raises(ClientError, match=complaint):
        client("scheduler").create_schedule(**request | options)


def test_a_role_that_trusts_others_only_is_refused(cloud: LocalCloud, schedule: Any, queue: Any):
    stranger = make_role("stranger", {"aws:SourceAccount": "999999999999"})
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        schedule(NEVER, queue[1], {"RoleArn": stranger})
    bound = make_role("bound", {"aws:SourceArn": arn("scheduler", "schedule-group/default")})
    schedule(NEVER, queue[1], {"RoleArn": bound})


def test_every_firing_is_in_the_journal(cloud: LocalCloud, schedule: Any, queue: Any, watch: Any):
    name = schedule(NEVER, queue[1])
    cloud.fire_schedule(name)
    (delivery,) = watch.wait("delivery", rule=name)
    assert (delivery["target"], delivery["error"]) == (queue[1], None)
    assert [e["name"] for e in journal.entries(watch.after, "schedule") if e["name"] == name] == [name]
