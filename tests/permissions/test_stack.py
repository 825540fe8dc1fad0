"""What the template's roles need where no other test goes: to undo a repair, to hand over what failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localcloud import journal
from localcloud.clients import client
from localcloud.deploy import Stack, deploy
from localcloud.server import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60.0
SHORT_WAITS = 0.001
INCIDENT = "0123456789abcdef0123456789abcdef-1"
FINAL = {"Success", "Failed", "TimedOut", "Cancelled"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The project's stack."""
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=SHORT_WAITS):
        yield deploy(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": "observe"})


def wait_for(kind: str, since: int, **fields: Any) -> journal.Entry:
    """Return the first entry with these fields, as soon as it is there."""
    while True:
        entries = journal.wait(since, WAIT_SECONDS)
        assert entries, f"in vain: {kind} {fields}"
        for entry in entries:
            if entry["kind"] == kind and fields.items() <= entry.items():
                return entry
        since = entries[-1]["seq"]


def run(stack: Stack, document: str, family: str, **parameters: str) -> dict[str, Any]:
    """Run a runbook under its family's role and return the execution, which must succeed."""
    ssm, mark = client("ssm"), journal.record("mark")["seq"]
    role = stack.outputs[f"{family}AutomationRoleArn"]
    given = {"AutomationAssumeRole": role, "Incident": INCIDENT, "Attempt": "1", **parameters}
    execution_id = ssm.start_automation_execution(
        DocumentName=document, Parameters={name: [value] for name, value in given.items()}
    )["AutomationExecutionId"]
    seen = mark
    while (entry := wait_for("execution", seen, execution_id=execution_id))["status"] not in FINAL:
        seen = entry["seq"]
    execution = ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    assert execution["AutomationExecutionStatus"] == "Success", execution.get("FailureMessage")
    return execution


def open_group() -> dict[str, str]:
    """Return a security group that lets the world in to SSH among other things."""
    group = client("ec2").create_security_group(GroupName="open", Description="A test's")["GroupId"]
    world = [{"CidrIp": "0.0.0.0/0"}]
    client("ec2").authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 20, "ToPort": 30, "IpRanges": world}],
    )
    return {"SecurityGroupId": group}


def bucket(name: str, **settings: bool) -> dict[str, str]:
    """Return a bucket with these settings of its public access block, or without one."""
    s3 = client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    if settings:
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=settings)
    return {"BucketName": name}


REPAIRS = {
    "group": ("Network", "Mend-CloseAdminPorts", "Mend-RestoreAdminPorts", open_group),
    "bucket without settings": (
        "Storage",
        "Mend-BlockPublicBucket",
        "Mend-RestorePublicBucket",
        lambda: bucket("without-settings"),
    ),
    "bucket with settings": (
        "Storage",
        "Mend-BlockPublicBucket",
        "Mend-RestorePublicBucket",
        lambda: bucket("with-settings", BlockPublicAcls=True, IgnorePublicAcls=False),
    ),
    "volumes": (
        "Encryption",
        "Mend-EnableVolumeEncryptionByDefault",
        "Mend-RestoreVolumeEncryptionByDefault",
        dict,
    ),
    "key": (
        "Encryption",
        "Mend-EnableKeyRotation",
        "Mend-RestoreKeyRotation",
        lambda: {"KeyId": client("kms").create_key()["KeyMetadata"]["KeyId"]},
    ),
}


@pytest.mark.parametrize("repair", REPAIRS)
def test_a_person_undoes_a_repair_under_the_role_of_the_family(stack, repair):
    family, runbook, restore, violate = REPAIRS[repair]
    execution = run(stack, runbook, family, **violate())
    assert execution["Outputs"]["Conclude.Outcome"] == ["Remediated"]
    table = stack.outputs["LedgerTableName"]
    client("dynamodb").put_item(
        TableName=table,
        Item={
            "pk": {"S": f"execution#{execution['AutomationExecutionId']}"},
            "sk": {"S": "before-state"},
            "before_state": {"S": execution["Outputs"]["Conclude.BeforeState"][0]},
        },
    )
    restored = run(
        stack,
        restore,
        family,
        ExecutionId=execution["AutomationExecutionId"],
        LedgerTableName=table,
    )
    assert restored["Outputs"]["Conclude.Outcome"] == ["Restored"]


@pytest.mark.parametrize("function", ["config-compliance", "automation-outcome", "ops-item-update"])
def test_what_a_function_fails_on_is_handed_over(stack, function):
    mark = journal.record("mark")["seq"]
    payload = json.dumps({"not an event for": function})
    client("lambda").invoke(
        FunctionName=stack.functions[function], InvocationType="Event", Payload=payload.encode()
    )
    for attempt in (1, 2, 3):
        wait_for("invocation", mark, function=stack.functions[function], attempt=attempt, ok=False)
    sqs, url = client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    while True:
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        if any(json.loads(m["Body"])["requestPayload"] == json.loads(payload) for m in messages):
            break
    assert not journal.entries(mark, "denied")
