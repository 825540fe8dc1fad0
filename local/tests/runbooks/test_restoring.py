"""What every runbook that restores has in common: without a before-state of its twin it changes nothing."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

TWINS = {
    "Mend-RestoreAdminPorts": "Mend-CloseAdminPorts",
    "Mend-RestoreKeyRotation": "Mend-EnableKeyRotation",
    "Mend-RestorePublicBucket": "Mend-BlockPublicBucket",
    "Mend-RestoreVolumeEncryptionByDefault": "Mend-EnableVolumeEncryptionByDefault",
}
EXECUTION_ID = "01234567-89ab-cdef-0123-456789abcdef"
LEDGER = "mend-test-ledger"


@pytest.fixture(params=TWINS)
def restore(request) -> str:
    return request.param


def test_without_a_before_state_nothing_is_restored(run, calls_of_role, restore):
    execution = run(restore, ExecutionId=str(uuid.uuid4()), LedgerTableName=LEDGER)
    assert execution.status == "Failed"
    assert "nothing was changed" in execution.failure
    assert set(execution.steps) == {"ReadBeforeState", "ReportNoBeforeState"}
    assert calls_of_role() == {("dynamodb", "GetItem")}


def test_only_the_before_state_of_its_twin_is_read(script, restore):
    parse = script(restore, "ParseBeforeState")
    for runbook in TWINS.values():
        before = {"Runbook": runbook, "Else": "kept"}
        if runbook == TWINS[restore]:
            assert parse({"BeforeState": json.dumps(before)}) == before
        else:
            with pytest.raises(RuntimeError, match=f"The execution ran {runbook}"):
                parse({"BeforeState": json.dumps(before)})


@pytest.mark.parametrize(
    "parameters",
    [
        {"ExecutionId": "incident#x", "LedgerTableName": LEDGER},
        {"ExecutionId": EXECUTION_ID, "LedgerTableName": "a b"},
        {"ExecutionId": EXECUTION_ID},
    ],
)
def test_bad_parameters_start_nothing(run, restore, parameters):
    with pytest.raises(ClientError) as refusal:
        run(restore, **parameters)
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"
