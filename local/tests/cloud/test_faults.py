"""Faults on demand: what a caller sees of them, whom they hit, and how often."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from localcloud import faults
from localcloud.clients import client
from localcloud.deploy import Stack
from localcloud.principals import credentials_of
from localcloud.server import LocalCloud

ONE_TRY = Config(retries={"total_max_attempts": 1})


@pytest.fixture(autouse=True)
def _none_at_first(cloud: LocalCloud) -> Iterator[None]:
    yield
    faults.clear()


def service(name: str, credentials: dict[str, str] | None = None) -> Any:
    return client(name, credentials, ONE_TRY)


def error_of(call: Any, **parameters: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


CALLS = {
    "ssm": ("describe_parameters", {}),
    "events": ("list_rules", {}),
    "dynamodb": ("list_tables", {}),
    "sqs": ("list_queues", {}),
    "lambda": ("list_functions", {}),
    "sns": ("list_topics", {}),
    "iam": ("list_roles", {}),
    "ec2": ("describe_volumes", {}),
    "s3": ("list_objects_v2", {"Bucket": "logs"}),
    "cloudwatch": ("describe_alarms", {}),
}


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("ssm", 400, "ThrottlingException"),
        ("events", 400, "ThrottlingException"),
        ("dynamodb", 400, "ProvisionedThroughputExceededException"),
        ("sqs", 403, "RequestThrottled"),
        ("lambda", 429, "TooManyRequestsException"),
        ("sns", 400, "Throttling"),
        ("iam", 400, "Throttling"),
        ("ec2", 503, "RequestLimitExceeded"),
        ("s3", 503, "SlowDown"),
        ("cloudwatch", 400, "Throttling"),
    ],
)
def test_a_throttled_call_gets_the_services_own_error(
    cloud: LocalCloud, name: str, status: int, code: str, watch: Any
):
    operation, parameters = CALLS[name]
    with cloud.inject("throttle", name):
        assert error_of(getattr(service(name), operation), **parameters) == (status, code)
    (call,) = watch.entries("api-call")
    assert (call["status"], call["error"], call["fault"]) == (status, code, "throttle")


@pytest.mark.parametrize("name", CALLS)
def test_a_service_can_fail(cloud: LocalCloud, name: str):
    operation, parameters = CALLS[name]
    with cloud.inject("server-error", name):
        status, code = error_of(getattr(service(name), operation), **parameters)
    assert (status, code) in {
        (500, "InternalServerError"),
        (500, "InternalException"),
        (500, "InternalFailure"),
        (500, "InternalError"),
        (500, "ServiceException"),
    }


def test_a_server_error_comes_before_the_effect_and_a_lost_response_after_it(cloud: LocalCloud, watch: Any):
    ssm = service("ssm")
    with cloud.inject("server-error", "ssm", "PutParameter"):
        assert error_of(ssm.put_parameter, Name="/f/a", Type="String", Value="1")[0] == 500
    with cloud.inject("lost-response", "ssm", "PutParameter"), pytest.raises(ConnectionClosedError):
        ssm.put_parameter(Name="/f/b", Type="String", Value="1")
    answer = ssm.get_parameters(Names=["/f/a", "/f/b"])
    assert [parameter["Name"] for parameter in answer["Parameters"]] == ["/f/b"]
    failed, lost, read = watch.entries("api-call")
    assert (failed["fault"], failed["status"]) == ("server-error", 500)
    assert (lost["fault"], lost["status"]) == ("lost-response", 200)
    assert "fault" not in read


def test_an_sdk_that_repeats_a_lost_call_is_answered_the_second_time(cloud: LocalCloud, watch: Any):
    with cloud.inject("lost-response", "sns", "CreateTopic", times=1):
        client("sns").create_topic(Name="repeated")
    assert [call.get("fault") for call in watch.entries("api-call")] == ["lost-response", None]


def test_latency_holds_a_call_up(cloud: LocalCloud, watch: Any):
    impatient = Config(read_timeout=0.05, retries={"total_max_attempts": 1})
    with cloud.inject("latency", "ssm", milliseconds=300) as fault, pytest.raises(Exception, match="timeout"):
        client("ssm", config=impatient).describe_parameters()
    assert fault.hits == 1
    (call,) = watch.wait("api-call")
    assert (call["fault"], call["status"]) == ("latency", 200)


def test_only_the_nth_call_and_so_many_after_it_are_hit(cloud: LocalCloud):
    ssm = service("ssm")

    def fails() -> bool:
        try:
            ssm.describe_parameters()
        except ClientError:
            return True
        return False

    with cloud.inject("throttle", "ssm", "Describe*", nth=2, times=2) as fault:
        assert [fails() for _ in range(5)] == [False, True, True, False, False]
    assert (fault.seen, fault.hits) == (5, 2)
    assert not fails()


def test_chance_replays_with_its_seed(cloud: LocalCloud):
    def hits(seed: int) -> list[bool]:
        fault = faults.Fault("throttle", probability=0.5, seed=seed)
        return [fault._hits("ssm", "GetParameter", "somebody") for _ in range(64)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 16 < sum(hits(1)) < 48


def test_a_fault_can_be_for_one_caller(cloud: LocalCloud, stack: Stack):
    role = client("lambda").get_function(FunctionName=stack.functions["stand-in"])["Configuration"]["Role"]
    function = service("ssm", credentials_of(role, "mend-test-function"))
    by_name = cloud.inject("throttle", caller="mend-test-function", times=1)
    by_arn = cloud.inject("throttle", caller="arn:aws:sts::*:assumed-role/*/mend-test-*", times=1)
    service("ssm").describe_parameters()
    for fault in (by_name, by_arn):
        assert error_of(function.describe_parameters)[1] == "ThrottlingException"
        assert fault.hits == 1
    function.describe_parameters()


def test_the_control_api_injects_lists_and_clears(cloud: LocalCloud):
    def control(method: str, path: str, **body: Any) -> Any:
        url = f"{cloud.endpoint_url}/_local/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode() if body else None, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    first = control("POST", "faults", kind="throttle", service="ssm", operation="GetParameter", times=3)
    second = control("POST", "faults", kind="latency", milliseconds=1, caller="mend-dev-reconcile")
    assert (first["times"], first["hits"]) == (3, 0)
    error_of(service("ssm").get_parameter, Name="/any")
    assert [(f["id"], f["seen"]) for f in control("GET", "faults")["faults"]] == [
        (first["id"], 1),
        (second["id"], 0),
    ]
    control("DELETE", f"faults/{first['id']}")
    assert [f["id"] for f in control("GET", "faults")["faults"]] == [second["id"]]
    control("DELETE", "faults")
    assert control("GET", "faults")["faults"] == []
    for bad in (
        {},
        {"kind": "crash"},
        {"kind": "throttle", "often": 1},
        {"kind": "latency"},
        {"kind": "throttle", "id": "x"},
    ):
        with pytest.raises(HTTPError) as error:
            control("POST", "faults", **bad)
        assert error.value.code == 400
        assert json.load(error.value)["error"]
