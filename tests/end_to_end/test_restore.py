"""Undoing a repair with one command: the resource is as it was, and is left alone for a while."""

from __future__ import annotations

from datetime import datetime

from localcloud import clock

from .account import RULE, SSH_TO_THE_WORLD, SWITCHES, Account, client
from .config_events import compliance_change


def test_one_command_undoes_a_repair_and_exempts_the_resource(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()
    execution_id = account.ops_item(group_id)["OperationalData"]["mend/execution"]["Value"]
    command = f"--document-name Mend-RestoreAdminPorts --parameters ExecutionId={execution_id}"
    assert command in account.notifications(group_id)[-1]["message"]["email"]
    assert command in account.ops_item(group_id)["Description"]

    restored = account.run("Mend-RestoreAdminPorts", {"ExecutionId": execution_id})
    assert restored["AutomationExecutionStatus"] == "Success", restored.get("FailureMessage")
    assert account.rules(group_id) == {SSH_TO_THE_WORLD}
    name = f"{SWITCHES}exemptions/close-admin-ports/{group_id}"
    value = client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    assert restored["AutomationExecutionId"] in value
    answer = account.outcome_answer(restored["AutomationExecutionId"])
    assert answer["reasons"] == [f"execution {restored['AutomationExecutionId']} undid the repair"]
    item = account.ops_item(group_id)
    story = item["OperationalData"]["mend/timeline"]["Value"]
    assert f"Undone by execution {restored['AutomationExecutionId']}" in story
    assert name in story, "so that whoever reads it knows how to end the exemption"
    assert item["Status"] == "Resolved"

    account.wait_until_heard(f"exemptions/close-admin-ports/{group_id}")
    (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
    assert answer["decision"] == "suppress"
    account.settled(group_id, "suppressed", generation=2)
    assert account.rules(group_id) == {SSH_TO_THE_WORLD}
    account.later(days=14, minutes=1)
    account.settled(group_id, "resolved", generation=2)
    assert account.rules(group_id) == set()


def test_the_resource_is_left_alone_for_as_long_as_the_person_says(account: Account):
    group_id = account.open_group()
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "resolved")
    execution_id = account.ops_item(group_id)["OperationalData"]["mend/execution"]["Value"]
    restored = account.run("Mend-RestoreAdminPorts", {"ExecutionId": execution_id, "ExemptDays": "30"})
    assert restored["Outputs"]["Conclude.Outcome"] == ["Restored"]
    value = client("ssm").get_parameter(Name=f"{SWITCHES}exemptions/close-admin-ports/{group_id}")
    until = value["Parameter"]["Value"].removeprefix("until ").split(": ")[0]
    days = (datetime.fromisoformat(until) - clock.now()).total_seconds() / 86_400
    assert 29.9 < days <= 30.1
