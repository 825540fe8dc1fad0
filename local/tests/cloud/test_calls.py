"""Every API call: its entry in the journal, its principal, and what the local cloud does not have."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud import calls, journal
from localcloud.clients import client
from localcloud.server import LocalCloud
from moto.ssm.responses import SimpleSystemManagerResponse

pytestmark = pytest.mark.usefixtures("cloud")


def refused(call: Any, **parameters: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "named"),
    [
        ("ssm", "create_association", {"Name": "xyz"}, "ssm:CreateAssociation"),  # JSON 1.1
        ("sqs", "list_message_move_tasks", {"SourceArn": "x"}, "sqs:ListMessageMoveTasks"),  # JSON 1.0
        ("ec2", "describe_trunk_interface_associations", {}, "ec2:DescribeTrunkInterfaceAssociations"),
        ("sns", "list_origination_numbers", {}, "sns:ListOriginationNumbers"),  # query
        ("route53", "get_checker_ip_ranges", {}, "GET /2013-04-01/checkeripranges"),  # REST, XML
        ("lambda", "get_account_settings", {}, "GET /2016-08-19/account-settings"),  # REST, JSON
    ],
)
def test_an_operation_that_is_missing_is_named_and_not_tried_again(
    service: str, operation: str, parameters: dict[str, Any], named: str, watch: Any
):
    error = refused(getattr(client(service), operation), **parameters)
    assert error["Code"] == "NotSupportedLocally"
    assert named in error["Message"]
    (call,) = watch.entries("api-call")
    assert (call["status"], call["error"]) == (400, "NotSupportedLocally")


def test_a_request_that_moto_stumbles_over_is_not_tried_again(watch: Any, monkeypatch: pytest.MonkeyPatch):
    def stumble(self: SimpleSystemManagerResponse) -> None:
        raise KeyError("Nothing")

    monkeypatch.setattr(SimpleSystemManagerResponse, "get_parameter", stumble)
    error = refused(client("ssm").get_parameter, Name="/x")
    assert error["Code"] == "LocalCloudFailure"
    assert "failed on ssm:GetParameter: KeyError: 'Nothing'" in error["Message"]
    assert len(watch.entries("api-call")) == 1


def test_a_call_is_journaled_with_its_request_by_the_names_of_the_model(watch: Any):
    client("ssm").put_parameter(Name="/mend/dev/kill-switch", Type="String", Value="released")
    client("ec2").create_security_group(GroupName="g", Description="d")
    client("lambda").list_versions_by_function(FunctionName="f")
    made = {call["operation"]: call for call in watch.entries("api-call")}
    assert made["PutParameter"]["request"] == {
        "Name": "/mend/dev/kill-switch",
        "Type": "String",
        "Value": "released",
    }
    assert made["PutParameter"]["principal"] == "arn:aws:iam::123456789012:root"
    assert (made["PutParameter"]["service"], made["PutParameter"]["status"]) == ("ssm", 200)
    assert made["CreateSecurityGroup"]["request"] == {"GroupName": "g", "Description": "d"}
    assert made["ListVersionsByFunction"]["request"] == {"FunctionName": "f"}


def test_an_error_is_journaled_with_its_code(watch: Any):
    refused(client("ssm").get_parameter, Name="/absent")
    refused(client("iam").get_role, RoleName="absent")
    refused(client("s3").get_object, Bucket="absent", Key="k")
    assert [(c["service"], c["error"]) for c in watch.entries("api-call")] == [
        ("ssm", "ParameterNotFound"),
        ("iam", "NoSuchEntity"),
        ("s3", "NoSuchBucket"),
    ]


def test_the_principal_is_who_signed_the_call(watch: Any):
    iam = client("iam")
    iam.create_user(UserName="operator")
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    user = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    role = iam.create_role(RoleName="mender", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    session = client("sts", user).assume_role(RoleArn=role, RoleSessionName="run-1")["Credentials"]
    assumed = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    client("ec2", assumed).describe_security_groups()
    principals = {call["operation"]: call["principal"] for call in watch.entries("api-call")}
    assert principals["AssumeRole"] == "arn:aws:iam::123456789012:user/operator"
    assert principals["DescribeSecurityGroups"] == "arn:aws:sts::123456789012:assumed-role/mender/run-1"


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ssm", "describe_parameters", "AccessDeniedException"),
        ("lambda", "list_functions", "AccessDeniedException"),
        ("sqs", "list_queues", "AccessDenied"),
        ("sns", "list_topics", "AuthorizationError"),
        ("iam", "list_roles", "AccessDenied"),
        ("ec2", "describe_volumes", "UnauthorizedOperation"),
        ("s3", "list_buckets", "AccessDenied"),
    ],
)
def test_a_call_that_is_not_allowed_is_refused_as_the_service_refuses_it(
    service: str, operation: str, code: str, watch: Any, monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def deny(call: calls.Call) -> calls.Authorization:
        asked.append(call)
        return calls.Authorization({"action": "some:Action", "resources": ["*"]}, denial="not authorized")

    monkeypatch.setattr(calls, "authorize", deny)
    error = refused(getattr(client(service), operation))
    assert (error["Code"], error["Message"]) == (code, "not authorized")
    (call,) = asked
    assert call.service == service
    assert call.operation.lower() == operation.replace("_", "")
    assert call.principal == "arn:aws:iam::123456789012:root"
    (entry,) = watch.entries("api-call")
    assert (entry["action"], entry["resources"], entry["error"]) == ("some:Action", ["*"], code)


def test_what_is_asked_for_permission_sees_the_parameters(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def allow(call: calls.Call) -> calls.Authorization:
        asked.append((call.operation, call.parameters))
        return calls.Authorization()

    monkeypatch.setattr(calls, "authorize", allow)
    client("s3").create_bucket(
        Bucket="seen", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    client("s3").put_object(Bucket="seen", Key="a/b", Body=b"content")
    client("lambda").list_versions_by_function(FunctionName="f")
    (_, bucket), (put, written), (listed, versions) = asked
    assert bucket["Bucket"] == "seen"
    assert (put, written["Bucket"], written["Key"]) == ("PutObject", "seen", "a/b")
    assert (listed, versions) == ("ListVersionsByFunction", {"FunctionName": "f"})
    assert client("s3").get_object(Bucket="seen", Key="a/b")["Body"].read() == b"content"


def test_the_control_api_waits_for_what_comes(cloud: LocalCloud):
    def get(path: str) -> Any:
        with urllib.request.urlopen(f"{cloud.endpoint_url}/_local/{path}") as response:
            return json.load(response)

    assert get("health") == {"status": "ok"}
    after = journal.record("mark")["seq"]
    assert get(f"journal?after={after}") == {"entries": []}
    threading.Timer(0.1, journal.record, ("test",), {"number": 1}).start()
    started = time.monotonic()
    (entry,) = get(f"journal?after={after}&wait=10")["entries"]
    assert time.monotonic() - started < 5
    assert (entry["kind"], entry["number"], entry["seq"]) == ("test", 1, after + 1)
    for bad, status in (("journal?after=x", 400), ("nothing", 404)):
        with pytest.raises(urllib.error.HTTPError) as error:
            get(bad)
        assert error.value.code == status


def test_a_notification_is_journaled_by_protocol(watch: Any):
    sns = client("sns")
    topic = sns.create_topic(Name="people")["TopicArn"]
    message = {"default": "readable", "sqs": '{"machine": true}'}
    sns.publish(
        TopicArn=topic,
        Subject="Healed",
        Message=json.dumps(message),
        MessageStructure="json",
        MessageAttributes={"severity": {"DataType": "String", "StringValue": "2"}},
    )
    (notification,) = watch.entries("notification")
    assert notification["topic_arn"] == topic
    assert notification["subject"] == "Healed"
    assert notification["message"] == message
    assert notification["attributes"] == {"severity": "2"}
    for bad in ('{"sqs": "x"}', "not json", "[]"):
        error = refused(sns.publish, TopicArn=topic, Message=bad, MessageStructure="json")
        assert error["Code"] == "InvalidParameter"


def test_plain_parameters_behave_as_in_parameter_store():
    ssm = client("ssm")
    name = "/mend/prod/kill-switch"
    assert ssm.put_parameter(Name=name, Type="String", Value="released")["Version"] == 1
    error = refused(ssm.put_parameter, Name=name, Type="String", Value="engaged")
    assert error["Code"] == "ParameterAlreadyExists"
    engaged = "engaged: operator, test"
    assert ssm.put_parameter(Name=name, Value=engaged, Overwrite=True)["Version"] == 2
    answer = ssm.get_parameters(Names=[name, "/mend/prod/mode/x"])
    assert answer["InvalidParameters"] == ["/mend/prod/mode/x"]
    (parameter,) = answer["Parameters"]
    assert (parameter["Value"], parameter["Type"], parameter["Version"]) == (engaged, "String", 2)
