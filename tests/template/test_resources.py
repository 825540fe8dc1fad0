"""What holds for resources of every kind: tags, encryption, protection of data, and how many there are."""

from __future__ import annotations

import gzip
import json
import re
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TAGS = {
    "AWS::Config::ConfigRule",
    "AWS::Events::EventBusPolicy",
    "AWS::IAM::Policy",
    "AWS::KMS::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}
"""Types that CloudFormation cannot tag."""

KEY_PROPERTY = {
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Events::EventBus": ("KmsKeyIdentifier",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
}
WITHOUT_KEY = {"AlarmTopic"}
"""What must still work when the key does not."""
OWN_KEY = "arn:aws:kms:eu-central-1:123456789012:key/0f0e0d0c-0b0a-0908-0706-050403020100"


def keys(deployment) -> set[str]:
    """The keys that encrypt the data of a deployment."""
    found = set()
    for name, resource in deployment.resources.items():
        if (path := KEY_PROPERTY.get(resource["Type"])) and name not in WITHOUT_KEY:
            value = resource["Properties"]
            for step in path:
                value = value[step]
            found.add(value)
    return found


def test_everything_that_takes_tags_is_tagged(deploy):
    for environment in ("dev", "staging", "prod"):
        deployment = deploy(Environment=environment, NotificationEmail="a@b.c", ChangeCalendars="Freeze")
        for name, resource in deployment.resources.items():
            if resource["Type"] in WITHOUT_TAGS:
                continue
            tags = resource["Properties"]["Tags"]
            if isinstance(tags, list):
                tags = {tag["Key"]: tag["Value"] for tag in tags}
            assert {"Application": "mend", "Environment": environment}.items() <= tags.items(), name


def test_one_key_encrypts_everything(deployment):
    assert keys(deployment) == {"EncryptionKey.Arn"}
    (key,) = deployment.of_type("AWS::KMS::Key").values()
    assert key["Properties"]["EnableKeyRotation"] is True


def test_a_key_of_the_users_own_takes_its_place_everywhere(deploy):
    deployment = deploy(KmsKeyArn=OWN_KEY, NotificationEmail="a@b.c")
    assert keys(deployment) == {OWN_KEY}
    assert "EncryptionKey" not in json.dumps(deployment.resources)


def test_data_outlives_the_stack(deployment):
    data = [
        *deployment.of_type("AWS::DynamoDB::Table").values(),
        *deployment.of_type("AWS::KMS::Key").values(),
    ]
    assert len(data) == 2
    for resource in data:
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resource["UpdateReplacePolicy"] == "Retain"


def test_the_ledger_is_as_the_functions_expect_and_can_be_recovered(deploy):
    for environment, protected in (("dev", False), ("staging", True), ("prod", True)):
        (table,) = deploy(Environment=environment).of_type("AWS::DynamoDB::Table").values()
        ledger = table["Properties"]
        assert {key["KeyType"]: key["AttributeName"] for key in ledger["KeySchema"]} == {
            "HASH": "pk",
            "RANGE": "sk",
        }
        assert {a["AttributeName"]: a["AttributeType"] for a in ledger["AttributeDefinitions"]} == {
            "pk": "S",
            "sk": "S",
            "open": "S",
        }
        (index,) = ledger["GlobalSecondaryIndexes"]
        assert index["IndexName"] == "open"
        assert index["KeySchema"] == [{"AttributeName": "open", "KeyType": "HASH"}]
        assert index["Projection"] == {"ProjectionType": "ALL"}
        assert ledger["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert ledger["DeletionProtectionEnabled"] is protected


def test_a_stack_update_touches_no_switch(deployment):
    assert not deployment.of_type("AWS::SSM::Parameter")


def test_what_a_user_has_already_or_does_not_want_is_left_out(deploy):
    assert not deploy(CreateConfigRules="false").of_type("AWS::Config::ConfigRule")
    assert not deploy().of_type("AWS::SNS::Subscription")
    assert deploy(NotificationEmail="ops@example.com").of_type("AWS::SNS::Subscription")
    (asked,) = deploy(ApprovalEmail="lee@example.com").of_type("AWS::SNS::Subscription").values()
    assert asked["Properties"] == {
        "TopicArn": "ApprovalTopic",
        "Protocol": "email",
        "Endpoint": "lee@example.com",
    }


def test_alarms_and_dashboard_cost_nothing_when_they_are_not_wanted(deploy):
    bare = deploy(CreateAlarms="false", CreateDashboard="false", NotificationEmail="ops@example.com")
    assert not bare.of_type("AWS::CloudWatch::Alarm")
    assert not bare.of_type("AWS::CloudWatch::Dashboard")
    assert bare.of_type("AWS::SNS::Topic").keys() == {"NotificationTopic", "ApprovalTopic"}
    assert bare.of_type("AWS::SNS::Subscription").keys() == {"EmailSubscription"}


CONFIG_RULES = {
    "RestrictedSshRule": ("INCOMING_SSH_DISABLED", "restricted-ssh", "close-admin-ports"),
    "RestrictedRdpRule": ("RESTRICTED_INCOMING_TRAFFIC", "restricted-rdp", "close-admin-ports"),
    "BucketPublicAccessRule": (
        "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED",
        "s3-bucket-level-public-access-prohibited",
        "block-public-bucket",
    ),
    "VolumeEncryptionByDefaultRule": (
        "EC2_EBS_ENCRYPTION_BY_DEFAULT",
        "ec2-ebs-encryption-by-default",
        "encrypt-volumes-by-default",
    ),
    "KeyRotationRule": (
        "CMK_BACKING_KEY_ROTATION_ENABLED",
        "cmk-backing-key-rotation-enabled",
        "rotate-kms-key",
    ),
}
"""The identifier of AWS's rule, the name it has here, and the route that answers it."""


@pytest.fixture(scope="session")
def managed_rules() -> dict[str, dict[str, str]]:
    """AWS's own rules by their identifiers, as moto knows them."""
    packed = (resources.files("moto.config") / "resources/aws_managed_rules.json.gz").read_bytes()
    return json.loads(gzip.decompress(packed))["ManagedRules"]


def test_the_config_rules_are_rules_of_aws_that_a_route_answers(deploy, managed_rules):
    rules = deploy(Environment="prod").of_type("AWS::Config::ConfigRule")
    assert rules.keys() == CONFIG_RULES.keys()
    for logical_id, (identifier, name, route) in CONFIG_RULES.items():
        rule = rules[logical_id]["Properties"]
        assert rule["Source"] == {"Owner": "AWS", "SourceIdentifier": identifier}
        assert identifier in managed_rules
        assert rule["ConfigRuleName"] == f"mend-prod-{name}"
        assert routes_for(rule["ConfigRuleName"]) == [route]


def test_every_route_has_a_config_rule(deploy):
    routes = yaml.safe_load((ROOT / "policy/config.yaml").read_text())
    assert {route["name"] for route in routes} == {route for _, _, route in CONFIG_RULES.values()}


def test_config_rules_look_when_aws_lets_them(deploy, managed_rules):
    for name, rule in deploy().of_type("AWS::Config::ConfigRule").items():
        trigger = managed_rules[rule["Properties"]["Source"]["SourceIdentifier"]]["Trigger type"]
        assert ("MaximumExecutionFrequency" in rule["Properties"]) == (trigger == "Periodic"), name
        if "Scope" in rule["Properties"]:
            assert "Configuration changes" in trigger, name


def test_the_rule_for_rdp_looks_at_no_other_port(deploy):
    rule = deploy().resources["RestrictedRdpRule"]["Properties"]
    assert rule["InputParameters"].keys() == {f"blockedPort{number}" for number in range(1, 6)}
    assert set(rule["InputParameters"].values()) == {"3389"}


def routes_for(rule_name: str) -> list[str]:
    """The routes that take what a Config rule with this name reports."""
    routes = yaml.safe_load((ROOT / "policy/config.yaml").read_text())
    return [
        route["name"]
        for route in routes
        if any(fnmatchcase(rule_name, glob) for glob in route["takes"]["config-rules"])
    ]


@pytest.mark.parametrize(
    "name",
    [
        "restricted-common-ports",
        "vpc-sg-port-restriction-check",
        "securityhub-vpc-sg-restricted-common-ports-1a2b3c4d",
    ],
)
def test_rules_that_look_at_other_ports_too_are_not_answered(name):
    """The runbook would find SSH and RDP closed and report compliance, with FTP still open."""
    assert routes_for(name) == []


def test_the_template_is_for_every_partition():
    """`AWS::Partition` and `AWS::URLSuffix`, not what they are in most Regions."""
    text = (ROOT / "template.yaml").read_text()
    assert not re.findall(r"arn:aws[^\[]", text), "an ARN names a partition"
    hosts = set(re.findall(r"[\w.{}$:-]+\.amazonaws\.com", text))
    assert hosts == {
        f"{service}.amazonaws.com"
        for service in ("cloudwatch", "events", "lambda", "lambda.alarms.cloudwatch", "scheduler", "ssm")
    }, "only these principals are called so everywhere"
