"""Stacks: change sets, what an update leaves alone, what a failure takes back, and what is refused."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client

pytestmark = pytest.mark.usefixtures("cloud")

Template = dict[str, Any]
ARN = "arn:aws:cloudformation:eu-central-1:123456789012:"


def topic(**properties: Any) -> Template:
    return {"Type": "AWS::SNS::Topic", "Properties": properties}


def queue(**properties: Any) -> Template:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def parameter(name: str, value: Any, **more: Any) -> Template:
    return {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Value": value},
        **more,
    }


BAD_RULE = {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"a": [{"b": "c"}]}}}


class Stack:
    """One stack under test, by the API."""

    def __init__(self, name: str):
        self.name = name
        self.api = client("cloudformation")

    def create(self, resources: Template, **request: Any) -> dict[str, Any]:
        """Create it and return its description."""
        return self._run(self.api.create_stack, resources, request)

    def update(self, resources: Template, **request: Any) -> dict[str, Any]:
        """Update it and return its description."""
        return self._run(self.api.update_stack, resources, request)

    def _run(self, operation: Callable[..., Any], resources: Template, request: dict[str, Any]) -> Any:
        sections = request.pop("sections", {})
        body = json.dumps({"Resources": resources, **sections})
        operation(StackName=self.name, TemplateBody=body, **request)
        return self.describe()

    def plan(self, resources: Template, kind: str = "UPDATE", **request: Any) -> dict[str, Any]:
        """Create a change set and return its whole description."""
        sections = request.pop("sections", {})
        change_set = self.api.create_change_set(
            StackName=self.name,
            ChangeSetName=f"plan-{next(numbers)}",
            ChangeSetType=kind,
            TemplateBody=json.dumps({"Resources": resources, **sections}),
            **request,
        )
        paginator = self.api.get_paginator("describe_change_set")
        pages = list(paginator.paginate(ChangeSetName=change_set["Id"]))
        return {
            **pages[0],
            "Changes": [change for page in pages for change in page["Changes"]],
            "Pages": len(pages),
        }

    def describe(self) -> dict[str, Any]:
        """Return the description, with the outputs by their keys."""
        (stack,) = self.api.describe_stacks(StackName=self.name)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        return {**stack, "Outputs": outputs}

    def ids(self) -> dict[str, str]:
        """Return the physical ids by the logical ones."""
        summaries = self.api.list_stack_resources(StackName=self.name)["StackResourceSummaries"]
        return {s["LogicalResourceId"]: s["PhysicalResourceId"] for s in summaries}

    def events(self) -> list[dict[str, Any]]:
        """Return the events, the first one first."""
        pages = self.api.get_paginator("describe_stack_events").paginate(StackName=self.name)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def story(self) -> list[tuple[str, str]]:
        """Return what happened, as logical ids and statuses."""
        return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in self.events()]

    def reason(self, logical_id: str) -> str:
        """Return why a resource failed."""
        return next(
            event["ResourceStatusReason"]
            for event in self.events()
            if event["LogicalResourceId"] == logical_id and event["ResourceStatus"].endswith("_FAILED")
        )


numbers = itertools.count(1)


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A stack that does not exist yet, and is deleted at the end."""
    stack = Stack(f"stack-{next(numbers)}")
    yield stack
    stack.api.update_termination_protection(StackName=stack.name, EnableTerminationProtection=False)
    stack.api.delete_stack(StackName=stack.name)


@pytest.fixture
def never_made() -> Stack:
    """A stack that no test brings into being."""
    return Stack(f"stack-{next(numbers)}")


def value_of(name: str) -> tuple[str, int]:
    """Return a parameter's value and how often it was written."""
    answer = client("ssm").get_parameter(Name=name)["Parameter"]
    return answer["Value"], answer["Version"]


def refused(code: str, text: str) -> Any:
    """Expect an error of the API."""
    return pytest.raises(ClientError, match=rf"(?s)\({code}\).*{text}")


# --- Change sets ----------------------------------------------------------------------------------


