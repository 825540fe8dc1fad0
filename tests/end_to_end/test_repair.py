"""The loop in mode enforce: from a violation to a settled incident, and back by the restore runbook."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from localcloud import journal
from localcloud.deploy import Stack

from .account import RUNBOOK, Account, Rule, client, plain
from .config_events import compliance_change

OPEN: set[Rule] = {
    ("tcp", 22, 22, "0.0.0.0/0", "SSH, for now"),
    ("tcp", 20, 25, "::/0", "A range"),
}
WANTED: set[Rule] = {
    ("tcp", 443, 443, "0.0.0.0/0", "The website"),
    ("tcp", 22, 22, "10.0.0.0/8", "SSH from the office"),
    ("udp", 3389, 3389, "0.0.0.0/0", "Not RDP"),
}
NARROWER: set[Rule] = {
    ("tcp", 20, 21, "::/0", "A range"),
    ("tcp", 23, 25, "::/0", "A range"),
}


@dataclass
class Repair:
    """A repair from beginning to end, and the account as it was seen from its beginning."""

    account: Account
    group_id: str
    answer: dict[str, Any]
    row: dict[str, Any]
    calls: list[journal.Entry]
    machines_queue: str

    @property
    def incident_id(self) -> str:
        return self.answer["incident"]


@pytest.fixture(scope="module")
def repair(stack: Stack) -> Repair:
    account = Account(stack)
    sqs, sns = client("sqs"), client("sns")
    queue = sqs.create_queue(QueueName="machines")["QueueUrl"]
    sns.subscribe(
        TopicArn=stack.outputs["NotificationTopicArn"],
        Protocol="sqs",
        Endpoint="arn:aws:sqs:eu-central-1:123456789012:machines",
        Attributes={"FilterPolicy": json.dumps({"decision": ["resolve"]}), "RawMessageDelivery": "true"},
    )
    group_id = account.open_group(*OPEN, *WANTED)
    (answer,) = account.deliver(compliance_change(group_id))
    row = account.settled(group_id, "resolved")
    return Repair(account, group_id, answer, row, account.calls_by_functions(), queue)


def test_the_admin_ports_are_closed_and_everything_else_stays(repair: Repair):
    assert repair.account.rules(repair.group_id) == WANTED | NARROWER


def test_the_function_answers_what_it_decided(repair: Repair):
    execution = repair.account.execution(repair.group_id)
    # A quick outcome can come in while the function still works on the incident, and is then answered, too.
    assert repair.answer["decision"] in ("respond", "resolve")
    assert repair.answer["reasons"][:2] == [
        "Config rule restricted-ssh reports a violation",
        "mode enforce: the stack's default",
    ]
    assert repair.answer == {
        "decision": repair.answer["decision"],
        "reasons": repair.answer["reasons"],
        "incident": repair.answer["incident"],
        "ops_item": repair.account.ops_item(repair.group_id)["OpsItemId"],
        "execution": execution["AutomationExecutionId"],
    }
    assert execution["Parameters"]["Incident"] == [repair.answer["incident"]]


def test_the_runbook_is_started_once_with_its_key_version_role_and_tags(repair: Repair):
    (start,) = repair.account.starts(repair.group_id)
    assert start["DocumentName"] == RUNBOOK
    assert start["DocumentVersion"] == "1"
    assert uuid.UUID(start["ClientToken"]).version == 5
    assert start["Parameters"] == {
        "AutomationAssumeRole": [repair.account.stack.outputs["NetworkAutomationRoleArn"]],
        "Incident": [repair.incident_id],
        "Attempt": ["1"],
        "SecurityGroupId": [repair.group_id],
    }
    tags = {tag["Key"]: tag["Value"] for tag in start["Tags"]}
    assert tags == {"Application": "mend", "mend:incident": repair.incident_id, "mend:attempt": "1"}
    assert repair.account.execution(repair.group_id)["AutomationExecutionStatus"] == "Success"


def test_everything_is_written_down_before_it_happens(repair: Repair):
    kinds = {
        "CreateOpsItem": "ops-item",
        "UpdateOpsItem": "ops-item",
        "StartAutomationExecution": "runbook",
        "Publish": "notification",
        "PutEvents": "event",
    }
    written, happened = set(), []
    for call in repair.calls:
        if call["operation"] == "TransactWriteItems":
            row = plain(call["request"]["TransactItems"][0]["Put"]["Item"])
            written = {effect.split("/")[0] for effect in row["incident"]["outbox"]}
        elif kind := kinds.get(call["operation"]):
            assert kind in written, f"{call['operation']} was not in the ledger's outbox"
            happened.append(kind)
    assert set(happened) == set(kinds.values())


def test_the_functions_have_no_hands(repair: Repair):
    calls = repair.account.journal("api-call", service="ec2")
    role = repair.account.stack.outputs["NetworkAutomationRoleArn"].rsplit("/", 1)[-1]
    changes = [c for c in calls if c["operation"].startswith(("Authorize", "Revoke"))]
    by_mend = [c for c in changes if not c["principal"].endswith(":root")]
    assert [c["operation"] for c in by_mend] == [
        "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupIngress",
    ]
    assert all(f":assumed-role/{role}/Automation-" in c["principal"] for c in by_mend)
    assert not any(c["principal"].endswith(tuple(repair.account.stack.functions.values())) for c in calls)


def test_the_ops_item_is_opened_and_resolved(repair: Repair):
    item = repair.account.ops_item(repair.group_id)
    assert item["Status"] == "Resolved"
    assert item["Source"] == "Mend"
    assert item["Severity"] == "2"
    assert item["Category"] == "Security"
    assert item["Title"] == f"SSH or RDP is open to the world: {repair.group_id}"
    assert "repaired it and read it back: Closed tcp 22" in item["Description"]
    journaled = repair.account.journal("ops-item", ops_item_id=item["OpsItemId"])
    statuses = list(dict.fromkeys(entry["status"] for entry in journaled))
    assert statuses == ["Open", "InProgress", "Resolved"]
    data = {key: entry["Value"] for key, entry in item["OperationalData"].items()}
    arn = f"arn:aws:ec2:eu-central-1:123456789012:security-group/{repair.group_id}"
    assert json.loads(data["/aws/resources"]) == [{"arn": arn}]
    automations = [entry["automationId"] for entry in json.loads(data["/aws/automations"])]
    assert automations == [RUNBOOK, "Mend-RestoreAdminPorts"]
    assert data["mend/incident"] == repair.incident_id
    assert data["mend/state"] == "resolved"
    assert data["mend/route"] == "close-admin-ports"
    assert data["mend/causes"] == "config-rule/restricted-ssh"
    assert data["mend/execution"] == repair.account.execution(repair.group_id)["AutomationExecutionId"]
    assert json.loads(data["mend/plan"])["parameters"] == {"SecurityGroupId": repair.group_id}
    story = [line.split(" ", 1)[1].split(":")[0] for line in data["mend/timeline"].splitlines()]
    assert story[0] == "Opened"
    assert story[-1] == "Resolved"


def test_people_are_told_of_the_beginning_and_the_end(repair: Repair):
    responding, resolved = repair.account.notifications(repair.group_id)
    title = f"SSH or RDP is open to the world, {repair.group_id}"
    assert responding["subject"] == f"[Mend dev] Repairing: {title}"
    assert resolved["subject"] == f"[Mend dev] Resolved: {title}"
    started, ended = responding["message"]["email"], resolved["message"]["email"]
    assert f"What Mend did: Started {RUNBOOK} (version 1) with SecurityGroupId {repair.group_id}" in started
    assert "What you need to do: Nothing: Mend tells you how it ends." in started
    assert "What happened: reported by Config rule restricted-ssh" in ended
    assert (
        f"What Mend did: {RUNBOOK} repaired it and read it back: Closed tcp 22 of {repair.group_id}" in ended
    )
    execution_id = repair.account.execution(repair.group_id)["AutomationExecutionId"]
    assert f"--document-name Mend-RestoreAdminPorts --parameters ExecutionId={execution_id} " in ended
    console = "https://eu-central-1.console.aws.amazon.com/systems-manager"
    ops_item_id = repair.account.ops_item(repair.group_id)["OpsItemId"]
    for text in (started, ended):
        assert f"{console}/opsitems/{ops_item_id}?region=eu-central-1" in text
        assert f"{console}/automation/execution/{execution_id}?region=eu-central-1" in text
    assert responding["message"]["default"] == started
    assert ended.isascii()
    assert resolved["attributes"] == {
        "severity": "high",
        "route": "close-admin-ports",
        "account": "123456789012",
        "environment": "dev",
        "decision": "resolve",
        "change": "Resolved",
    }


def test_a_subscription_with_a_filter_policy_gets_json(repair: Repair):
    answer = client("sqs").receive_message(QueueUrl=repair.machines_queue, MaxNumberOfMessages=10)
    (message,) = answer["Messages"]
    body = json.loads(message["Body"])
    assert body["change"] == "Resolved"
    assert body["incident"] == repair.incident_id
    assert body["opsItem"] == repair.account.ops_item(repair.group_id)["OpsItemId"]


def test_every_change_is_an_event_on_mends_own_bus(repair: Repair):
    responding, resolved = repair.account.mend_events(repair.group_id)
    assert responding["detail-type"] == "Mend Incident Responding"
    assert resolved["detail-type"] == "Mend Incident Resolved"
    for event in (responding, resolved):
        assert event["source"] == "mend"
        assert event["resources"] == [
            f"arn:aws:ec2:eu-central-1:123456789012:security-group/{repair.group_id}"
        ]
        assert event["detail"]["incident"] == repair.incident_id
        assert event["detail"]["resource"]["type"] == "AWS::EC2::SecurityGroup"
    assert responding["detail"]["id"] != resolved["detail"]["id"]


def test_the_ledger_row_is_settled(repair: Repair):
    row = repair.row
    assert row["settled"] is True
    assert "lease_holder" not in row
    assert row["inbox"] == []
    assert row["incident"]["outbox"] == []
    assert row["incident"]["state"]["how"] == "remediated"
    assert f"{row['incident']['fingerprint']}-{row['incident']['generation']}" == repair.incident_id
    days_kept = (float(row["expires_at"]) - float(row["incident"]["state"]["at"]) / 1_000) / 86_400
    assert days_kept >= 30
    assert repair.account.holds(repair.incident_id) == []


def test_the_before_state_is_kept_for_the_restore(repair: Repair):
    execution_id = repair.account.execution(repair.group_id)["AutomationExecutionId"]
    (kept,) = [i for i in repair.account.ledger() if i["pk"] == f"execution#{execution_id}"]
    assert kept["sk"] == "before-state"
    before = json.loads(kept["before_state"])
    assert before["SecurityGroupId"] == repair.group_id
    assert {rule["Description"] for rule in before["Removed"]} == {"SSH, for now", "A range"}
    assert len(before["Added"]) == len(NARROWER)


def test_nobody_failed_on_the_way(repair: Repair):
    assert [e for e in journal.entries(0, "invocation") if not e["ok"]] == []
    errors = {c["error"] for c in journal.entries(0, "api-call") if c["status"] >= 400}
    assert errors <= {"ConditionalCheckFailedException"}, "that is how a row says that it is taken"
    assert repair.account.dead_letters() == []


def test_the_restore_runbook_undoes_it_from_the_execution_id(account: Account):
    group_id = account.open_group(*OPEN, *WANTED)
    account.deliver(compliance_change(group_id))
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == WANTED | NARROWER
    data = account.ops_item(group_id)["OperationalData"]
    parameters = {"ExecutionId": data["mend/execution"]["Value"]}
    restored = account.run("Mend-RestoreAdminPorts", parameters)
    assert restored["AutomationExecutionStatus"] == "Success", restored.get("FailureMessage")
    assert restored["Outputs"]["Conclude.Outcome"] == ["Restored"]
    assert account.rules(group_id) == OPEN | WANTED
    again = account.run("Mend-RestoreAdminPorts", parameters)
    assert again["Outputs"]["Conclude.Outcome"] == ["AlreadyRestored"]
    assert account.rules(group_id) == OPEN | WANTED
    for execution in (restored, again):
        answer = account.outcome_answer(execution["AutomationExecutionId"])
        assert answer["decision"] == "ignore"
        assert answer["reasons"] == [f"execution {execution['AutomationExecutionId']} undid the repair"]
    assert account.ops_item(group_id)["Status"] == "Resolved"
    assert len(account.executions(group_id)) == 1
