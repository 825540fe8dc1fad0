"""The types that a template can declare: each is made, changed in place and removed by its service's API."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client

pytestmark = pytest.mark.usefixtures("cloud")

Properties = dict[str, Any]

numbers = itertools.count(1)

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}}
TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {}}
LOG_GROUP = {"Type": "AWS::Logs::LogGroup", "Properties": {}}
KEY = {"Type": "AWS::KMS::Key", "Properties": {"Description": "a"}}
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {}}


def allow(action: str, resource: Any = "*") -> Properties:
    statement = {"Sid": "One", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def policy(action: str) -> Properties:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
    }


def ref(name: str) -> Properties:
    return {"Ref": name}


def arn_of(name: str, attribute: str = "Arn") -> Properties:
    return {"Fn::GetAtt": [name, attribute]}


@dataclass(frozen=True)
class Case:
    """A resource, what is changed about it, and what its service then says."""

    type: str
    before: Properties
    after: Properties
    look: Callable[[str], Any]
    seen: tuple[Any, Any]
    others: Properties = field(default_factory=dict)


def index(name: str) -> Properties:
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }


def table(*attributes: str, **properties: Any) -> Properties:
    return {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", *attributes)
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        **properties,
    }


def described_table(name: str) -> Any:
    described = client("dynamodb").describe_table(TableName=name)["Table"]
    return (
        {i["IndexName"] for i in described.get("GlobalSecondaryIndexes", [])},
        client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"],
        described["DeletionProtectionEnabled"],
    )


def schedule(**properties: Any) -> Properties:
    return {
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": arn_of("Queue"), "RoleArn": arn_of("Role")},
        "State": "DISABLED",
        **properties,
    }


def alarm(**properties: Any) -> Properties:
    return {
        "Namespace": "Mend",
        "MetricName": "Heartbeat",
        "Statistic": "Sum",
        "Period": 300,
        "ComparisonOperator": "LessThanThreshold",
        "EvaluationPeriods": "3",
        "Threshold": 1,
        "TreatMissingData": "breaching",
        "Dimensions": [{"Name": "Environment", "Value": "dev"}],
        **properties,
    }


def described_alarm(name: str) -> Any:
    (described,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return described["EvaluationPeriods"], described["TreatMissingData"], described["AlarmActions"]


def dashboard(title: str) -> Properties:
    widget = {"type": "text", "x": 0, "y": 0, "width": 6, "height": 2, "properties": {"markdown": title}}
    return {"DashboardBody": json.dumps({"widgets": [widget]})}


def described_dashboard(name: str) -> str:
    body = client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    return json.loads(body)["widgets"][0]["properties"]["markdown"]


def metric_filter(pattern: str) -> Properties:
    transformation = {"MetricName": "Errors", "MetricNamespace": "Mend", "MetricValue": "1"}
    return {
        "LogGroupName": ref("LogGroup"),
        "FilterPattern": pattern,
        "MetricTransformations": [transformation],
    }


def described_filter(name: str) -> str:
    (found,) = client("logs").describe_metric_filters(filterNamePrefix=name)["metricFilters"]
    return found["filterPattern"]


def described_role(name: str) -> Any:
    iam = client("iam")
    return (
        iam.get_role(RoleName=name)["Role"].get("Description", ""),
        set(iam.list_role_policies(RoleName=name)["PolicyNames"]),
        {p["PolicyName"] for p in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]},
    )


def inline(name: str) -> Properties:
    return {"PolicyName": name, "PolicyDocument": policy("s3:GetObject")}


def managed(name: str) -> str:
    return f"arn:aws:iam::aws:policy/{name}"


def managed_action(arn: str) -> Any:
    iam = client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return document["Statement"][0]["Action"]


def described_bucket(name: str) -> Any:
    s3 = client("s3")
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    return (
        s3.get_bucket_versioning(Bucket=name).get("Status"),
        s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]["BlockPublicAcls"],
        lifecycle[0]["Expiration"]["Days"],
        s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0][
            "ApplyServerSideEncryptionByDefault"
        ]["SSEAlgorithm"],
    )


def bucket(days: int, **properties: Any) -> Properties:
    sse = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    return {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [sse]},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": "true"},
        "LifecycleConfiguration": {"Rules": [{"Id": "old", "Status": "Enabled", "ExpirationInDays": days}]},
        **properties,
    }


def described_key(key: str) -> Any:
    kms = client("kms")
    return (
        kms.describe_key(KeyId=key)["KeyMetadata"]["Description"],
        kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
    )


def described_rule(name: str) -> Any:
    bus, _, rule = name.rpartition("|")
    place = {"EventBusName": bus or "default"}
    events = client("events")
    described = events.describe_rule(Name=rule, **place)
    targets = events.list_targets_by_rule(Rule=rule, **place)["Targets"]
    return described.get("State"), json.loads(described["EventPattern"]), {t["Id"] for t in targets}


def rule(pattern: Properties, *targets: str, **properties: Any) -> Properties:
    return {
        "EventBusName": ref("Bus"),
        "EventPattern": pattern,
        "Targets": [{"Id": name, "Arn": arn_of("Queue")} for name in targets],
        **properties,
    }


def queue_statement(url: str) -> str:
    attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    return json.loads(attributes["Policy"])["Statement"][0]["Action"]


CASES = [
    Case(
        "AWS::Scheduler::Schedule",
        schedule(),
        schedule(ScheduleExpression="rate(1 minute)", State="ENABLED", Description="each minute"),
        lambda name: client("scheduler").get_schedule(Name=name)["ScheduleExpression"],
        ("rate(5 minutes)", "rate(1 minute)"),
        {"Queue": QUEUE, "Role": ROLE},
    ),
    Case(
        "AWS::CloudWatch::Alarm",
        alarm(),
        alarm(EvaluationPeriods=5, TreatMissingData="ignore"),
        described_alarm,
        ((3, "breaching", []), (5, "ignore", [])),
    ),
    Case(
        "AWS::CloudWatch::Dashboard",
        dashboard("before"),
        dashboard("after"),
        described_dashboard,
        ("before", "after"),
    ),
    Case(
        "AWS::Logs::LogGroup",
        {"RetentionInDays": "7"},
        {"RetentionInDays": 30},
        lambda name: client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"][0][
            "retentionInDays"
        ],
        (7, 30),
    ),
    Case(
        "AWS::Logs::MetricFilter",
        metric_filter("ERROR"),
        metric_filter("FATAL"),
        described_filter,
        ("ERROR", "FATAL"),
        {"LogGroup": LOG_GROUP},
    ),
    Case(
        "AWS::DynamoDB::Table",
        table("open", GlobalSecondaryIndexes=[index("open")], DeletionProtectionEnabled=True),
        table(
            "due",
            GlobalSecondaryIndexes=[index("due")],
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": "true"},
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        ),
        described_table,
        (({"open"}, "DISABLED", True), ({"due"}, "ENABLED", False)),
    ),
    Case(
        "AWS::S3::Bucket",
        bucket(30),
        bucket(60, VersioningConfiguration={"Status": "Enabled"}),
        described_bucket,
        ((None, True, 30, "aws:kms"), ("Enabled", True, 60, "aws:kms")),
    ),
    Case(
        "AWS::S3::BucketPolicy",
        {"Bucket": ref("Bucket"), "PolicyDocument": allow("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"})},
        {"Bucket": ref("Bucket"), "PolicyDocument": allow("s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/*"})},
        lambda name: json.loads(client("s3").get_bucket_policy(Bucket=name)["Policy"])["Statement"][0][
            "Action"
        ],
        ("s3:GetObject", "s3:PutObject"),
        {"Bucket": BUCKET},
    ),
    Case(
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": TRUST,
            "Policies": [inline("a"), inline("b")],
            "ManagedPolicyArns": [managed("ReadOnlyAccess")],
        },
        {
            "AssumeRolePolicyDocument": TRUST,
            "Description": "new",
            "Policies": [inline("b"), inline("c")],
            "ManagedPolicyArns": [managed("SecurityAudit")],
        },
        described_role,
        (("", {"a", "b"}, {"ReadOnlyAccess"}), ("new", {"b", "c"}, {"SecurityAudit"})),
    ),
    Case(
        "AWS::IAM::ManagedPolicy",
        {"PolicyDocument": policy("s3:GetObject"), "Roles": [ref("Role")]},
        {"PolicyDocument": policy("s3:PutObject")},
        managed_action,
        ("s3:GetObject", "s3:PutObject"),
        {"Role": ROLE},
    ),
    Case(
        "AWS::KMS::Key",
        {"Description": "before", "EnableKeyRotation": "true"},
        {"Description": "after", "KeyPolicy": allow("kms:*")},
        described_key,
        (("before", True), ("after", False)),
    ),
    Case(
        "AWS::KMS::Alias",
        {"AliasName": "alias/one", "TargetKeyId": ref("A")},
        {"AliasName": "alias/one", "TargetKeyId": ref("B")},
        lambda name: client("kms").describe_key(KeyId=name)["KeyMetadata"]["Description"],
        ("a", "b"),
        {"A": KEY, "B": {"Type": "AWS::KMS::Key", "Properties": {"Description": "b"}}},
    ),
    Case(
        "AWS::Events::Rule",
        rule({"source": ["a"]}, "one", "two"),
        rule({"source": ["b"]}, "two", "three", State="DISABLED"),
        described_rule,
        (
            ("ENABLED", {"source": ["a"]}, {"one", "two"}),
            ("DISABLED", {"source": ["b"]}, {"two", "three"}),
        ),
        {"Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "of-rules"}}, "Queue": QUEUE},
    ),
    Case(
        "AWS::SNS::Topic",
        {"DisplayName": "before"},
        {"DisplayName": "after"},
        lambda arn: client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"],
        ("before", "after"),
    ),
    Case(
        "AWS::SNS::Subscription",
        {"TopicArn": ref("Topic"), "Protocol": "email", "Endpoint": "a@b.c", "FilterPolicy": {"x": ["1"]}},
        {"TopicArn": ref("Topic"), "Protocol": "email", "Endpoint": "a@b.c", "FilterPolicy": {"x": ["2"]}},
        lambda arn: json.loads(
            client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["FilterPolicy"]
        ),
        ({"x": ["1"]}, {"x": ["2"]}),
        {"Topic": TOPIC},
    ),
    Case(
        "AWS::Config::ConfigRule",
        {
            "Description": "before",
            "Source": {"Owner": "AWS", "SourceIdentifier": "INCOMING_SSH_DISABLED"},
        },
        {
            "Description": "after",
            "Source": {"Owner": "AWS", "SourceIdentifier": "RESTRICTED_INCOMING_TRAFFIC"},
            "InputParameters": {"blockedPort1": "3389"},
        },
        lambda name: client("config").describe_config_rules(ConfigRuleNames=[name])["ConfigRules"][0][
            "Description"
        ],
        ("before", "after"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.type)
def test_a_type_is_made_changed_in_place_and_removed(case: Case):
    cloudformation, stack = client("cloudformation"), f"type-{next(numbers)}"

    def body(properties: Properties) -> str:
        return json.dumps({"Resources": {**case.others, "X": {"Type": case.type, "Properties": properties}}})

    def made() -> tuple[str, str]:
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        failures = [e["ResourceStatusReason"] for e in events if e["ResourceStatus"].endswith("_FAILED")]
        assert not failures
        resource = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="X")
        return described["StackStatus"], resource["StackResourceDetail"]["PhysicalResourceId"]

    iam = ["CAPABILITY_IAM"]
    cloudformation.create_stack(StackName=stack, TemplateBody=body(case.before), Capabilities=iam)
    status, physical_id = made()
    assert status == "CREATE_COMPLETE"
    assert case.look(physical_id) == case.seen[0]

    cloudformation.update_stack(StackName=stack, TemplateBody=body(case.after), Capabilities=iam)
    assert made() == ("UPDATE_COMPLETE", physical_id)
    assert case.look(physical_id) == case.seen[1]

    cloudformation.delete_stack(StackName=stack)
    assert stack not in {s["StackName"] for s in cloudformation.describe_stacks()["Stacks"]}
    if case.type != "AWS::KMS::Key":  # it waits for its deletion
        assert is_gone(case, physical_id)


def is_gone(case: Case, physical_id: str) -> bool:
    """Tell whether the service no longer knows the resource; a list of it is empty then."""
    try:
        case.look(physical_id)
    except (ClientError, IndexError, ValueError):
        return True
    return False


def test_policies_of_topics_queues_and_buses_change_and_go():
    cloudformation = client("cloudformation")

    def body(action: str, *, policies: bool = True) -> str:
        resources: Properties = {
            "Topic": TOPIC,
            "Queue": QUEUE,
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "of-policies"}},
        }
        if policies:
            statement = {"Effect": "Deny", "Principal": "*", "Action": f"events:{action}"}
            resources |= {
                "OfTopic": {
                    "Type": "AWS::SNS::TopicPolicy",
                    "Properties": {"Topics": [ref("Topic")], "PolicyDocument": allow(f"sns:{action}")},
                },
                "OfQueue": {
                    "Type": "AWS::SQS::QueuePolicy",
                    "Properties": {"Queues": [ref("Queue")], "PolicyDocument": allow(f"sqs:{action}")},
                },
                "OfBus": {
                    "Type": "AWS::Events::EventBusPolicy",
                    "Properties": {
                        "EventBusName": ref("Bus"),
                        "StatementId": "Nobody",
                        "Statement": {**statement, "Resource": arn_of("Bus")},
                    },
                },
            }
        return json.dumps({"Resources": resources})

    def actions() -> tuple[Any, Any, Any]:
        resources = cloudformation.list_stack_resources(StackName="policies")["StackResourceSummaries"]
        ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
        topic = client("sns").get_topic_attributes(TopicArn=ids["Topic"])["Attributes"]["Policy"]
        bus = json.loads(client("events").describe_event_bus(Name="of-policies").get("Policy") or "{}")
        attributes = client("sqs").get_queue_attributes(QueueUrl=ids["Queue"], AttributeNames=["Policy"])
        queue = json.loads(attributes.get("Attributes", {}).get("Policy") or "{}")
        return tuple(
            [statement["Action"] for statement in document.get("Statement", [])]
            for document in (json.loads(topic), queue, bus)
        )

    cloudformation.create_stack(StackName="policies", TemplateBody=body("Publish"))
    assert actions() == (["sns:Publish"], ["sqs:Publish"], ["events:Publish"])
    cloudformation.update_stack(StackName="policies", TemplateBody=body("Subscribe"))
    assert actions() == (["sns:Subscribe"], ["sqs:Subscribe"], ["events:Subscribe"])
    cloudformation.update_stack(StackName="policies", TemplateBody=body("", policies=False))
    topic, queue, bus = actions()
    assert (queue, bus) == ([], [])
    assert topic != ["sns:Subscribe"]
    cloudformation.delete_stack(StackName="policies")