def test_a_change_set_creates_a_stack_as_sam_wants_it(stack: Stack):
    resources = {f"T{number}": topic() for number in range(60)}
    planned = stack.plan(resources, "CREATE", Tags=[{"Key": "Application", "Value": "mend"}])
    assert (planned["Status"], planned["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert planned["Pages"] == 2
    assert {c["ResourceChange"]["Action"] for c in planned["Changes"]} == {"Add"}
    assert len(planned["Changes"]) == 60
    assert stack.describe()["StackStatus"] == "REVIEW_IN_PROGRESS"
    stack.api.get_waiter("change_set_create_complete").wait(
        ChangeSetName=planned["ChangeSetName"], StackName=stack.name, WaiterConfig={"MaxAttempts": 1}
    )

    stack.api.execute_change_set(ChangeSetName=planned["ChangeSetName"], StackName=stack.name)
    stack.api.get_waiter("stack_create_complete").wait(StackName=stack.name, WaiterConfig={"MaxAttempts": 1})

    described = stack.describe()
    assert described["StackStatus"] == "CREATE_COMPLETE"
    assert described["Tags"] == [{"Key": "Application", "Value": "mend"}]
    times = [event["Timestamp"] for event in stack.events()]
    assert times == sorted(set(times)), "SAM takes an event of the same time for one that it has seen"
    assert stack.story()[:3] == [
        (stack.name, "REVIEW_IN_PROGRESS"),
        (stack.name, "CREATE_IN_PROGRESS"),
        ("T0", "CREATE_IN_PROGRESS"),
    ]
    assert stack.story()[-1] == (stack.name, "CREATE_COMPLETE")
    with refused("InvalidChangeSetStatus", "cannot be executed"):
        stack.api.execute_change_set(ChangeSetName=planned["ChangeSetName"], StackName=stack.name)


def test_a_change_set_says_what_would_change_and_what_would_be_replaced(stack: Stack):
    before = {
        "Same": topic(),
        "Changed": queue(VisibilityTimeout=30),
        "Renamed": topic(TopicName=f"{stack.name}-old"),
        "Follower": parameter(f"/{stack.name}/topic", {"Ref": "Renamed"}),
        "Gone": topic(),
    }
    stack.create(before)
    after = {
        **before,
        "Changed": queue(VisibilityTimeout=60),
        "Renamed": topic(TopicName=f"{stack.name}-new"),
        "New": topic(),
    }
    del after["Gone"]
    ids = stack.ids()
    planned = stack.plan(after)
    changes = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in planned["Changes"]}
    assert {name: (c["Action"], c.get("Replacement")) for name, c in changes.items()} == {
        "Changed": ("Modify", "False"),
        "Renamed": ("Modify", "True"),
        "Follower": ("Modify", "False"),
        "New": ("Add", None),
        "Gone": ("Remove", None),
    }
    (detail,) = changes["Changed"]["Details"]
    assert detail["Target"] == {
        "Attribute": "Properties",
        "Name": "VisibilityTimeout",
        "RequiresRecreation": "Never",
    }
    assert stack.ids() == ids, "a plan changes nothing"


def test_a_change_set_without_changes_says_so_in_the_words_that_sam_knows(stack: Stack):
    resources = {"T": topic()}
    stack.create(resources)
    planned = stack.plan(resources)
    assert (planned["Status"], planned["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert planned["StatusReason"].startswith("The submitted information didn't contain changes.")
    with refused("ValidationError", "No updates are to be performed."):
        stack.update(resources)
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"


def test_a_plan_for_outputs_alone_is_a_change(stack: Stack):
    stack.create({"T": topic()})
    described = stack.update({"T": topic()}, sections={"Outputs": {"Name": {"Value": "here"}}})
    assert described["Outputs"] == {"Name": "here"}


def test_what_is_wrong_with_a_template_of_macros_is_the_reason_of_the_change_set(never_made: Stack):
    sections = {"Transform": "AWS::Serverless-2016-10-31"}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "x"}}
    planned = never_made.plan({"F": function}, "CREATE", sections=sections)
    assert planned["Status"] == "FAILED"
    assert "Transform AWS::Serverless-2016-10-31 failed with" in planned["StatusReason"]
    assert "Resource with id [F] is invalid" in planned["StatusReason"]


# --- Capabilities ---------------------------------------------------------------------------------

TRUST = {"Version": "2012-10-17", "Statement": []}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
NAMED_ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": TRUST, "RoleName": "mine"},
}


