"""Lambda: the binary of a function in all the ways an invocation can end, and what happens afterwards."""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud.clients import client
from localcloud.deploy import Stack
from localcloud.server import LocalCloud
from localcloud.settings import settings

pytestmark = pytest.mark.usefixtures("stack")

FUNCTION = "stand-in"


def invoke(event: Any, **options: Any) -> dict[str, Any]:
    answer = client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event), **options)
    payload = answer["Payload"].read()
    return {**answer, "Payload": json.loads(payload) if payload else None}


def violation(**detail: Any) -> None:
    detail = {"complianceType": "NON_COMPLIANT", **detail}
    entry = {"Source": "aws.config", "DetailType": "Compliance", "Detail": json.dumps(detail)}
    client("events").put_events(Entries=[entry])


def test_invoke_answers_what_the_function_answers_with_its_log():
    answer = invoke({"do": "answer"}, LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert "asked to answer" in base64.b64decode(answer["LogResult"]).decode()


def test_the_deadline_is_the_functions_timeout_from_now():
    assert 0 < invoke({})["Payload"]["deadline_in_ms"] <= 1_000


def test_a_warm_instance_is_used_again():
    first, second = invoke({})["Payload"], invoke({})["Payload"]
    assert (first["pid"], first["started"]) == (second["pid"], second["started"])


def test_the_process_has_the_environment_of_the_stack_and_the_credentials_of_its_role(watch: Any):
    environment = invoke({"do": "environment"})["Payload"]
    assert environment["MEND_MODE"] == "enforce"
    assert environment["MEND_TOPIC_ARN"].endswith(":people")
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == FUNCTION
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "eu-central-1"
    assert environment["AWS_ENDPOINT_URL"] == settings.endpoint_url
    assert "SSL_CERT_FILE" not in environment, "this machine does not have that file"
    assert "HOME" not in environment, "the developer's own AWS configuration must not reach a function"
    keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    client("ssm", {key: environment[key.upper()] for key in keys}).describe_parameters()
    (call,) = watch.wait("api-call", operation="DescribeParameters")
    assert ":assumed-role/test-FunctionRole-" in call["principal"]
    assert call["principal"].endswith(f"/{FUNCTION}")


def test_an_error_of_the_handler_is_a_function_error():
    answer = invoke({"do": "fail"})
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"] == {"errorType": "Malformed", "errorMessage": "no detail"}


def test_a_crash_is_a_function_error_and_the_next_event_gets_a_new_process():
    before = invoke({})["Payload"]["pid"]
    crash = invoke({"do": "crash"})
    assert crash["FunctionError"] == "Unhandled"
    assert crash["Payload"]["errorType"] == "Runtime.ExitError"
    assert crash["Payload"]["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")
    assert invoke({})["Payload"]["pid"] != before


def test_a_function_that_takes_too_long_is_killed():
    pid = invoke({})["Payload"]["pid"]
    answer = invoke({"do": "hang"})
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert invoke({})["Payload"]["pid"] != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_failed_start_says_what_the_function_says():
    awslambda = client("lambda")
    variables = awslambda.get_function_configuration(FunctionName=FUNCTION)["Environment"]["Variables"]

    def configure(**extra: str) -> None:
        environment = {"Variables": {**variables, **extra}}
        awslambda.update_function_configuration(FunctionName=FUNCTION, Environment=environment)

    configure(FAIL_INIT="yes")
    try:
        answer = invoke({})
    finally:
        configure()
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"] == {"errorType": "Settings", "errorMessage": "MEND_MODE is missing"}
    assert "FunctionError" not in invoke({}), "the new configuration gets a new process"


def test_a_newly_built_binary_is_used_at_once(binaries: Path):
    before = invoke({})["Payload"]["pid"]
    rebuilt = binaries / "rebuilt"
    shutil.copy(binaries / "stand-in", rebuilt)
    os.utime(rebuilt, ns=(0, 1))
    rebuilt.replace(binaries / "stand-in")
    assert invoke({})["Payload"]["pid"] != before


def test_a_binary_that_is_gone_is_named(binaries: Path):
    (binaries / "stand-in").rename(binaries / "away")
    try:
        answer = invoke({})
    finally:
        (binaries / "away").rename(binaries / "stand-in")
    assert answer["Payload"]["errorType"] == "Runtime.InvalidEntrypoint"
    assert f"{binaries}/stand-in" in answer["Payload"]["errorMessage"]


def test_dry_run_runs_nothing(watch: Any):
    assert invoke({}, InvocationType="DryRun")["StatusCode"] == 204
    assert watch.entries("invocation") == []


def test_an_asynchronous_invocation_is_answered_before_it_runs(watch: Any):
    assert invoke({"do": "answer"}, InvocationType="Event")["StatusCode"] == 202
    (invocation,) = watch.wait("invocation", function=FUNCTION)
    assert (invocation["ok"], invocation["attempt"]) == (True, 1)
    assert invocation["payload"] == {"do": "answer"}
    assert invocation["response"]["pid"]
    assert "asked to answer" in invocation["log"]


def test_bad_requests_are_refused_as_by_lambda():
    def code(**request: Any) -> str:
        with pytest.raises(ClientError) as error:
            client("lambda").invoke(**{"FunctionName": FUNCTION, **request})
        return error.value.response["Error"]["Code"]

    assert code(FunctionName="absent") == "ResourceNotFoundException"
    assert code(Payload="{not json") == "InvalidRequestContentException"
    assert code(Payload=json.dumps("x" * 1_048_577), InvocationType="Event") == "RequestTooLargeException"


def test_eight_deliveries_run_at_once(watch: Any, tmp_path: Path):
    awslambda = client("lambda")
    awslambda.update_function_configuration(FunctionName=FUNCTION, Timeout=20)
    try:
        for _ in range(8):
            violation(do="meet", folder=str(tmp_path), everybody=8)
        invocations = watch.wait("invocation", 8, ok=True)
    finally:
        awslambda.update_function_configuration(FunctionName=FUNCTION, Timeout=1)
    assert len({i["response"]["pid"] for i in invocations}) == 8


def test_reserved_concurrency_bounds_what_runs_at_once(stack: Stack, watch: Any, receive: Any):
    awslambda = client("lambda")
    awslambda.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=1)
    try:
        for _ in range(4):
            violation()
        invocations = watch.wait("invocation", 4, ok=True)
        assert len({i["response"]["pid"] for i in invocations}) == 1
        awslambda.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=0)
        impatient = Config(retries={"total_max_attempts": 1})
        with pytest.raises(ClientError, match="TooManyRequestsException"):
            client("lambda", config=impatient).invoke(FunctionName=FUNCTION)
        violation()
        condition = receive(stack.outputs["DeadLetterQueueUrl"])["Body"]["requestContext"]["condition"]
        assert condition == "ZeroReservedConcurrency"
    finally:
        awslambda.delete_function_concurrency(FunctionName=FUNCTION)


