"""What AWS cannot be asked is refused as AWS refuses it; what AWS cannot answer is not answered."""

from __future__ import annotations

import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud.checks import take_wrong_responses
from localcloud.clients import client
from localcloud.server import LocalCloud
from moto.awslambda.responses import LambdaResponse
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.ssm.responses import SimpleSystemManagerResponse

pytestmark = pytest.mark.usefixtures("cloud")

UNCHECKED = Config(parameter_validation=False, retries={"total_max_attempts": 1})


def error_of(call: Any, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "message"),
    [
        ("ssm", "get_parameter", {}, "ValidationException", "Value null at 'name'"),
        ("ssm", "get_parameter", {"Name": 7}, "ValidationException", "Member must be of type string"),
        (
            "ssm",
            "put_parameter",
            {"Name": "/x", "Value": "v", "Type": "Text"},
            "ValidationException",
            "enum value set: [String, StringList, SecureString]",
        ),
        (
            "events",
            "put_rule",
            {"Name": "a rule", "EventPattern": "{}"},
            "ValidationException",
            r"regular expression pattern: [\.\-_A-Za-z0-9]+",
        ),
        (
            "dynamodb",
            "batch_get_item",
            {"RequestItems": {}},
            "ValidationException",
            "length greater than or equal to 1",
        ),
        (
            "lambda",
            "create_alias",
            {"FunctionName": "f", "Name": "a b", "FunctionVersion": "1"},
            "ValidationException",
            "'name'",
        ),
        ("iam", "get_role", {"RoleName": "a role"}, "ValidationError", "'roleName'"),
        ("sns", "publish", {"Subject": "no message"}, "InvalidParameter", "Value null at 'message'"),
        (
            "ec2",
            "describe_security_groups",
            {"MaxResults": 2},
            "InvalidParameterValue",
            "value greater than or equal to 5",
        ),
        ("sqs", "get_queue_url", {}, "InvalidParameterValue", "Value null at 'queueName'"),
        ("scheduler", "get_schedule", {"Name": "a b"}, "ValidationException", "'name'"),
    ],
)
def test_a_request_that_breaks_the_model_is_refused(
    service: str, operation: str, parameters: dict[str, Any], code: str, message: str, watch: Any
):
    call = getattr(client(service, config=UNCHECKED), operation)
    status, refused, text = error_of(call, **parameters)
    assert (status, refused) == (400, code)
    assert text.startswith("1 validation error detected: ")
    assert message in text
    assert [entry["error"] for entry in watch.entries("api-call")] == [code]


def test_all_violations_are_counted():
    ssm = client("ssm", config=UNCHECKED)
    parameters = {"Name": "/x", "Value": 1, "Type": "Text", "Tier": "Gold"}
    assert error_of(ssm.put_parameter, **parameters)[2].startswith("3 validation errors detected: ")


def test_what_is_not_json_is_refused(cloud: LocalCloud):
    headers = {
        "X-Amz-Target": "AmazonSSM.GetParameter",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=local/20261124/eu-central-1/ssm/aws4_request, x",
    }
    request = urllib.request.Request(cloud.endpoint_url, b"{", headers)
    with pytest.raises(HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 400
    assert b"SerializationException" in error.value.read()


WRONG = {
    "ssm": (
        SimpleSystemManagerResponse,
        "describe_parameters",
        '{"Parameters": [{"Name": "/x", "Type": "Text", "Version": "1", "Color": "red"}]}',
        [
            "Value 'Text' at 'parameters.1.member.type' failed to satisfy constraint: Member must satisfy",
            "Value '1' at 'parameters.1.member.version' failed to satisfy constraint: Member must be of type",
            "Value 'red' at 'parameters.1.member.color' failed to satisfy constraint: Member is not one of",
        ],
    ),
    "iam": (
        IamResponse,
        "list_roles",
        ActionResult({"Roles": [{"RoleName": "a role", "Path": "/"}], "IsTruncated": False}),
        ["Value 'a role' at 'roles.1.member.roleName'", "Value null at 'roles.1.member.arn'"],
    ),
    "lambda": (
        LambdaResponse,
        "list_functions",
        (200, {"Content-Type": "application/json"}, '{"Functions": [{"Timeout": 0, "Runtime": "cobol"}]}'),
        ["Value '0' at 'functions.1.member.timeout'", "Value 'cobol' at 'functions.1.member.runtime'"],
    ),
}


@pytest.mark.parametrize("service", WRONG)
def test_a_response_that_breaks_the_model_is_not_answered(
    service: str, watch: Any, monkeypatch: pytest.MonkeyPatch
):
    responses, operation, answer, problems = WRONG[service]
    monkeypatch.setattr(responses, operation, lambda self: answer)
    status, code, text = error_of(getattr(client(service, config=UNCHECKED), operation))
    assert (status, code) == (501, "LocalCloudFailure")
    (wrong,) = take_wrong_responses()
    for problem in problems:
        assert problem in text
        assert problem in wrong
    (call,) = watch.entries("api-call")
    assert (call["status"], call["error"]) == (501, "LocalCloudFailure")
