"""Deployment: the template's resources have their effects, and what cannot be deployed is said."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from localcloud.clients import client
from localcloud.deploy import DeployError, Stack, deploy
from localcloud.settings import settings

HERE = Path(__file__).parent

pytestmark = pytest.mark.usefixtures("cloud")


@pytest.fixture
def template(tmp_path: Path):
    """A function that writes a template of these resources and returns its path."""

    def write(resources: str) -> Path:
        path = tmp_path / "template.yaml"
        path.write_text(f"Transform: AWS::Serverless-2016-10-31\nResources:\n  {resources}\n")
        return path

    return write


def test_outputs_and_functions(stack: Stack):
    assert stack.functions == {"stand-in": "stand-in"}
    assert stack.outputs == {
        "FunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:stand-in",
        "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:dead-letters",
        "DeadLetterQueueUrl": f"{settings.endpoint_url}/123456789012/dead-letters",
    }


def test_what_a_condition_leaves_out_is_not_in_the_stack(stack: Stack):
    resources = client("cloudformation").describe_stack_resources(StackName=stack.name)["StackResources"]
    names = {resource["LogicalResourceId"] for resource in resources}
    assert "Topic" in names
    assert "EmailSubscription" not in names


def test_the_types_that_moto_lacks_have_their_effect(stack: Stack):
    config = client("lambda").get_function_event_invoke_config(FunctionName="stand-in")
    assert config["MaximumRetryAttempts"] == 2
    assert config["DestinationConfig"]["OnFailure"]["Destination"].endswith(":dead-letters")
    topic = client("sns").list_topics()["Topics"][0]["TopicArn"]
    policy = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    assert json.loads(policy)["Statement"][0]["Sid"] == "OnlyOverTls"
    assert "Nobody" in client("events").describe_event_bus(Name="incidents")["Policy"]
    rules = client("config").describe_config_rules(ConfigRuleNames=["restricted-ssh"])["ConfigRules"]
    assert rules[0]["Source"]["SourceIdentifier"] == "INCOMING_SSH_DISABLED"
    role = client("iam").list_roles()["Roles"][0]["RoleName"]
    attached = client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert attached[0]["PolicyName"] == "AWSLambdaBasicExecutionRole"


def test_an_included_runbook_is_the_document(stack: Stack):
    document = client("ssm").get_document(Name="Mend-Nothing")
    assert json.loads(document["Content"])["mainSteps"][0]["action"] == "aws:sleep"
    described = client("ssm").describe_document(Name="Mend-Nothing")["Document"]
    assert (described["DocumentType"], described["DocumentVersion"]) == ("Automation", "1")


def test_a_subscription_is_made(template):
    path = template(
        "T: {Type: AWS::SNS::Topic}\n"
        "  S: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref T, Protocol: email, Endpoint: a@b.c,"
        ' FilterPolicy: {severity: ["1"]}}}'
    )
    deploy(path, "subscribed", {})
    (subscription,) = [
        s for s in client("sns").list_subscriptions()["Subscriptions"] if s["Endpoint"] == "a@b.c"
    ]
    attributes = client("sns").get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])
    assert json.loads(attributes["Attributes"]["FilterPolicy"]) == {"severity": ["1"]}


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ("X: {Type: AWS::Budgets::Budget}", "Unrecognized resource types: [AWS::Budgets::Budget]"),
        ("X: {Type: AWS::Serverless::Function, Properties: {Handler: h}}", "X needs a CodeUri"),
        (
            "X: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/absent}}",
            "There is no absent in",
        ),
        (
            "X: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/stand-in}}",
            "Resource with id [X] is invalid",
        ),
        (
            "X: {Type: AWS::SSM::Document, Properties: {Content: {Fn::Transform: {Name: AWS::Include,"
            " Parameters: {Location: absent.yaml}}}}}",
            "absent.yaml cannot be read",
        ),
        (
            "X: {Type: AWS::Events::Rule, Properties: {EventPattern: {a: [{b: c}]}}}",
            "Unrecognized match type b",
        ),
        ("X: [", "YAML not well-formed"),
    ],
)
def test_what_is_wrong_is_said(template, resources: str, problem: str):
    with pytest.raises(DeployError) as error:
        deploy(template(resources), f"wrong-{uuid.uuid4().hex}", {})
    assert problem in str(error.value)


def test_unknown_parameters_and_templates_are_refused():
    with pytest.raises(DeployError, match=r"Parameters: \[Colour\] do not exist"):
        deploy(HERE / "template.yaml", "wrong", {"Colour": "blue"})
    with pytest.raises(DeployError, match="cannot be read"):
        deploy(HERE / "absent.yaml", "wrong", {})
