"""What every runbook that restores has in common: one command, and the exemption before the change."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud import journal
from localcloud.clients import client
from localcloud.settings import REGION
from moto.ssm.models import SimpleSystemManagerBackend

TWINS = {
    "Mend-RestoreAdminPorts": "Mend-CloseAdminPorts",
    "Mend-RestoreKeyRotation": "Mend-EnableKeyRotation",
    "Mend-RestorePublicBucket": "Mend-BlockPublicBucket",
    "Mend-RestoreVolumeEncryptionByDefault": "Mend-EnableVolumeEncryptionByDefault",
}
INCIDENT = "0123456789abcdef0123456789abcdef-1"
EXEMPTION = "/mend/dev/exemptions/some-route/some.resource-1"
EXECUTION_ID = "01234567-89ab-cdef-0123-456789abcdef"
LEDGER = "mend-test-ledger"
READS = ("Describe", "Get")


@pytest.fixture(params=TWINS)
def restore(request) -> str:
    return request.param


@pytest.fixture
def no_exemption(cloud) -> None:
    """Nothing is exempted when the test begins."""
    client("ssm").delete_parameters(Names=[EXEMPTION])


@pytest.fixture
def repaired(run, restore, no_exemption) -> Any:
    """An execution that has repaired something, which the restore can undo."""
    match TWINS[restore]:
        case "Mend-CloseAdminPorts":
            ec2 = client("ec2")
            group = ec2.create_security_group(GroupName=uuid.uuid4().hex, Description="test")["GroupId"]
            ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh])
            parameters = {"SecurityGroupId": group}
        case "Mend-EnableKeyRotation":
            parameters = {"KeyId": client("kms").create_key()["KeyMetadata"]["KeyId"]}
        case "Mend-BlockPublicBucket":
            bucket = f"mend.test-{uuid.uuid4().hex}"
            client("s3").create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            parameters = {"BucketName": bucket}
        case "Mend-EnableVolumeEncryptionByDefault":
            client("ec2").disable_ebs_encryption_by_default()
            parameters = {}
    execution = run(TWINS[restore], **parameters)
    assert execution.succeeded("Remediated"), execution.failure
    return execution


def exemption() -> str | None:
    """What Parameter Store says about the resource's exemption."""
    try:
        return client("ssm").get_parameter(Name=EXEMPTION)["Parameter"]["Value"]
    except client("ssm").exceptions.ParameterNotFound:
        return None


def end(text: str | None) -> datetime:
    """When an exemption ends."""
    said = re.fullmatch(r"until (\S+Z): undone by execution [0-9a-f-]{36}", text or "")
    assert said, text
    return datetime.fromisoformat(said[1])


@pytest.fixture
def changes_of(cloud) -> Callable[[Any], list[str]]:
    """Return a function that gives the operations by which an execution changed something, in order."""

    def changes_of(execution: Any) -> list[str]:
        calls = [
            entry
            for entry in journal.entries(kind="api-call")
            if (entry["principal"] or "").endswith(f"/Automation-{execution.id}")
        ]
        assert calls
        return [call["operation"] for call in calls if not call["operation"].startswith(READS)]

    return changes_of


def test_the_id_of_the_execution_is_all_that_it_takes(run, keep, restore, repaired):
    keep(repaired)
    restored = run(restore, ExecutionId=repaired.id)
    assert restored.succeeded("Restored"), restored.failure
    assert restored.conclusion["BeforeState"] == ""
    assert {name: restored.conclusion[name] for name in ("Incident", "Attempt", "Exemption")} == {
        "Incident": INCIDENT,
        "Attempt": "1",
        "Exemption": EXEMPTION,
    }


def test_it_is_one_parameter_for_people(restore, load_runbook):
    parameters = load_runbook(restore)["parameters"]
    assert [name for name, declared in parameters.items() if "default" not in declared] == ["ExecutionId"]
    assert parameters.keys() == {"AutomationAssumeRole", "ExecutionId", "LedgerTableName", "ExemptDays"}


@pytest.mark.parametrize(("given", "days"), [({}, 14), ({"ExemptDays": "1"}, 1), ({"ExemptDays": "90"}, 90)])
def test_the_resource_is_exempted_for_so_many_days(undo, restore, repaired, given, days):
    before = datetime.now(UTC).replace(microsecond=0)
    restored = undo(restore, repaired, **given)
    after = datetime.now(UTC)
    said = exemption()
    assert before + timedelta(days=days) <= end(said) <= after + timedelta(days=days)
    assert said.endswith(f": undone by execution {restored.id}")
    assert (
        f"Mend leaves it alone until {end(said):%Y-%m-%dT%H:%M:%SZ}: parameter {EXEMPTION}."
        in (restored.conclusion["Changes"])
    )


