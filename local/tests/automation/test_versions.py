"""Versions of documents, and which of them an execution runs."""

import json

import pytest


@pytest.fixture
def stack(automation):
    """Return a function that deploys a stack with one runbook of one step."""
    cloudformation = automation.client("cloudformation")

    def deploy(name, step_name, **properties):
        step = {"name": step_name, "action": "aws:sleep", "inputs": {"Duration": "PT0S"}}
        properties = {
            "Name": name,
            "DocumentType": "Automation",
            "DocumentFormat": "JSON",
            "UpdateMethod": "NewVersion",
            "Content": {"schemaVersion": "0.3", "assumeRole": automation.role, "mainSteps": [step]},
            **properties,
        }
        template = {"Resources": {"Runbook": {"Type": "AWS::SSM::Document", "Properties": properties}}}
        known = {stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]}
        change = cloudformation.update_stack if name in known else cloudformation.create_stack
        change(StackName=name, TemplateBody=json.dumps(template))

    return deploy


def versions(automation, name):
    listed = automation.client("ssm").list_document_versions(Name=name)["DocumentVersions"]
    return [(each["DocumentVersion"], each["IsDefaultVersion"]) for each in listed]


def first_step(execution):
    return execution["DocumentVersion"], execution["StepExecutions"][0]["StepName"]


def test_an_update_of_a_stack_makes_a_new_default_version(automation, stack):
    stack("Mend-Stacked", "First")
    stack("Mend-Stacked", "Second")

    assert versions(automation, "Mend-Stacked") == [("2", True), ("1", False)]
    assert first_step(automation.wait(automation.start("Mend-Stacked"))) == ("2", "Second")
    first = automation.wait(automation.start("Mend-Stacked", DocumentVersion="1"))
    assert first_step(first) == ("1", "First")


def test_an_update_of_other_properties_makes_no_version(automation, stack):
    stack("Mend-Tagged", "First")
    stack("Mend-Tagged", "First", Tags=[{"Key": "team", "Value": "net"}])

    assert versions(automation, "Mend-Tagged") == [("1", True)]
    tags = automation.client("ssm").list_tags_for_resource(ResourceType="Document", ResourceId="Mend-Tagged")
    assert tags["TagList"] == [{"Key": "team", "Value": "net"}]


def test_an_execution_keeps_the_version_that_was_current_at_its_start(automation, step):
    name = automation.create([step("Wait", inputs={"Duration": "PT1S"}), step("Old")])
    started = automation.start(name)
    ssm = automation.client("ssm")
    content = {"schemaVersion": "0.3", "assumeRole": automation.role, "mainSteps": [step("New")]}
    ssm.update_document(Name=name, DocumentVersion="$LATEST", Content=json.dumps(content))
    ssm.update_document_default_version(Name=name, DocumentVersion="2")

    execution = automation.wait(started)

    assert execution["DocumentVersion"] == "1"
    assert [each["StepName"] for each in execution["StepExecutions"]] == ["Wait", "Old"]


def test_the_tenth_version_is_later_than_the_ninth(automation, step):
    name = automation.create([step("Step1")])
    ssm = automation.client("ssm")
    for number in range(2, 12):
        content = {
            "schemaVersion": "0.3",
            "assumeRole": automation.role,
            "mainSteps": [step(f"Step{number}")],
        }
        ssm.update_document(Name=name, DocumentVersion="$LATEST", Content=json.dumps(content))

    ssm.delete_document(Name=name, DocumentVersion="11")

    assert versions(automation, name)[:2] == [("10", False), ("9", False)]
    latest = automation.wait(automation.start(name, DocumentVersion="$LATEST"))
    assert first_step(latest) == ("10", "Step10")
    pages = ssm.get_paginator("list_document_versions").paginate(Name=name, PaginationConfig={"PageSize": 6})
    assert [len(page["DocumentVersions"]) for page in pages] == [6, 4]


def test_a_version_that_is_not_there_is_told_from_a_document_that_is_not(automation, step):
    ssm = automation.client("ssm")
    name = automation.create([step("Only")])

    with pytest.raises(ssm.exceptions.InvalidDocumentVersion):
        ssm.get_document(Name=name, DocumentVersion="2")
    with pytest.raises(ssm.exceptions.InvalidDocument):
        ssm.list_document_versions(Name="Mend-Gone")