@pytest.mark.parametrize(
    ("resource", "given", "missing"),
    [
        (ROLE, [], "CAPABILITY_IAM"),
        (ROLE, ["CAPABILITY_IAM"], None),
        (ROLE, ["CAPABILITY_NAMED_IAM"], None),
        (NAMED_ROLE, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM"),
        (NAMED_ROLE, ["CAPABILITY_NAMED_IAM"], None),
    ],
)
def test_iam_resources_must_be_acknowledged(resource: Template, given: list[str], missing: str | None):
    stack = Stack(f"stack-{next(numbers)}")
    if missing:
        with refused("InsufficientCapabilitiesException", rf"Requires capabilities : \[{missing}\]"):
            stack.create({"R": resource}, Capabilities=given)
        with refused("InsufficientCapabilitiesException", rf"Requires capabilities : \[{missing}\]"):
            stack.plan({"R": resource}, "CREATE", Capabilities=given)
        with refused("ValidationError", f"Stack with id {stack.name} does not exist"):
            stack.describe()
    else:
        assert stack.create({"R": resource}, Capabilities=given)["StackStatus"] == "CREATE_COMPLETE"
        stack.api.delete_stack(StackName=stack.name)


def test_macros_must_be_acknowledged_unless_a_change_set_shows_what_they_make(stack: Stack):
    sections = {"Transform": "AWS::Serverless-2016-10-31"}
    with refused("InsufficientCapabilitiesException", r"\[CAPABILITY_AUTO_EXPAND\]"):
        stack.create({"T": topic()}, sections=sections, Capabilities=["CAPABILITY_IAM"])
    assert stack.plan({"T": topic()}, "CREATE", sections=sections)["Status"] == "CREATE_COMPLETE"


def test_iam_resources_that_a_macro_makes_are_the_reason_of_the_change_set(never_made: Stack):
    client("s3").create_bucket(
        Bucket="code", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Handler": "x", "Runtime": "provided.al2023", "CodeUri": "s3://code/key"},
    }
    sections = {"Transform": "AWS::Serverless-2016-10-31"}
    planned = never_made.plan({"F": function}, "CREATE", sections=sections)
    assert (planned["Status"], planned["StatusReason"]) == (
        "FAILED",
        "Requires capabilities : [CAPABILITY_IAM]",
    )


# --- Updates --------------------------------------------------------------------------------------


def test_an_update_changes_what_changed_and_leaves_the_rest(stack: Stack):
    before = {
        "Same": parameter(f"/{stack.name}/same", "1"),
        "Changed": queue(VisibilityTimeout=30),
        "Renamed": topic(TopicName=f"{stack.name}-old"),
        "Follower": parameter(f"/{stack.name}/topic", {"Ref": "Renamed"}),
        "Gone": parameter(f"/{stack.name}/gone", "1"),
    }
    stack.create(before)
    old = stack.ids()
    client("ssm").put_parameter(Name=f"/{stack.name}/same", Value="an operator's", Overwrite=True)
    after = {
        **before,
        "Changed": queue(VisibilityTimeout=60),
        "Renamed": topic(TopicName=f"{stack.name}-new"),
        "New": parameter(f"/{stack.name}/new", "1"),
    }
    del after["Gone"]

    assert stack.update(after)["StackStatus"] == "UPDATE_COMPLETE"

    new = stack.ids()
    assert value_of(f"/{stack.name}/same") == ("an operator's", 2)
    assert new["Changed"] == old["Changed"]
    attributes = client("sqs").get_queue_attributes(
        QueueUrl=new["Changed"], AttributeNames=["VisibilityTimeout"]
    )
    assert attributes["Attributes"]["VisibilityTimeout"] == "60"
    assert new["Renamed"].endswith("-new")
    assert value_of(f"/{stack.name}/topic") == (new["Renamed"], 2)
    assert old["Renamed"] not in {t["TopicArn"] for t in client("sns").list_topics()["Topics"]}
    with pytest.raises(ClientError, match="ParameterNotFound"):
        value_of(f"/{stack.name}/gone")
    story = stack.story()
    cleanup = story.index((stack.name, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"))
    assert cleanup < story.index(("Renamed", "DELETE_COMPLETE"))
    assert ("Same", "UPDATE_COMPLETE") not in story


def test_a_named_resource_cannot_be_replaced(stack: Stack):
    document = {
        "Type": "AWS::SSM::Document",
        "Properties": {
            "Name": f"Mend-{stack.name}",
            "DocumentType": "Automation",
            "Content": runbook("PT1S"),
        },
    }
    stack.create({"D": document})
    document["Properties"]["Content"] = runbook("PT2S")
    assert stack.update({"D": document})["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "a custom-named resource requires replacing" in stack.reason("D")


def runbook(duration: str) -> Template:
    step = {"name": "Rest", "action": "aws:sleep", "inputs": {"Duration": duration}}
    return {"schemaVersion": "0.3", "mainSteps": [step]}


def test_a_new_content_is_a_new_default_version_of_a_document(stack: Stack):
    name = f"Mend-{stack.name}"
    document = {
        "Type": "AWS::SSM::Document",
        "Properties": {
            "Name": name,
            "DocumentType": "Automation",
            "DocumentFormat": "YAML",
            "UpdateMethod": "NewVersion",
            "Content": runbook("PT1S"),
        },
    }
    stack.create({"D": document})
    ssm = client("ssm")
    for version, duration in (("2", "PT2S"), ("3", "PT3S")):
        document["Properties"]["Content"] = runbook(duration)
        assert stack.update({"D": document})["StackStatus"] == "UPDATE_COMPLETE"
        described = ssm.describe_document(Name=name)["Document"]
        assert (described["DefaultVersion"], described["LatestVersion"]) == (version, version)
        assert duration in ssm.get_document(Name=name)["Content"]
    assert "PT1S" in ssm.get_document(Name=name, DocumentVersion="1")["Content"]

    document["Properties"]["Content"] = {"schemaVersion": "0.3", "mainSteps": []}
    updated = stack.update({"D": document})
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", updated["StackStatusReason"]
    assert "mainSteps holds no step" in stack.reason("D")
    assert ssm.describe_document(Name=name)["Document"]["DefaultVersion"] == "3"

    document["Properties"]["Content"] = runbook("PT1S")
    assert stack.update({"D": document})["StackStatus"] == "UPDATE_COMPLETE"
    assert "PT1S" in ssm.get_document(Name=name)["Content"]


def test_the_stacks_tags_reach_its_resources_and_follow_its_updates(stack: Stack):
    resources = {"T": topic(Tags=[{"Key": "Own", "Value": "wins"}]), "Q": queue()}

    def tags_of(logical_id: str) -> dict[str, str]:
        tags = client("sns").list_tags_for_resource(ResourceArn=stack.ids()[logical_id])["Tags"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    stack.create(resources, Tags=[{"Key": "Own", "Value": "loses"}, {"Key": "Team", "Value": "a"}])
    assert tags_of("T") == {"Own": "wins", "Team": "a"}
    stack.update(resources, Tags=[{"Key": "Team", "Value": "b"}])
    assert tags_of("T") == {"Own": "wins", "Team": "b"}
    assert client("sqs").list_queue_tags(QueueUrl=stack.ids()["Q"])["Tags"] == {"Team": "b"}


# --- Failures -------------------------------------------------------------------------------------


def test_a_failed_creation_is_taken_back_and_says_why(stack: Stack):
    name = f"/{stack.name}/first"
    bad = {**BAD_RULE, "DependsOn": "First"}
    described = stack.create({"First": parameter(name, "1"), "Bad": bad})
    assert described["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Unrecognized match type b" in stack.reason("Bad")
    rolling_back = next(e for e in stack.events() if e["ResourceStatus"] == "ROLLBACK_IN_PROGRESS")
    assert rolling_back["ResourceStatusReason"] == (
        "The following resource(s) failed to create: [Bad]. Rollback requested by user."
    )
    with pytest.raises(ClientError, match="ParameterNotFound"):
        value_of(name)
    with refused("ValidationError", "is in ROLLBACK_COMPLETE state and can not be updated"):
        stack.update({"First": parameter(name, "1")})
    stack.api.delete_stack(StackName=stack.name)
    assert stack.create({"First": parameter(name, "1")})["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"DisableRollback": True}, "CREATE_FAILED"),
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED"),
        ({"OnFailure": "DELETE"}, None),
    ],
)
def test_what_a_failed_creation_leaves_can_be_chosen(request_: dict[str, Any], status: str | None):
    stack = Stack(f"stack-{next(numbers)}")
    resources = {"First": parameter(f"/{stack.name}/first", "1"), "Bad": {**BAD_RULE, "DependsOn": "First"}}
    if status is None:
        with refused("ValidationError", "does not exist"):
            stack.create(resources, **request_)
        return
    assert stack.create(resources, **request_)["StackStatus"] == status
    assert value_of(f"/{stack.name}/first") == ("1", 1)
    stack.api.delete_stack(StackName=stack.name)


def test_a_failed_update_is_taken_back(stack: Stack):
    before = {
        "Changed": parameter(f"/{stack.name}/changed", "before"),
        "Renamed": topic(TopicName=f"{stack.name}-old"),
        "Gone": parameter(f"/{stack.name}/gone", "1"),
    }
    stack.create(before)
    ids = stack.ids()
    after = {
        "Changed": parameter(f"/{stack.name}/changed", "after"),
        "Renamed": topic(TopicName=f"{stack.name}-new"),
        "New": parameter(f"/{stack.name}/new", "1"),
        "Bad": {**BAD_RULE, "DependsOn": ["Changed", "Renamed", "New"]},
    }
    assert stack.update(after)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.ids() == ids
    assert value_of(f"/{stack.name}/changed")[0] == "before"
    assert value_of(f"/{stack.name}/gone") == ("1", 1)
    topics = {t["TopicArn"].rsplit(":", 1)[-1] for t in client("sns").list_topics()["Topics"]}
    assert {name for name in topics if name.startswith(stack.name + "-")} == {f"{stack.name}-old"}
    with pytest.raises(ClientError, match="ParameterNotFound"):
        value_of(f"/{stack.name}/new")
    del after["Bad"]
    assert stack.update(after)["StackStatus"] == "UPDATE_COMPLETE"


def test_a_failed_update_that_was_left_can_be_taken_back_later(stack: Stack):
    name = f"/{stack.name}/changed"
    stack.create({"Changed": parameter(name, "before")})
    after = {"Changed": parameter(name, "after"), "Bad": {**BAD_RULE, "DependsOn": "Changed"}}
    assert stack.update(after, DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    assert value_of(name)[0] == "after"
    stack.api.rollback_stack(StackName=stack.name)
    assert stack.describe()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert value_of(name)[0] == "before"
    with refused("ValidationError", "can not be rolled back"):
        stack.api.rollback_stack(StackName=stack.name)


# --- Deletion -------------------------------------------------------------------------------------


def test_policies_keep_resources(stack: Stack):
    kept, dropped = f"/{stack.name}/kept", f"/{stack.name}/dropped"
    resources = {
        "Kept": parameter(kept, "1", DeletionPolicy="Retain"),
        "Dropped": parameter(dropped, "1"),
        "OnceMade": topic() | {"DeletionPolicy": "RetainExceptOnCreate"},
    }
    stack.create(resources)
    once_made, stack_id = stack.ids()["OnceMade"], stack.describe()["StackId"]
    stack.api.delete_stack(StackName=stack.name)
    stack.api.get_waiter("stack_delete_complete").wait(StackName=stack.name, WaiterConfig={"MaxAttempts": 1})
    assert value_of(kept) == ("1", 1)
    assert once_made in {t["TopicArn"] for t in client("sns").list_topics()["Topics"]}
    with pytest.raises(ClientError, match="ParameterNotFound"):
        value_of(dropped)
    (deleted,) = stack.api.describe_stacks(StackName=stack_id)["Stacks"]
    assert deleted["StackStatus"] == "DELETE_COMPLETE"

    client("ssm").delete_parameter(Name=kept)
    resources = {"OnceMade": resources["OnceMade"], "Bad": {**BAD_RULE, "DependsOn": "OnceMade"}}
    stack.create(resources)
    made = stack.ids()["OnceMade"]
    assert made not in {t["TopicArn"] for t in client("sns").list_topics()["Topics"]}


def test_a_resource_that_cannot_be_removed_fails_the_deletion(stack: Stack):
    stack.create({"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"{stack.name}-full"}}})
    client("s3").put_object(Bucket=f"{stack.name}-full", Key="left", Body=b"here")
    stack.api.delete_stack(StackName=stack.name)
    described = stack.describe()
    assert described["StackStatus"] == "DELETE_FAILED"
    assert "[B]" in described["StackStatusReason"]
    assert "not empty" in stack.reason("B")
    stack.api.delete_stack(StackName=stack.name, RetainResources=["B"])
    with refused("ValidationError", "does not exist"):
        stack.describe()
    stack.create({"T": topic()})


def test_a_protected_stack_is_not_deleted(stack: Stack):
    stack.create({"T": topic()}, EnableTerminationProtection=True)
    with refused("ValidationError", "TerminationProtection is enabled"):
        stack.api.delete_stack(StackName=stack.name)


# --- Parameters, outputs, exports -----------------------------------------------------------------

PARAMETERS = {
    "Secret": {"Type": "String", "NoEcho": True},
    "Mode": {
        "Type": "String",
        "Default": "observe",
        "AllowedValues": ["off", "observe"],
        "ConstraintDescription": "must be off or observe.",
    },
    "Size": {"Type": "Number", "Default": 3, "MinValue": 1, "MaxValue": 5},
    "Names": {"Type": "CommaDelimitedList", "Default": "a, b"},
    "Address": {"Type": "String", "Default": "", "AllowedPattern": "^$|.+@.+"},
    "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/stored"},
}


def given(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


@pytest.fixture
def stored() -> Iterator[None]:
    """A parameter that a stack's parameter names."""
    client("ssm").put_parameter(Name="/stored", Type="String", Value="from the store", Overwrite=True)
    yield
    client("ssm").delete_parameter(Name="/stored")


@pytest.mark.usefixtures("stored")
def test_expressions_are_worth_what_aws_says(stack: Stack):
    sections = {
        "Parameters": PARAMETERS,
        "Mappings": {"Ports": {"ssh": {"number": 22}}},
        "Conditions": {
            "Observing": {"Fn::Equals": [{"Ref": "Mode"}, "observe"]},
            "Three": {"Fn::Equals": [{"Ref": "Size"}, 3]},
            "Neither": {"Fn::Not": [{"Fn::Or": [{"Condition": "Observing"}, {"Condition": "Three"}]}]},
            "Both": {"Fn::And": [{"Condition": "Observing"}, {"Condition": "Three"}]},
        },
        "Outputs": {
            "Id": {"Value": {"Ref": "AWS::StackId"}},
            "Text": {
                "Value": {"Fn::Sub": "${AWS::StackName}|${AWS::Region}|${!Literal}|${T.TopicName}|${Size}"}
            },
            "Extra": {"Value": {"Fn::Sub": ["${x}-${Mode}", {"x": {"Fn::Join": ["+", {"Ref": "Names"}]}}]}},
            "Port": {"Value": {"Fn::FindInMap": ["Ports", "ssh", "number"]}},
            "Second": {"Value": {"Fn::Select": [1, {"Fn::Split": ["|", "a|b"]}]}},
            "Chosen": {"Value": {"Fn::If": ["Both", "both", "not both"]}},
            "Stored": {"Value": {"Ref": "Stored"}},
            "Absent": {"Condition": "Neither", "Value": {"Ref": "Absent"}},
            "Display": {"Value": {"Fn::GetAtt": ["T", "TopicArn"]}},
        },
    }
    resources = {
        "T": topic(
            TopicName={"Fn::Sub": "${AWS::StackName}-topic"},
            DisplayName={"Fn::If": ["Neither", "x", {"Ref": "AWS::NoValue"}]},
        ),
        "Absent": {**topic(), "Condition": "Neither"},
    }
    described = stack.create(resources, sections=sections, Parameters=given(Secret="s3cret"))
    assert described["Outputs"] == {
        "Id": described["StackId"],
        "Text": f"{stack.name}|eu-central-1|${{Literal}}|{stack.name}-topic|3",
        "Extra": "a+b-observe",
        "Port": "22",
        "Second": "b",
        "Chosen": "both",
        "Stored": "from the store",
        "Display": f"arn:aws:sns:eu-central-1:123456789012:{stack.name}-topic",
    }
    assert described["StackId"].startswith(f"{ARN}stack/{stack.name}/")
    assert set(stack.ids()) == {"T"}
    shown = {p["ParameterKey"]: p["ParameterValue"] for p in described["Parameters"]}
    assert (shown["Secret"], shown["Mode"], shown["Size"]) == ("****", "observe", "3")

    kept = [{"ParameterKey": "Secret", "UsePreviousValue": True}]
    described = stack.update(resources, sections=sections, Parameters=kept + given(Size="4"))
    assert described["Outputs"]["Chosen"] == "not both"


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, r"Parameters: \[Secret\] must have values"),
        ({"Secret": "x", "Colour": "blue"}, r"Parameters: \[Colour\] do not exist in the template"),
        (
            {"Secret": "x", "Mode": "kill"},
            "Parameter Mode failed to satisfy constraint: must be off or observe.",
        ),
        ({"Secret": "x", "Size": "6"}, "Parameter 'Size' must be a number not greater than 5"),
        ({"Secret": "x", "Size": "big"}, "Parameter 'Size' must be a number"),
        ({"Secret": "x", "Address": "nobody"}, "Parameter 'Address' must match pattern"),
        ({"Secret": "x", "Stored": "/absent"}, r"Unable to fetch parameters \[/absent\]"),
    ],
)
def test_parameters_are_checked(never_made: Stack, values: dict[str, str], problem: str):
    with refused("ValidationError", problem):
        never_made.create({"T": topic()}, sections={"Parameters": PARAMETERS}, Parameters=given(**values))


def test_exports_are_used_and_kept_as_long_as_they_are(stack: Stack):
    export = f"{stack.name}-topic"
    outputs = {"Topic": {"Value": {"Ref": "T"}, "Export": {"Name": export}}}
    stack.create({"T": topic()}, sections={"Outputs": outputs})
    user = Stack(f"{stack.name}-user")
    user.create({"P": parameter(f"/{user.name}", {"Fn::ImportValue": export})})
    assert value_of(f"/{user.name}") == (stack.ids()["T"], 1)
    assert stack.api.list_imports(ExportName=export)["Imports"] == [user.name]

    stack.api.delete_stack(StackName=stack.name)
    assert stack.describe()["StackStatus"] == "DELETE_FAILED"
    assert stack.describe()["StackStatusReason"] == (
        f"Export {export} cannot be deleted as it is in use by {user.name}"
    )
    twin = Stack(f"{stack.name}-twin").create({"T": topic()}, sections={"Outputs": outputs})
    assert twin["StackStatus"] == "ROLLBACK_COMPLETE"
    for name in (twin["StackName"], user.name, stack.name):
        stack.api.delete_stack(StackName=name)
    assert export not in {e["Name"] for e in stack.api.list_exports()["Exports"]}
    stack.create({"T": topic()})


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "sections", "problem"),
    [
        ({}, {}, "At least one Resources member must be defined"),
        ({"X": {"Properties": {}}}, {}, "Every Resources object must contain a Type member"),
        (
            {"X": {"Type": "AWS::Budgets::Budget"}},
            {},
            r"Unrecognized resource types: \[AWS::Budgets::Budget\]",
        ),
        (
            {"X": topic(DisplayName={"Ref": "Y"})},
            {},
            r"Unresolved resource dependencies \[Y\] in the Resources",
        ),
        ({"X": topic() | {"DependsOn": "Y"}}, {}, r"Unresolved resource dependencies \[Y\] in the Resources"),
        ({"X": topic()}, {"Outputs": {"O": {"Value": {"Ref": "Y"}}}}, r"\[Y\] in the Outputs block"),
        ({"X": topic() | {"Condition": "C"}}, {}, "Unresolved condition dependency C"),
        (
            {"X": topic(DisplayName={"Ref": "Y"}), "Y": topic(DisplayName={"Ref": "X"})},
            {},
            "Circular dependency between resources",
        ),
        (
            {"X": topic(), "Y": topic(DisplayName={"Fn::GetAtt": ["X", "Colour"]})},
            {},
            "resource X does not support attribute type Colour in Fn::GetAtt",
        ),
        ({"X": topic()}, {"Colours": {}}, r"Invalid template property or properties \[Colours\]"),
        ({"X": topic()}, {"Transform": "Mine"}, "No transform named Mine found"),
    ],
)
def test_a_template_that_cannot_be_is_refused(
    never_made: Stack, resources: Template, sections: Template, problem: str
):
    with refused("ValidationError", problem):
        never_made.create(resources, sections=sections, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    with refused("ValidationError", f"Stack with id {never_made.name} does not exist"):
        never_made.describe()


def test_a_body_that_is_too_long_has_to_come_from_s3(stack: Stack):
    body = json.dumps({"Metadata": {"Filler": "x" * 60_000}, "Resources": {"T": topic()}})
    with refused("ValidationError", "length less than or equal to 51200"):
        stack.api.create_stack(StackName=stack.name, TemplateBody=body)
    s3 = client("s3")
    s3.create_bucket(Bucket="templates", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="templates", Key="big template.json", Body=body)
    stack.api.create_stack(
        StackName=stack.name, TemplateURL=f"{s3.meta.endpoint_url}/templates/big%20template.json"
    )
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"


def test_a_property_that_the_service_does_not_have_fails_the_resource(stack: Stack):
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Colour": "red"}}
    assert stack.create({"A": alarm})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Colour" in stack.reason("A")


# --- Looking at it --------------------------------------------------------------------------------


def test_templates_are_shown_as_given_and_as_processed(stack: Stack):
    sections = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": PARAMETERS,
        "Description": "of a test",
    }
    table = {"Type": "AWS::Serverless::SimpleTable"}
    stack.create(
        {"Table": table},
        sections={**sections, "Parameters": {"Mode": PARAMETERS["Mode"]}},
        Capabilities=["CAPABILITY_AUTO_EXPAND"],
    )
    original = stack.api.get_template(StackName=stack.name)["TemplateBody"]
    processed = stack.api.get_template(StackName=stack.name, TemplateStage="Processed")["TemplateBody"]
    assert original["Resources"]["Table"] == table
    assert processed["Resources"]["Table"]["Type"] == "AWS::DynamoDB::Table"
    summary = stack.api.get_template_summary(StackName=stack.name)
    assert summary["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]
    assert summary["ResourceTypes"] == ["AWS::Serverless::SimpleTable"]
    (mode,) = summary["Parameters"]
    assert (mode["ParameterKey"], mode["DefaultValue"], mode["ParameterConstraints"]) == (
        "Mode",
        "observe",
        {"AllowedValues": ["off", "observe"]},
    )
    body = json.dumps({"Resources": {"R": NAMED_ROLE}})
    assert stack.api.validate_template(TemplateBody=body)["Capabilities"] == ["CAPABILITY_NAMED_IAM"]
    detail = stack.api.describe_stack_resource(StackName=stack.name, LogicalResourceId="Table")
    assert detail["StackResourceDetail"]["PhysicalResourceId"].startswith(f"{stack.name}-Table-")
    assert stack.name in {s["StackName"] for s in stack.api.list_stacks()["StackSummaries"]}


def test_a_stack_in_a_stack_hands_its_outputs_up(stack: Stack):
    s3 = client("s3")
    bucket = f"{stack.name}-inner"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    inner = {
        "Parameters": {"Value": {"Type": "String"}},
        "Resources": {"P": parameter(f"/{stack.name}/inner", {"Ref": "Value"})},
        "Outputs": {"Name": {"Value": {"Ref": "P"}}},
    }
    s3.put_object(Bucket=bucket, Key="inner.json", Body=json.dumps(inner))

    def outer(value: str) -> Template:
        properties = {"TemplateURL": f"s3://{bucket}/inner.json", "Parameters": {"Value": value}}
        name = {"Fn::GetAtt": ["Inner", "Outputs.Name"]}
        return {
            "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": properties},
            "Above": parameter(f"/{stack.name}/above", name),
        }

    stack.create(outer("1"))
    assert value_of(f"/{stack.name}/above")[0] == f"/{stack.name}/inner"
    stack.update(outer("2"))
    assert value_of(f"/{stack.name}/inner") == ("2", 2)
    stack.api.delete_stack(StackName=stack.name)
    with pytest.raises(ClientError, match="ParameterNotFound"):
        value_of(f"/{stack.name}/inner")
    stack.create({"T": topic()})


def test_an_included_snippet_comes_from_s3(stack: Stack):
    s3 = client("s3")
    s3.create_bucket(Bucket="snippets", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="snippets", Key="names.yaml", Body=b"DisplayName: !Sub 'of ${AWS::StackName}'\n")
    include = {"Name": "AWS::Include", "Parameters": {"Location": "s3://snippets/names.yaml"}}
    stack.create({"T": topic(**{"Fn::Transform": include})}, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    attributes = client("sns").get_topic_attributes(TopicArn=stack.ids()["T"])["Attributes"]
    assert attributes["DisplayName"] == f"of {stack.name}"


# --- Functions ------------------------------------------------------------------------------------


def code(answer: str) -> bytes:
    """Return a zip whose bootstrap answers every event with these words."""
    bootstrap = """#!/usr/bin/env python3
import os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as event:
        request_id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    beside = open(os.environ["LAMBDA_TASK_ROOT"] + "/words/answer").read()
    response = urllib.request.Request(api + request_id + "/response", beside.encode(), method="POST")
    urllib.request.urlopen(response)
"""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        file.writestr(entry, bootstrap)
        file.writestr("words/answer", json.dumps(answer))
    return archive.getvalue()


def test_a_function_runs_the_bootstrap_of_its_code_and_of_its_new_code(stack: Stack, tmp_path: Path):
    s3 = client("s3")
    bucket = f"{stack.name}-code"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for word in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=word, Body=code(word))

    def resources(word: str) -> Template:
        function = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": {"S3Bucket": bucket, "S3Key": word},
                "Handler": "bootstrap",
                "Runtime": "provided.al2023",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Timeout": "5",
            },
        }
        return {"Role": ROLE, "Function": function}

    def answer() -> str:
        response = client("lambda").invoke(FunctionName=stack.ids()["Function"], Payload=b"{}")
        return json.load(response["Payload"])

    stack.create(resources("one"), Capabilities=["CAPABILITY_IAM"])
    name = stack.ids()["Function"]
    assert answer() == "one"
    described = stack.update(resources("two"), Capabilities=["CAPABILITY_IAM"])
    assert described["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.ids()["Function"] == name
    assert answer() == "two"
