"""Every runbook is deployed as it is written, and its automation role may do what it calls and no more."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml
from botocore import xform_name
from botocore.session import Session

ROOT = Path(__file__).resolve().parents[2]
CALLS_API = {"aws:executeAwsApi", "aws:assertAwsResourceProperty", "aws:waitForAwsResourceProperty"}
CALLS_NOTHING = {"aws:branch", "aws:sleep"}
FOR_DATA_AT_REST = {"kms:Decrypt", "kms:GenerateDataKey"}
STANDARD_LIBRARY = {"datetime", "hashlib", "json", "re"}
ASKING = "Mend-ApproveAndRun"

NAMED_OTHERWISE = {
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
}
"""The IAM actions of operations whose action is not named like them."""

TO_RUN_A_CHILD = {"ssm:StartAutomationExecution", "ssm:GetAutomationExecution", "iam:PassRole"}
CALLS_OF_CHILD = {
    "{{ RunbookName }}": set(),  # under a role of its own
    "AWSConfigRemediation-EnableKeyRotation": {"kms:EnableKeyRotation", "kms:GetKeyRotationStatus"},
}
"""What AWS's own runbooks need, as their pages in the reference of Automation runbooks say."""


def runbooks() -> dict[str, dict[str, Any]]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in ROOT.glob("runbooks/*.yaml")}


def families() -> dict[str, set[str]]:
    """The runbooks of each family: those that its routes name, and those that undo them."""
    found: dict[str, set[str]] = {}
    for path in ROOT.glob("policy/*.yaml"):
        for route in yaml.safe_load(path.read_text()):
            found.setdefault(route["role"], set()).update({route["runbook"], route["undo"]})
    return found


def calls(runbook: dict[str, Any]) -> set[str]:
    """The IAM actions of all that a runbook's steps call."""
    actions = set()
    for step in runbook["mainSteps"]:
        inputs = step.get("inputs", {})
        match step["action"]:
            case action if action in CALLS_API:
                actions.add(action_of(inputs["Service"], inputs["Api"]))
            case "aws:executeScript":
                actions |= calls_of_script(inputs["Script"])
            case "aws:executeAutomation":
                actions |= TO_RUN_A_CHILD | CALLS_OF_CHILD[inputs["DocumentName"]]
            case "aws:approve":
                actions.add("sns:Publish")
            case action:
                assert action in CALLS_NOTHING, f"the test does not know what {action} calls"
    return actions


def calls_of_script(script: str) -> set[str]:
    """The IAM actions of a script: every method that it names of a client that stands in a variable."""
    tree = ast.parse(script)
    services = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name(variable)],
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name("boto3"), attr="client"),
                    args=[ast.Constant(service), *_],
                ),
            ):
                services[variable] = service
    mentions = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "boto3"]
    assert len(mentions) == len(services), f'the test knows `name = boto3.client("service")` only:\n{script}'
    return {
        action_of(services[node.value.id], operation(services[node.value.id], node.attr))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in services
        and node.attr != "exceptions"
    }


def operation(service: str, method: str) -> str:
    """The operation of a service that a method of boto3's client calls."""
    (name,) = [
        name for name in Session().get_service_model(service).operation_names if xform_name(name) == method
    ]
    return name


def action_of(service: str, operation: str) -> str:
    action = f"{service}:{operation}"
    return NAMED_OTHERWISE.get(action, action)


def test_every_runbook_is_a_document_of_the_stack(source):
    documents = [r["Properties"] for r in source["Resources"].values() if r["Type"] == "AWS::SSM::Document"]
    included = {d["Name"]: d["Content"]["Fn::Transform"]["Parameters"]["Location"] for d in documents}
    assert included == {name: f"runbooks/{name}.yaml" for name in runbooks()}
    for document in documents:
        assert document["Content"]["Fn::Transform"]["Name"] == "AWS::Include"
        assert document["DocumentType"] == "Automation"
        assert document["DocumentFormat"] == "YAML"


def test_a_changed_runbook_becomes_a_new_version(source):
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::SSM::Document":
            assert resource["Properties"]["UpdateMethod"] == "NewVersion", name


def test_every_runbook_but_the_one_that_asks_belongs_to_one_family():
    in_families = [name for names in families().values() for name in names]
    assert sorted([*in_families, ASKING]) == sorted(runbooks())


def test_the_runbook_that_asks_may_do_what_it_calls_and_no_more(allowed_actions):
    allowed = allowed_actions("ApprovalAutomationRole") - FOR_DATA_AT_REST
    assert allowed == calls(runbooks()[ASKING])


def test_a_family_may_do_what_its_runbooks_call_and_no_more(automation_roles, allowed_actions):
    for family, names in families().items():
        needed = set().union(*(calls(runbooks()[name]) for name in names))
        assert allowed_actions(automation_roles[family]) - FOR_DATA_AT_REST == needed, family


def test_the_stack_fills_in_the_role_of_the_family_and_the_ledger(automation_roles):
    for family, names in families().items():
        for name in names:
            parameters = runbooks()[name]["parameters"]
            if name.startswith("Mend-Restore"):
                role, table = (
                    parameters[key]["default"] for key in ("AutomationAssumeRole", "LedgerTableName")
                )
                assert role == {"Fn::GetAtt": [automation_roles[family], "Arn"]}, name
                assert table == {"Ref": "LedgerTable"}, name
            else:
                assert all("default" not in parameter for parameter in parameters.values()), name
    assert runbooks()[ASKING]["parameters"]["Mode"]["default"] == {"Ref": "Mode"}


def test_scripts_import_what_the_tests_know():
    """What else a script could call does not show in the permissions of its family."""
    for name, runbook in runbooks().items():
        for step in runbook["mainSteps"]:
            imported = set()
            for node in ast.walk(ast.parse(step.get("inputs", {}).get("Script", ""))):
                match node:
                    case ast.Import(names=aliases):
                        imported |= {alias.name for alias in aliases}
                    case ast.ImportFrom(module=module):
                        imported.add(module)
            assert imported <= STANDARD_LIBRARY | {"boto3", "botocore.exceptions"}, f"{name}, {step['name']}"
