"""Every runbook is deployed as it is written, and its automation role may do what it calls and no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLE_OF_FAMILY = {"network": "NetworkAutomationRole"}
RUNBOOKS_OF_FAMILY = {"network": {"Mend-CloseAdminPorts", "Mend-RestoreAdminPorts"}}
CALLS_NOTHING = {"aws:branch", "aws:executeScript", "aws:sleep"}
FOR_DATA_AT_REST = {"kms:Decrypt"}


def runbooks() -> dict[str, dict[str, Any]]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in ROOT.glob("runbooks/*.yaml")}


def calls(runbook: dict[str, Any]) -> set[str]:
    """The IAM actions of the API calls in a runbook's steps."""
    actions = set()
    for step in runbook["mainSteps"]:
        if step["action"] in (
            "aws:executeAwsApi",
            "aws:assertAwsResourceProperty",
            "aws:waitForAwsResourceProperty",
        ):
            actions.add(f"{step['inputs']['Service']}:{step['inputs']['Api']}")
        else:
            assert step["action"] in CALLS_NOTHING, f"the test does not know what {step['action']} calls"
    return actions


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


def test_every_runbook_belongs_to_one_family():
    assert sorted(name for names in RUNBOOKS_OF_FAMILY.values() for name in names) == sorted(runbooks())


def test_a_family_may_do_what_its_runbooks_call_and_no_more(deployment):
    for family, names in RUNBOOKS_OF_FAMILY.items():
        policies = deployment.resources[ROLE_OF_FAMILY[family]]["Properties"]["Policies"]
        allowed = set()
        for policy in policies:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                allowed |= {actions} if isinstance(actions, str) else set(actions)
        assert allowed - FOR_DATA_AT_REST == set().union(*(calls(runbooks()[name]) for name in names)), family


def test_scripts_call_nothing():
    for name, runbook in runbooks().items():
        for step in runbook["mainSteps"]:
            script = step["inputs"].get("Script", "")
            imported = set(re.findall(r"^\s*(?:import|from) (\w+)", script, re.MULTILINE))
            assert imported <= {"json", "ipaddress"}, f"{name}, {step['name']}"
