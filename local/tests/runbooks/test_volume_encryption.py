"""EBS encryption by default, turned on and restored step by step in the local cloud."""

import json
from dataclasses import replace

import pytest
from localcloud.clients import client
from localcloud.settings import ACCOUNT_ID
from moto.ec2.models import SettingsBackend as EbsEncryptionBackend

ENABLE, RESTORE = "Mend-EnableVolumeEncryptionByDefault", "Mend-RestoreVolumeEncryptionByDefault"


@pytest.fixture(autouse=True)
def off_at_first(cloud) -> None:
    client("ec2").disable_ebs_encryption_by_default()


def encrypts() -> bool:
    return client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]


def test_a_violation_is_repaired_and_undone_exactly(run, undo):
    enabled = run(ENABLE)
    assert enabled.succeeded("Remediated"), enabled.failure
    assert encrypts()
    assert ACCOUNT_ID in enabled.conclusion["Changes"]
    assert json.loads(enabled.before_state)["EncryptionByDefault"] is False

    restored = undo(RESTORE, enabled)
    assert restored.succeeded("Restored"), restored.failure
    assert not encrypts()

    again = undo(RESTORE, enabled)
    assert again.succeeded("AlreadyRestored"), again.failure
    assert "DisableEncryptionByDefault" not in again.steps


def test_an_account_that_encrypts_is_left_alone(run, calls_of_role):
    client("ec2").enable_ebs_encryption_by_default()
    execution = run(ENABLE)
    assert execution.succeeded("AlreadyCompliant"), execution.failure
    assert execution.conclusion["BeforeState"] == ""
    assert calls_of_role() == {("ec2", "GetEbsEncryptionByDefault")}


def test_only_the_declared_actions_are_called_and_all_by_the_role(run, undo, calls_of_role):
    undo(RESTORE, run(ENABLE))
    assert calls_of_role() == {
        ("ec2", "GetEbsEncryptionByDefault"),
        ("ec2", "EnableEbsEncryptionByDefault"),
        ("ec2", "DisableEbsEncryptionByDefault"),
        ("dynamodb", "GetItem"),
        ("ssm", "PutParameter"),
    }


@pytest.mark.parametrize(
    ("operation", "step"),
    [
        ("get_ebs_encryption_by_default", "LookAtDefault"),
        ("enable_ebs_encryption_by_default", "Verify"),
    ],
)
def test_what_is_denied_fails_the_execution_and_the_next_attempt_heals(run, denying, operation, step):
    with denying(EbsEncryptionBackend, operation):
        execution = run(ENABLE)
    assert execution.status == "Failed"
    assert execution.steps[step] == "Failed"
    assert "Conclude" not in execution.steps
    assert not encrypts()
    assert run(ENABLE, Attempt="2").succeeded("Remediated")
    assert encrypts()


def test_a_change_whose_answer_got_lost_counts(run, undo, denying):
    with denying(EbsEncryptionBackend, "enable_ebs_encryption_by_default", applied=True):
        execution = run(ENABLE)
    assert execution.succeeded("Remediated"), execution.failure
    assert execution.steps["EnableEncryptionByDefault"] == "Failed"
    undo(RESTORE, execution)
    assert not encrypts()


def test_what_somebody_turns_off_at_once_is_noticed_and_was_recorded(run, undo, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(EbsEncryptionBackend, "enable_ebs_encryption_by_default", lambda self: None)
        execution = run(ENABLE)
    assert execution.status == "Failed"
    assert execution.steps["EnableEncryptionByDefault"] == "Success"
    assert "something turns it off again" in execution.failure
    assert undo(RESTORE, execution).succeeded("AlreadyRestored")


def test_a_restore_that_failed_goes_on(run, undo, denying):
    enabled = run(ENABLE)
    with denying(EbsEncryptionBackend, "disable_ebs_encryption_by_default"):
        failed = undo(RESTORE, enabled)
    assert failed.status == "Failed"
    assert "is still on" in failed.failure
    assert undo(RESTORE, enabled).succeeded("Restored")
    assert not encrypts()


def test_the_before_state_of_another_place_is_refused(run, undo):
    enabled = run(ENABLE)
    elsewhere = {**json.loads(enabled.before_state), "Region": "us-east-1"}
    refused = undo(RESTORE, replace(enabled, outputs={"PlanChange.BeforeState": [json.dumps(elsewhere)]}))
    assert refused.status == "Failed"
    assert f"changed account {ACCOUNT_ID} in us-east-1; this is account {ACCOUNT_ID}" in refused.failure
    assert encrypts()


def test_a_change_that_shows_late_is_waited_for(run, monkeypatch):
    original = EbsEncryptionBackend.get_ebs_encryption_by_default
    shown = [False, False]  # to the first look, and to the first after the change
    monkeypatch.setattr(
        EbsEncryptionBackend,
        "get_ebs_encryption_by_default",
        lambda self: shown.pop() if shown else original(self),
    )
    execution = run(ENABLE)
    assert execution.succeeded("Remediated"), execution.failure
    assert execution.steps["AwaitDefault"] == "Success"
    assert not shown
