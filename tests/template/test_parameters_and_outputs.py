"""What the person who deploys reads, chooses and gets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = {"AllowedValues", "AllowedPattern", "MinValue"}
ENVIRONMENTS = ["dev", "staging", "prod"]


def test_every_parameter_is_described_constrained_and_optional(source):
    for name, parameter in source["Parameters"].items():
        assert {"Description", "ConstraintDescription", "Default"} <= parameter.keys(), name
        assert CONSTRAINTS & parameter.keys(), f"{name} takes anything"


def test_the_console_shows_every_parameter_in_one_group_with_a_label(source):
    interface = source["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(source["Parameters"])
    assert interface["ParameterLabels"].keys() == source["Parameters"].keys()


def test_the_defaults_change_nothing_and_take_nothing_from_the_account(source):
    defaults = {name: parameter["Default"] for name, parameter in source["Parameters"].items()}
    assert defaults["Mode"] == "observe"
    assert defaults["ReservedConcurrency"] == 0
    assert defaults["Approvers"] == defaults["BreakerAlarms"] == ""


def test_the_outputs_that_others_rely_on_exist_and_are_described(source):
    assert {
        "NotificationTopicArn",
        "LedgerTableName",
        "AlarmTopicArn",
        "ApprovalTopicArn",
        "EventBusName",
        "DeadLetterQueueUrl",
        "KillSwitchParameterName",
        "NetworkAutomationRoleArn",
        "StorageAutomationRoleArn",
        "EncryptionAutomationRoleArn",
        "ApprovalAutomationRoleArn",
        "ConfigComplianceFunctionName",
        "ConfigComplianceFunctionArn",
        "AutomationOutcomeFunctionName",
        "AutomationOutcomeFunctionArn",
        "OpsItemUpdateFunctionName",
        "OpsItemUpdateFunctionArn",
        "ReconcileFunctionName",
        "ReconcileFunctionArn",
        "CircuitBreakerFunctionName",
        "CircuitBreakerFunctionArn",
    } <= source["Outputs"].keys()
    assert all(output["Description"] for output in source["Outputs"].values())


def test_no_output_depends_on_what_may_not_be_created(source):
    for name, output in source["Outputs"].items():
        value = output["Value"]
        if "Fn::Sub" in value:
            continue
        referred = value.get("Ref") or value["Fn::GetAtt"][0]
        assert source["Resources"][referred].get("Condition") == output.get("Condition"), name


LISTS = {
    "ChangeCalendars": [
        ("Freeze", "Freeze,Release_2.0", "arn:aws:ssm:eu-central-1:210987654321:document/Freeze"),
        ("a b,c", "Freeze, Other", "Freeze,", ",".join(["Freeze"] * 11)),
    ],
    "Approvers": [
        ("lee", "lee,arn:aws:iam::123456789012:role/ops/Approvers", "lee@example.com"),
        ("lee, kim", "lee;kim", ",".join(["lee"] * 11)),
    ],
    "BreakerAlarms": [("disk full", "disk full,shop-errors > 5 (1m)"), ("a,,b", "a,", "café")],
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_what_the_functions_can_read(source, name):
    good, bad = LISTS[name]
    pattern = re.compile(source["Parameters"][name]["AllowedPattern"])
    for text in ("", *good):
        assert pattern.fullmatch(text), text
    for text in bad:
        assert not pattern.fullmatch(text), text


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_sam_deploys_each_environment_in_observe_mode(source, environment):
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    deploy = config[environment]["deploy"]["parameters"]
    overrides = dict(override.split("=", 1) for override in deploy["parameter_overrides"])
    assert overrides.keys() <= source["Parameters"].keys()
    assert overrides["Environment"] == environment
    assert overrides["Mode"] == "observe"
    assert deploy["stack_name"] == f"mend-{environment}"
    assert deploy["tags"] == ["Application=mend", f"Environment={environment}"]


def test_sam_knows_all_environments(source):
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert config.keys() - {"version"} == set(ENVIRONMENTS)
    assert source["Parameters"]["Environment"]["AllowedValues"] == ENVIRONMENTS
