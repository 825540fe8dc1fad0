"""The clock that can be moved: who sees it, and who wakes up."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError
from localcloud import clock
from localcloud.clients import client
from localcloud.deploy import Stack
from localcloud.server import LocalCloud

HOUR = timedelta(hours=1)
ABOUT = timedelta(minutes=1)


@pytest.fixture(scope="module")
def cloud(binaries: Path) -> Iterator[LocalCloud]:
    """A local cloud whose waits are as long as AWS's."""
    with LocalCloud(binaries=binaries) as running:
        yield running


@pytest.fixture(autouse=True)
def _machine_time_afterwards(cloud: LocalCloud) -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
def machine_time(tmp_path: Path) -> datetime:
    """What the machine's clock shows, from the only witness that cannot be moved."""
    witness = tmp_path / "witness"
    witness.touch()
    return datetime.fromtimestamp(witness.stat().st_mtime, UTC)


def invoke(stack: Stack, **payload: Any) -> dict[str, Any]:
    answer = client("lambda").invoke(FunctionName=stack.functions["stand-in"], Payload=json.dumps(payload))
    return json.load(answer["Payload"])


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_the_whole_cloud_sees_the_moved_clock(cloud: LocalCloud, machine_time: datetime, watch: Any):
    cloud.forward(HOUR)
    shown = cloud.forward(24 * HOUR)
    assert timedelta() <= shown - (machine_time + 25 * HOUR) < ABOUT
    ssm = client("ssm")
    ssm.put_parameter(Name="/clock", Type="String", Value="x")
    parameter = ssm.get_parameter(Name="/clock")["Parameter"]
    assert abs(parameter["LastModifiedDate"] - shown) < ABOUT
    (call, _) = watch.entries("api-call")
    assert abs(datetime.fromisoformat(call["at"]) - shown) < ABOUT


def test_the_clock_ticks_on_and_shows_the_machines_time_again_at_the_end(
    cloud: LocalCloud, machine_time: datetime
):
    cloud.forward(HOUR)
    before = clock.now()
    assert clock.wait_until(before + timedelta(milliseconds=20))
    assert timedelta(milliseconds=20) <= clock.now() - before < ABOUT
    clock.reset()
    assert clock.now() - machine_time < ABOUT


def test_functions_see_every_move(cloud: LocalCloud, stack: Stack):
    machines = invoke(stack)
    cloud.forward(HOUR)
    first = invoke(stack)
    cloud.forward(HOUR)
    second = invoke(stack)
    assert abs(moment(first["now"]) - moment(machines["now"]) - HOUR) < ABOUT
    assert abs(moment(second["now"]) - clock.now()) < ABOUT
    assert first["pid"] == second["pid"], "after the first move a warm process follows the clock"
    assert 0 < second["deadline_in_ms"] <= 1_000


def test_scripts_see_the_moved_clock(cloud: LocalCloud):
    script = "def now(event, context):\n    import time\n    return {'now': time.time()}"
    trust = {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "ssm.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    }
    role = client("iam").create_role(RoleName="looker", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    document = {
        "schemaVersion": "0.3",
        "assumeRole": role["Arn"],
        "mainSteps": [
            {
                "name": "Look",
                "action": "aws:executeScript",
                "inputs": {"Runtime": "python3.11", "Handler": "now", "Script": script},
            }
        ],
    }
    ssm = client("ssm")
    ssm.create_document(Name="Now", DocumentType="Automation", Content=json.dumps(document))
    cloud.forward(HOUR)
    started = ssm.start_automation_execution(DocumentName="Now")["AutomationExecutionId"]
    deadline = time.monotonic() + 10
    while True:
        execution = ssm.get_automation_execution(AutomationExecutionId=started)["AutomationExecution"]
        if execution["AutomationExecutionStatus"] not in ("Pending", "InProgress"):
            break
        assert time.monotonic() < deadline
    (step,) = execution["StepExecutions"]
    assert abs(moment(json.loads(step["Outputs"]["Payload"][0])["now"]) - clock.now()) < ABOUT


def test_lambdas_retries_come_when_the_clock_says_so(
    cloud: LocalCloud, stack: Stack, watch: Any, receive: Any
):
    client("lambda").invoke(
        FunctionName=stack.functions["stand-in"], InvocationType="Event", Payload=b'{"do": "fail"}'
    )
    watch.wait("invocation", 1, ok=False)
    cloud.forward(timedelta(seconds=61))
    watch.wait("invocation", 2, ok=False)
    cloud.forward(timedelta(seconds=121))
    watch.wait("invocation", 3, ok=False)
    record = receive(stack.outputs["DeadLetterQueueUrl"])["Body"]
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert abs(datetime.fromisoformat(record["timestamp"]) - clock.now()) < ABOUT


def test_a_message_becomes_visible_again(cloud: LocalCloud):
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="patience", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    assert sqs.receive_message(QueueUrl=queue)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    cloud.forward(timedelta(minutes=10))
    assert sqs.receive_message(QueueUrl=queue)["Messages"]


def test_dynamodb_forgets_the_token_of_a_transaction(cloud: LocalCloud):
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="tokens",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )

    def write(value: str) -> None:
        put = {"Put": {"TableName": "tokens", "Item": {"pk": {"S": value}}}}
        dynamodb.transact_write_items(TransactItems=[put], ClientRequestToken="same")

    write("a")
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        write("b")
    cloud.forward(timedelta(minutes=11))
    write("b")


def test_who_waits_for_a_moment_wakes_when_the_clock_is_moved_to_it(cloud: LocalCloud):
    outcomes: list[bool] = []
    given_up = threading.Event()

    def wait() -> None:
        outcomes.append(clock.wait_until(clock.now() + HOUR, given_up.is_set))

    def finish(thread: threading.Thread) -> None:
        thread.join(5)
        assert not thread.is_alive()

    patient = threading.Thread(target=wait)
    patient.start()
    cloud.forward(HOUR / 2)
    assert patient.is_alive()
    cloud.forward(HOUR)
    finish(patient)
    impatient = threading.Thread(target=wait)
    impatient.start()
    given_up.set()
    clock.wake()
    finish(impatient)
    assert outcomes == [True, False]


def test_the_control_api_moves_the_clock(cloud: LocalCloud):
    url = f"{cloud.endpoint_url}/_local/clock"

    def post(body: str) -> Any:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode())) as response:
            return json.load(response)

    before = clock.now()
    shown = datetime.fromisoformat(post('{"forward_seconds": 3600}')["now"])
    assert timedelta() <= shown - before - HOUR < ABOUT
    with urllib.request.urlopen(url) as response:
        assert shown <= datetime.fromisoformat(json.load(response)["now"])
    for bad in ("{}", '{"forward_seconds": "1"}', '{"forward_seconds": -1}', "[]", "no"):
        with pytest.raises(HTTPError) as error:
            post(bad)
        assert error.value.code == 400


def test_without_a_compiler_the_clock_says_what_it_needs(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(clock.CannotMove, match="needs a C compiler; no-such-compiler"):
        cloud.forward(HOUR)
    assert clock.environment() == {}