def test_it_is_exempted_before_anything_changes(undo, restore, repaired, changes_of):
    restored = undo(restore, repaired)
    first, *others = changes_of(restored)
    assert first == "PutParameter"
    assert others
    assert "PutParameter" not in others


def test_it_can_be_run_again_and_takes_the_place_of_the_former_exemption(undo, restore, repaired, changes_of):
    client("ssm").put_parameter(Name=EXEMPTION, Value="until 2026-01-01: something else", Type="String")
    first = undo(restore, repaired)
    assert exemption().endswith(first.id)
    again = undo(restore, repaired, ExemptDays="30")
    assert again.succeeded("AlreadyRestored"), again.failure
    assert exemption().endswith(again.id)
    assert end(exemption()) > datetime.now(UTC) + timedelta(days=29)
    assert changes_of(again) == ["PutParameter"]


def test_what_cannot_be_exempted_is_not_restored(undo, restore, repaired, denying, changes_of):
    with denying(SimpleSystemManagerBackend, "put_parameter"):
        failed = undo(restore, repaired)
    assert failed.status == "Failed"
    assert failed.steps["ExemptResource"] == "Failed"
    assert set(changes_of(failed)) == {"PutParameter"}
    assert exemption() is None


def test_a_row_from_before_there_were_exemptions_is_restored_and_says_that_nothing_is_exempted(
    run, keep, restore, repaired, changes_of
):
    keep(repaired, exemption=None)
    restored = run(restore, ExecutionId=repaired.id)
    assert restored.succeeded("Restored"), restored.failure
    assert restored.conclusion["Exemption"] == ""
    assert "Nothing is exempted" in restored.conclusion["Changes"]
    assert "PutParameter" not in changes_of(restored)
    assert exemption() is None


@pytest.mark.parametrize("days", ["0", "91", "-1", "1.5", "07", "seven"])
def test_no_exemption_is_for_less_than_a_day_or_more_than_90(run, restore, days):
    with pytest.raises(ClientError) as refusal:
        run(restore, ExecutionId=EXECUTION_ID, ExemptDays=days)
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"


def test_without_a_before_state_nothing_is_restored(run, calls_of_role, restore, no_exemption):
    execution = run(restore, ExecutionId=str(uuid.uuid4()))
    assert execution.status == "Failed"
    assert "nothing was changed" in execution.failure
    assert set(execution.steps) == {"ReadBeforeState", "ReportNoBeforeState"}
    assert calls_of_role() == {("dynamodb", "GetItem")}


def row(before: dict[str, Any], **others: dict[str, str]) -> dict[str, Any]:
    """A row of the ledger, as the step hands it on."""
    kept = {
        "pk": {"S": f"execution#{EXECUTION_ID}"},
        "incident": {"S": INCIDENT},
        "attempt": {"N": "12"},
        "before_state": {"S": json.dumps(before)},
    }
    return {"Row": {**kept, **others}}


def test_only_the_before_state_of_its_twin_is_read(script, restore):
    parse = script(restore, "ParseBeforeState")
    for runbook in TWINS.values():
        before = {"Runbook": runbook, "Else": "kept"}
        if runbook == TWINS[restore]:
            story = {"Incident": INCIDENT, "Attempt": "12", "Exemption": ""}
            assert parse(row(before)) == {**before, **story}
        else:
            with pytest.raises(RuntimeError, match=f"The execution ran {runbook}"):
                parse(row(before))


@pytest.mark.parametrize(
    "name",
    [
        "/mend/dev/kill-switch",
        "/mend/dev/mode/close-admin-ports",
        "/mend/dev/exemptions/a/b/c",
        "/mend/dev/exemptions/a/../../kill-switch",
        "/mend/dev/exemptions/a/{{ x }}",
        "/mend/dev/exemptions/a/b\n",
        "mend/dev/exemptions/a/b",
    ],
)
def test_nothing_but_an_exemption_is_written(script, restore, name):
    """Functions write the ledger; what a person starts must not set a switch for them."""
    with pytest.raises(RuntimeError, match="that is no name of one"):
        script(restore, "ParseBeforeState")(row({"Runbook": TWINS[restore]}, exemption={"S": name}))


@pytest.mark.parametrize(
    "parameters",
    [
        {"ExecutionId": "incident#x"},
        {"ExecutionId": EXECUTION_ID, "LedgerTableName": "a b"},
        {"LedgerTableName": LEDGER},
    ],
)
def test_bad_parameters_start_nothing(run, restore, parameters):
    with pytest.raises(ClientError) as refusal:
        run(restore, **parameters)
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"
