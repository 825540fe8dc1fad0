"""Key rotation, turned on through AWS's own runbook and restored, step by step in the local cloud."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client
from moto.kms.models import KmsBackend

ENABLE, RESTORE = "Mend-EnableKeyRotation", "Mend-RestoreKeyRotation"
CHILD = "AWSConfigRemediation-EnableKeyRotation"


@pytest.fixture
def make_key(cloud):
    """Return a function that creates a key."""

    def make(**properties: Any) -> str:
        return client("kms").create_key(**properties)["KeyMetadata"]["KeyId"]

    return make


def rotates(key_id: str) -> bool:
    return client("kms").get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]


def children_of(execution_id: str) -> list[dict[str, Any]]:
    filters = [{"Key": "ParentExecutionId", "Values": [execution_id]}]
    return client("ssm").describe_automation_executions(Filters=filters)["AutomationExecutionMetadataList"]


def test_a_violation_is_repaired_by_a_child_execution_and_undone_exactly(run, undo, make_key):
    key_id = make_key()

    enabled = run(ENABLE, KeyId=key_id)
    assert enabled.succeeded("Remediated"), enabled.failure
    assert rotates(key_id)
    assert json.loads(enabled.before_state) == {"Runbook": ENABLE, "KeyId": key_id, "KeyRotation": False}
    [child] = children_of(enabled.id)
    assert (child["DocumentName"], child["AutomationExecutionStatus"]) == (CHILD, "Success")

    restored = undo(RESTORE, enabled)
    assert restored.succeeded("Restored"), restored.failure
    assert not rotates(key_id)

    again = undo(RESTORE, enabled)
    assert again.succeeded("AlreadyRestored"), again.failure
    assert "DisableRotation" not in again.steps


def test_a_key_that_rotates_is_left_alone(run, make_key, calls_of_role):
    key_id = make_key()
    client("kms").enable_key_rotation(KeyId=key_id)
    execution = run(ENABLE, KeyId=key_id)
    assert execution.conclusion == {
        "Outcome": "AlreadyCompliant",
        "Changes": f"None: key {key_id} already rotates automatically.",
        "BeforeState": "",
    }
    assert calls_of_role() == {("kms", "DescribeKey"), ("kms", "GetKeyRotationStatus")}


def test_only_the_declared_actions_are_called_and_all_by_the_role(run, undo, make_key, calls_of_role):
    undo(RESTORE, run(ENABLE, KeyId=make_key()))
    assert calls_of_role() == {
        ("kms", "DescribeKey"),
        ("kms", "GetKeyRotationStatus"),
        ("kms", "EnableKeyRotation"),
        ("kms", "DisableKeyRotation"),
        ("ssm", "StartAutomationExecution"),
        ("ssm", "GetAutomationExecution"),
        ("dynamodb", "GetItem"),
        ("ssm", "PutParameter"),
    }


def test_a_key_that_is_gone_needs_no_repair(run):
    key_id = "01234567-89ab-cdef-0123-456789abcdef"
    execution = run(ENABLE, KeyId=key_id)
    assert execution.succeeded("AlreadyCompliant"), execution.failure
    assert execution.conclusion["Changes"] == f"None: key {key_id} no longer exists."


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        (
            {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
            "is of type RSA_2048, and KMS rotates symmetric",
        ),
        ({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, "is of type HMAC_256"),
        ({"Origin": "EXTERNAL"}, "has imported key material"),
        ({"Origin": "EXTERNAL_KEY_STORE"}, "is in a custom key store (EXTERNAL_KEY_STORE)"),
    ],
)
def test_a_key_that_cannot_rotate_fails_the_execution_and_says_why(run, make_key, properties, reason):
    key_id = make_key(**properties)
    execution = run(ENABLE, KeyId=key_id)
    assert execution.status == "Failed"
    assert list(execution.steps) == ["LookAtKey", "PlanChange"]
    assert f"Nothing was changed: key {key_id} {reason}" in execution.failure
    assert children_of(execution.id) == []


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda kms, key_id: kms.disable_key(KeyId=key_id), "is in state Disabled: enable it"),
        (lambda kms, key_id: kms.schedule_key_deletion(KeyId=key_id), "is pending deletion. If it is needed"),
    ],
    ids=["disabled", "pending deletion"],
)
def test_a_key_that_cannot_rotate_now_fails_the_execution_and_says_why(run, make_key, call, reason):
    key_id = make_key()
    call(client("kms"), key_id)
    execution = run(ENABLE, KeyId=key_id)
    assert execution.status == "Failed"
    assert f"Nothing was changed: key {key_id} {reason}" in execution.failure


def test_a_replica_is_left_to_its_primary_key(script):
    replica = {"Spec": "SYMMETRIC_DEFAULT", "Origin": "AWS_KMS", "State": "Enabled", "ReplicaOf": "us-east-1"}
    facts = {"KeyId": "mrk-x", "Exists": True, "Rotates": False, "Key": replica}
    with pytest.raises(RuntimeError, match="follows its primary key: turn on rotation in us-east-1"):
        script(ENABLE, "PlanChange")(facts)


def test_an_answer_that_is_denied_is_not_taken_for_a_key_that_is_gone(run, make_key, denying):
    key_id = make_key()
    with denying(KmsBackend, "describe_key"):
        execution = run(ENABLE, KeyId=key_id)
    assert execution.status == "Failed"
    assert list(execution.steps) == ["LookAtKey"]
    assert "AccessDenied" in execution.failure


def test_a_change_whose_answer_got_lost_counts(run, undo, make_key, denying):
    key_id = make_key()
    with denying(KmsBackend, "enable_key_rotation", applied=True):
        execution = run(ENABLE, KeyId=key_id)
    assert execution.succeeded("Remediated"), execution.failure
    assert execution.steps["EnableRotation"] == "Failed"
    undo(RESTORE, execution)
    assert not rotates(key_id)


def test_a_child_that_fails_fails_the_execution_and_the_next_attempt_heals(run, make_key, denying):
    key_id = make_key()
    with denying(KmsBackend, "enable_key_rotation"):
        execution = run(ENABLE, KeyId=key_id)
    assert execution.status == "Failed"
    assert execution.steps["EnableRotation"] == execution.steps["Verify"] == "Failed"
    assert "its child execution says why" in execution.failure
    [child] = children_of(execution.id)
    assert child["AutomationExecutionStatus"] == "Failed"
    assert not rotates(key_id)

    assert run(ENABLE, KeyId=key_id, Attempt="2").succeeded("Remediated")
    assert rotates(key_id)


def test_rotation_that_somebody_turns_off_at_once_is_noticed(run, undo, make_key, monkeypatch):
    key_id = make_key()
    status = KmsBackend.get_key_rotation_status
    answers = [False, True]  # for the first look and the child's; from then on as it is

    def turned_off_after_the_childs_look(self, key_id: str) -> bool:
        return answers.pop(0) if answers else status(self, key_id)

    with monkeypatch.context() as patch:
        patch.setattr(KmsBackend, "enable_key_rotation", lambda self, key_id: None)
        patch.setattr(KmsBackend, "get_key_rotation_status", turned_off_after_the_childs_look)
        execution = run(ENABLE, KeyId=key_id)
    assert execution.status == "Failed"
    assert execution.steps["EnableRotation"] == "Success"
    assert "something turns rotation off again" in execution.failure
    assert undo(RESTORE, execution).succeeded("AlreadyRestored")


def test_a_restore_that_failed_goes_on(run, undo, make_key, denying):
    key_id = make_key()
    enabled = run(ENABLE, KeyId=key_id)
    with denying(KmsBackend, "disable_key_rotation"):
        failed = undo(RESTORE, enabled)
    assert failed.status == "Failed"
    assert "still rotates automatically" in failed.failure
    assert undo(RESTORE, enabled).succeeded("Restored")
    assert not rotates(key_id)


@pytest.mark.parametrize(
    "key_id", ["alias/aws/ebs", "arn:aws:kms:x:y:key/z", "{{ global:ACCOUNT_ID }}", "mrk-1"]
)
def test_what_is_no_key_id_starts_nothing(run, key_id):
    with pytest.raises(ClientError) as refusal:
        run(ENABLE, KeyId=key_id)
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"
