"""What the template's roles need where no other test goes: on every route, to undo, and after failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from localcloud import journal
from localcloud.clients import client
from localcloud.deploy import Stack, deploy
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60.0
SHORT_WAITS = 0.001
INCIDENT = "0123456789abcdef0123456789abcdef-1"
ATTEMPTS = 3
FINAL = {"Success", "Failed", "TimedOut", "Cancelled"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The project's stack."""
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=SHORT_WAITS):
        yield deploy(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": "enforce"})


def wait_for(kind: str, since: int, is_it: Callable[[journal.Entry], bool]) -> journal.Entry:
    """Return the first entry that is the one, as soon as it is there."""
    while True:
        entries = journal.wait(since, WAIT_SECONDS)
        assert entries, f"in vain: {kind}"
        for entry in entries:
            if entry["kind"] == kind and is_it(entry):
                return entry
        since = entries[-1]["seq"]


def open_group() -> str:
    """Return a security group that lets the world in to SSH among other things."""
    group = client("ec2").create_security_group(GroupName="open", Description="A test's")["GroupId"]
    world = [{"CidrIp": "0.0.0.0/0"}]
    client("ec2").authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 20, "ToPort": 30, "IpRanges": world}],
    )
    return group


def bucket(name: str, **settings: bool) -> str:
    """Return a bucket with these settings of its public access block, or without one."""
    s3 = client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    if settings:
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=settings)
    return name


def own_account() -> str:
    """Return the account's id; volumes are not encrypted by default in it."""
    client("ec2").disable_ebs_encryption_by_default()
    return ACCOUNT_ID


REPAIRS = {
    "group": ("open-ssh", "Network", "Mend-RestoreAdminPorts", open_group),
    "bucket": ("public-bucket", "Storage", "Mend-RestorePublicBucket", lambda: bucket("without-settings")),
    "bucket with settings": (
        "public-bucket",
        "Storage",
        "Mend-RestorePublicBucket",
        lambda: bucket("with-settings", BlockPublicAcls=True),
    ),
    "volumes": (
        "volumes-unencrypted-by-default",
        "Encryption",
        "Mend-RestoreVolumeEncryptionByDefault",
        own_account,
    ),
    "key": (
        "key-without-rotation",
        "Encryption",
        "Mend-RestoreKeyRotation",
        lambda: client("kms").create_key()["KeyMetadata"]["KeyId"],
    ),
}
"""For each route: the event about a violation, the family, what undoes the repair, and the violation."""


@pytest.mark.parametrize("repair", REPAIRS)
def test_functions_repair_and_people_undo_under_their_roles(stack, repair):
    sample, family, restore, violate = REPAIRS[repair]
    mark = journal.record("mark")["seq"]
    tell(sample, violate())
    execution = ended(mark)
    wait_until_taken(stack, execution["AutomationExecutionId"], mark)
    assert execution["Outputs"]["Conclude.Outcome"] == ["Remediated"]
    restored = run(
        restore,
        AutomationAssumeRole=stack.outputs[f"{family}AutomationRoleArn"],
        Incident=INCIDENT,
        Attempt="1",
        ExecutionId=execution["AutomationExecutionId"],
        LedgerTableName=stack.outputs["LedgerTableName"],
    )
    assert restored["Outputs"]["Conclude.Outcome"] == ["Restored"]


def tell(sample: str, resource_id: str) -> None:
    """Put the sample event about this resource on the bus, as of now."""
    event = json.loads((ROOT / f"events/config-compliance/{sample}.json").read_text())
    detail = json.loads(json.dumps(event["detail"]).replace(event["detail"]["resourceId"], resource_id))
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    result = detail["newEvaluationResult"]
    result["resultRecordedTime"] = result["evaluationResultIdentifier"]["orderingTimestamp"] = now
    entry = {"Source": event["source"], "DetailType": event["detail-type"], "Detail": json.dumps(detail)}
    client("events").put_events(Entries=[entry])


def run(document: str, **parameters: str) -> dict[str, Any]:
    """Run a runbook as a person does and return the execution when it has ended."""
    mark = journal.record("mark")["seq"]
    given = {name: [value] for name, value in parameters.items()}
    client("ssm").start_automation_execution(DocumentName=document, Parameters=given)
    return ended(mark)


def ended(since: int) -> dict[str, Any]:
    """Return the next execution of a runbook of Mend that ends, which must be a success."""
    entry = wait_for("execution", since, lambda e: e["status"] in FINAL and e["document"].startswith("Mend-"))
    assert entry["status"] == "Success", entry
    answer = client("ssm").get_automation_execution(AutomationExecutionId=entry["execution_id"])
    return answer["AutomationExecution"]


def wait_until_taken(stack: Stack, execution_id: str, since: int) -> None:
    """Wait until the outcome is taken: what the runbook found before its change is in the ledger then."""
    function = stack.functions["automation-outcome"]
    taken = wait_for(
        "invocation",
        since,
        lambda e: e["function"] == function and e["payload"]["detail"]["ExecutionId"] == execution_id,
    )
    assert taken["ok"], taken["response"]


@pytest.mark.parametrize("function", ["config-compliance", "automation-outcome", "ops-item-update"])
def test_what_a_function_fails_on_is_handed_over(stack, function):
    mark = journal.record("mark")["seq"]
    payload = json.dumps({"not an event for": function})
    client("lambda").invoke(
        FunctionName=stack.functions[function], InvocationType="Event", Payload=payload.encode()
    )
    name = stack.functions[function]
    last = wait_for("invocation", mark, lambda e: e["function"] == name and e["attempt"] == ATTEMPTS)
    assert not last["ok"]
    sqs, url = client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    while True:
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        if any(json.loads(m["Body"])["requestPayload"] == json.loads(payload) for m in messages):
            break
    assert not journal.entries(mark, "denied")