def test_an_event_that_fails_is_tried_three_times_and_then_handed_to_the_destination(
    stack: Stack, watch: Any, receive: Any
):
    violation(do="fail")
    record = receive(stack.outputs["DeadLetterQueueUrl"])["Body"]
    attempts = watch.wait("invocation", 3, ok=False)
    assert [a["attempt"] for a in attempts] == [1, 2, 3]
    (request_id,) = {a["request_id"] for a in attempts}
    assert record["version"] == "1.0"
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{stack.outputs['FunctionArn']}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == attempts[0]["payload"]
    assert record["requestPayload"]["detail"]["do"] == "fail"
    assert record["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
    }  # fmt: skip
    assert record["responsePayload"] == {"errorType": "Malformed", "errorMessage": "no detail"}


def test_an_old_event_is_not_tried_again(stack: Stack, watch: Any, receive: Any):
    awslambda = client("lambda")
    known = awslambda.get_function_event_invoke_config(FunctionName=FUNCTION)["DestinationConfig"]

    def configure(**config: Any) -> None:
        awslambda.put_function_event_invoke_config(
            FunctionName=FUNCTION, DestinationConfig={"OnFailure": known["OnFailure"]}, **config
        )

    configure(MaximumEventAgeInSeconds=100)
    try:
        violation(do="fail")
        context = receive(stack.outputs["DeadLetterQueueUrl"])["Body"]["requestContext"]
    finally:
        configure()
    assert context["condition"] == "EventAgeExceeded"
    assert context["approximateInvokeCount"] == 2, "after 60 s it is still young, after 180 s it is not"


def test_a_stopped_cloud_leaves_no_process_behind(binaries: Path, cloud: LocalCloud):
    pid = invoke({})["Payload"]["pid"]
    os.kill(pid, 0)
    cloud.stop()
    process = Path(f"/proc/{pid}/stat")
    for _ in range(1_000):
        if not process.exists():
            break
        threading.Event().wait(0.005)
    assert not process.exists()
