"""Every route, from the event that AWS Config sends to the repair, its proof, and its undoing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from .account import Account, client
from .config_events import Event, about, sample

ACCOUNT_ID = "123456789012"
BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def public_bucket() -> str:
    name = f"reports-{time.monotonic_ns()}"
    configuration = {"LocationConstraint": "eu-central-1"}
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=configuration)
    client("s3").delete_public_access_block(Bucket=name)
    return name


def blocks_public_access(name: str) -> bool:
    s3 = client("s3")
    try:
        found = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchPublicAccessBlockConfiguration":
            raise
        return False
    return found == BLOCKED


def account_without_encryption() -> str:
    client("ec2").disable_ebs_encryption_by_default()
    return ACCOUNT_ID


def encrypts_volumes(_: str) -> bool:
    return client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]


def key_without_rotation() -> str:
    return client("kms").create_key()["KeyMetadata"]["KeyId"]


def rotates(key_id: str) -> bool:
    return client("kms").get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]


@dataclass(frozen=True)
class Case:
    """One route, by what is wrong."""

    violated: str
    """The sample event that says so."""
    clear: str
    runbook: str
    undo: str
    role: str
    """The stack's output that names the role."""
    break_it: Callable[[], str]
    """Makes a resource that is wrong, and returns its id."""
    is_right: Callable[[str], bool]
    arn: str | None
    """What the OpsItem names as its resource."""

    def __str__(self) -> str:
        return self.runbook


CASES = [
    Case(
        "public-bucket",
        "blocked-bucket",
        "Mend-BlockPublicBucket",
        "Mend-RestorePublicBucket",
        "StorageAutomationRoleArn",
        public_bucket,
        blocks_public_access,
        "arn:aws:s3:::{id}",
    ),
    Case(
        "volumes-unencrypted-by-default",
        "volumes-encrypted-by-default",
        "Mend-EnableVolumeEncryptionByDefault",
        "Mend-RestoreVolumeEncryptionByDefault",
        "EncryptionAutomationRoleArn",
        account_without_encryption,
        encrypts_volumes,
        None,
    ),
    Case(
        "key-without-rotation",
        "key-with-rotation",
        "Mend-EnableKeyRotation",
        "Mend-RestoreKeyRotation",
        "EncryptionAutomationRoleArn",
        key_without_rotation,
        rotates,
        "arn:aws:kms:eu-central-1:123456789012:key/{id}",
    ),
]


def resolved(account: Account, incident: str) -> dict[str, Any]:
    """Wait until the incident is resolved and settled, and return its row."""

    def there() -> dict[str, Any] | None:
        fingerprint = incident.rsplit("-", 1)[0]
        keys = {"pk": f"incident#{fingerprint}", "sk": "current"}
        (row,) = [item for item in account.ledger() if keys.items() <= item.items()]
        return row if row["settled"] and row["incident"]["state"]["name"] == "resolved" else None

    return account.wait_until(there, f"{incident} to be resolved", on="invocation")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_route_repairs_proves_and_can_be_undone(account: Account, case: Case):
    resource_id = case.break_it()
    assert not case.is_right(resource_id)
    (answer,) = account.deliver(event(case.violated, resource_id))
    row = resolved(account, answer["incident"])
    assert row["incident"]["state"]["how"] == "remediated"
    assert case.is_right(resource_id)

    item = client("ssm").get_ops_item(OpsItemId=answer["ops_item"])["OpsItem"]
    assert item["Status"] == "Resolved"
    resources = item["OperationalData"].get("/aws/resources", {"Value": "[]"})["Value"]
    named = [resource["arn"] for resource in json.loads(resources)]
    assert named == ([case.arn.format(id=resource_id)] if case.arn else [])

    execution = account.ended(answer["execution"])
    assert execution["DocumentName"] == case.runbook
    assert execution["Outputs"]["Conclude.Outcome"] == ["Remediated"]
    undone = account.run(case.undo, {"ExecutionId": answer["execution"]})
    assert undone["AutomationExecutionStatus"] == "Success", undone.get("FailureMessage")
    assert not case.is_right(resource_id)

    account.outcome_answer(undone["AutomationExecutionId"])

    # Once the exemption is gone, the next look finds it again, and the next repair is a new incident's.
    client("ssm").delete_parameter(Name=undone["Outputs"]["Conclude.Exemption"][0])
    (again,) = account.deliver(event(case.violated, resource_id))
    assert again["incident"] == answer["incident"].removesuffix("1") + "2"
    resolved(account, again["incident"])
    assert case.is_right(resource_id)
    (cleared,) = account.deliver(event(case.clear, resource_id))
    assert cleared["decision"] == "ignore", "it was resolved already"


def event(name: str, resource_id: str) -> Event:
    """Return the sample, about this resource and as of now."""
    return about(sample("config-compliance", name), resource_id)
