"""The local cloud refuses what a stack's role may not, as the services do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud import journal
from localcloud.clients import client
from localcloud.permissions import on_behalf, seen
from localcloud.principals import credentials_of
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID, REGION
from moto.awslambda.models import lambda_backends

TEMPLATE = Path(__file__).with_name("stack.json")


@dataclass
class Account:
    """The account, seen by its root and by the stack's role."""

    names: dict[str, str]
    """Physical ids by logical ids."""

    def role(self, service: str, name: str = "Role") -> Any:
        """Return a client with the credentials of a role of the stack."""
        arn = f"arn:aws:iam::{ACCOUNT_ID}:role/{self.names[name]}"
        return client(service, credentials_of(arn, "session"))

    @property
    def table(self) -> str:
        """The name of the stack's table."""
        return self.names["Table"]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """An account with a small stack in it."""
    with LocalCloud():
        cloudformation = client("cloudformation")
        cloudformation.create_stack(
            StackName="small", TemplateBody=TEMPLATE.read_text(), Capabilities=["CAPABILITY_IAM"]
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="small", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
        resources = cloudformation.describe_stack_resources(StackName="small")["StackResources"]
        yield Account({r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources})


@pytest.fixture
def mark() -> int:
    """The journal's end before the test."""
    return journal.record("mark")["seq"]


def refused(call: Any, **request: Any) -> tuple[str, int, str]:
    """Return code, HTTP status and message of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response
    return (
        error["Error"]["Code"],
        error["ResponseMetadata"]["HTTPStatusCode"],
        error["Error"]["Message"],
    )


def item(pk: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": pk}}


def test_what_the_policies_allow_works_and_the_journal_says_what_it_touched(account, mark):
    account.role("dynamodb").put_item(TableName=account.table, Item=item("mine#1"))
    (call,) = journal.entries(mark, "api-call")
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{account.table}"
    key = f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{account.names['Key']}"
    assert call["action"] == "dynamodb:PutItem, kms:Decrypt"
    assert call["resources"] == [table, key]


def test_what_they_do_not_allow_is_refused_without_effect_and_journaled(account, mark):
    code, status, message = refused(
        account.role("dynamodb").put_item, TableName=account.table, Item=item("yours#1")
    )
    assert (code, status) == ("AccessDeniedException", 400)
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{account.table}"
    assert f"/session is not authorized to perform: dynamodb:PutItem on resource: {table}" in message
    assert message.endswith("because no identity-based policy allows the dynamodb:PutItem action")
    (call,) = journal.entries(mark, "api-call")
    assert (call["error"], call["resources"][0]) == ("AccessDeniedException", table)
    assert "Item" not in client("dynamodb").get_item(TableName=account.table, Key=item("yours#1"))


@pytest.mark.parametrize(
    ("service", "operation", "request_", "code", "status"),
    [
        ("ssm", "describe_ops_items", {}, "AccessDeniedException", 400),
        (
            "events",
            "put_events",
            {"Entries": [{"Source": "a", "DetailType": "b"}]},
            "AccessDeniedException",
            400,
        ),
        ("kms", "describe_key", {"KeyId": "11111111-2222"}, "AccessDeniedException", 400),
        ("lambda", "invoke", {"FunctionName": "reconcile"}, "AccessDeniedException", 403),
        ("ec2", "describe_security_groups", {}, "UnauthorizedOperation", 403),
        ("s3", "get_public_access_block", {"Bucket": "b"}, "AccessDenied", 403),
        (
            "sns",
            "publish",
            {"TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": "m"},
            "AuthorizationError",
            403,
        ),
        (
            "sqs",
            "send_message",
            {"QueueUrl": "http://127.0.0.1/1/q", "MessageBody": "m"},
            "AccessDenied",
            403,
        ),
    ],
)
def test_every_service_refuses_in_its_own_words(account, service, operation, request_, code, status):
    found = refused(getattr(account.role(service), operation), **request_)
    assert found[:2] == (code, status)


@pytest.mark.parametrize("part", ["Put", "Delete"])
def test_every_part_of_a_transaction_must_be_allowed(account, part):
    member = {"Put": "Item", "Delete": "Key"}[part]
    parts = [
        {"Put": {"TableName": account.table, "Item": item("mine#2")}},
        {part: {"TableName": account.table, member: item("yours#2")}},
    ]
    found = refused(account.role("dynamodb").transact_write_items, TransactItems=parts)
    assert found[0] == "AccessDeniedException"
    assert f"dynamodb:{part}Item" in found[2]
    assert "Item" not in client("dynamodb").get_item(TableName=account.table, Key=item("mine#2"))


def test_the_policy_of_a_resource_refuses_what_the_role_may(account):
    topic = account.names["Topic"]
    account.role("sns").publish(TopicArn=topic, Message="m")
    code, _, message = refused(account.role("sns", "OtherRole").publish, TopicArn=topic, Message="m")
    assert code == "AuthorizationError"
    assert message.endswith("with an explicit deny in a resource-based policy")


def test_who_may_use_a_resource_but_not_its_key_is_refused(account):
    queue = account.names["Queue"]
    account.role("sqs").send_message(QueueUrl=queue, MessageBody="m")
    found = refused(account.role("sqs", "OtherRole").send_message, QueueUrl=queue, MessageBody="m")
    assert f"kms:GenerateDataKey on resource: arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/" in found[2]


def test_a_denial_wins(account):
    found = refused(account.role("ssm").describe_parameters)
    assert found[2].endswith("with an explicit deny in an identity-based policy")


def test_an_operation_whose_needs_nobody_has_written_down_is_a_loud_error(account):
    code, _, message = refused(account.role("ssm").get_inventory_schema)
    assert code == "LocalCloudFailure"
    assert "does not know which permissions ssm:GetInventorySchema needs" in message


def test_people_and_roles_of_no_stack_may_do_everything(account):
    trust = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = client("iam").create_role(
        RoleName="by-hand", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    by_hand = credentials_of(role["Role"]["Arn"], "session")
    for everybody in (client("dynamodb"), client("dynamodb", by_hand)):
        everybody.put_item(TableName=account.table, Item=item("anything"))


def test_a_runbook_is_refused_as_its_role_is(account, mark):
    ssm = client("ssm")
    look = {"Service": "ec2", "Api": "DescribeSecurityGroups"}
    content = {
        "schemaVersion": "0.3",
        "assumeRole": f"arn:aws:iam::{ACCOUNT_ID}:role/{account.names['Role']}",
        "mainSteps": [{"name": "Look", "action": "aws:executeAwsApi", "inputs": look}],
    }
    ssm.create_document(Name="Mend-Look", DocumentType="Automation", Content=json.dumps(content))
    execution_id = ssm.start_automation_execution(DocumentName="Mend-Look")["AutomationExecutionId"]
    news = journal.entries(mark)
    while not any(entry["kind"] == "execution" and entry["status"] == "Failed" for entry in news):
        news = journal.wait(news[-1]["seq"], 20)
        assert news, "the execution does not end"
    execution = ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    (step,) = execution["StepExecutions"]
    assert step["FailureDetails"]["FailureType"] == "Permission"
    assert "UnauthorizedOperation" in step["FailureMessage"]


def test_lambda_hands_records_over_where_the_functions_role_may_send_only(account, mark):
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:"
    function = lambda_backends[ACCOUNT_ID][REGION].get_function(account.names["Function"])
    assert on_behalf.may_hand_over(function, f"{arn}{account.names['Queue'].rsplit('/', 1)[-1]}")
    assert not on_behalf.may_hand_over(function, f"{arn}another")
    (denied,) = journal.entries(mark, "denied")
    assert f"sqs:SendMessage on resource: {arn}another" in denied["message"]


def test_a_function_without_the_right_to_log_runs_on_but_it_is_told(account, mark):
    on_behalf.begin_logs_and_traces(
        lambda_backends[ACCOUNT_ID][REGION].get_function(account.names["Function"])
    )
    assert [entry["operation"] for entry in journal.entries(mark, "denied")] == [
        "Lambda: begin a log stream",
        "Lambda: write the function's log",
    ]


def test_what_roles_do_is_written_down_once(account, tmp_path, monkeypatch):
    file = tmp_path / "seen.jsonl"
    monkeypatch.setenv(seen.FILE_VARIABLE, str(file))
    for number in range(3):
        account.role("dynamodb").put_item(TableName=account.table, Item=item(f"mine#{number}"))
    with pytest.raises(ClientError):
        account.role("dynamodb").put_item(TableName=account.table, Item=item("yours#1"))
    with pytest.raises(ClientError):
        account.role("ssm").get_inventory_schema()
    client("dynamodb").scan(TableName=account.table)
    write, decrypt, refused_, unknown = seen.read(file)
    assert (write.stack, write.role, write.operation) == ("small", "Role", "dynamodb:PutItem")
    assert write.allowed_by == (("all", "KeepMine", 1),)
    assert (decrypt.action, decrypt.allowed_by) == ("kms:Decrypt", (("all", "UseKey", 0),))
    assert write.problem is None
    assert refused_.problem.endswith("because no identity-based policy allows the dynamodb:PutItem action")
    assert unknown.problem.startswith("UnknownOperation: ")
