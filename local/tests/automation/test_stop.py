"""Ending executions early: by a person, by a reset, and with the process."""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError
from localcloud import journal

LOCAL = Path(__file__).parents[2]

HANG = "import os, pathlib as p, time; p.Path(events['file']).write_text(f'{os.getpid()}'); time.sleep(60)"


@pytest.fixture
def hang(script, tmp_path):
    """Return a function that writes a step whose script hangs, and one that waits for its process."""
    file = tmp_path / "pid"

    def hang(name="Hang", **properties):
        return script(name, HANG, {"file": str(file)}, **properties)

    def process():
        return int(eventually(lambda: file.exists() and file.read_text()))

    return hang, process


def eventually(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def runs(process_id):
    return Path(f"/proc/{process_id}").exists()


def stop(automation, execution_id, **request):
    automation.client("ssm").stop_automation_execution(AutomationExecutionId=execution_id, **request)


def test_a_cancelled_execution_ends_at_once_and_leaves_the_rest_pending(automation, step, hang, statuses):
    write, process = hang
    started = automation.start(automation.create([write(), step("After")]))
    script_process = process()

    stop(automation, started, Type="Cancel")

    execution = automation.wait(started, seconds=5)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert statuses(execution) == {"Hang": "Cancelled"}
    assert not runs(script_process)


def test_on_cancel_runs_before_the_end(automation, script, step, hang, statuses):
    write, process = hang
    clean = script("Clean", "import time; time.sleep(0.5); return 'clean'", isEnd=True)
    started = automation.start(automation.create([write(onCancel="step:Clean"), step("After"), clean]))
    process()

    stop(automation, started)
    eventually(lambda: statuses(automation.get(started)).get("Clean") == "InProgress")
    assert automation.get(started)["AutomationExecutionStatus"] == "Cancelling"
    with pytest.raises(ClientError, match="is Cancelling and cannot be stopped"):
        stop(automation, started)

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert statuses(execution) == {"Hang": "Cancelled", "Clean": "Success"}


def test_what_has_ended_or_never_was_cannot_be_stopped(automation, step):
    ended = automation.run([step("Only")])["AutomationExecutionId"]

    with pytest.raises(ClientError) as refusal:
        stop(automation, ended)
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationStatusUpdateException"
    with pytest.raises(ClientError) as refusal:
        stop(automation, "00000000-0000-0000-0000-000000000000")
    assert refusal.value.response["Error"]["Code"] == "AutomationExecutionNotFoundException"
    with pytest.raises(ClientError, match="is Success and cannot be stopped"):
        stop(automation, ended, Type="Complete")


def test_a_completed_execution_ends_after_its_current_step(
    automation, step, statuses, wait_for_journal, moved_clock
):
    name = automation.create([step("Wait", inputs={"Duration": "PT1H"}), step("After")])
    started = automation.start(name)
    wait_for_journal(lambda entry: entry["kind"] == "step" and entry["execution_id"] == started)

    stop(automation, started, Type="Complete")
    assert automation.get(started)["AutomationExecutionStatus"] == "InProgress"
    moved_clock(hours=1)

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Success"
    assert statuses(execution) == {"Wait": "Success"}


def test_a_reset_ends_executions_without_a_trace(automation, step, hang):
    write, process = hang
    waiting = automation.start(automation.create([step("Wait", inputs={"Duration": "PT1H"}), step("After")]))
    hanging = automation.start(automation.create([write(onFailure="Continue"), step("After")]))
    script_process = process()
    last = journal.record("test")["seq"]

    urlopen(Request(f"{automation.endpoint_url}/moto-api/reset", method="POST"))

    eventually(lambda: not runs(script_process))
    with pytest.raises(ClientError, match="There is no automation execution"):
        automation.get(waiting)
    assert [entry for entry in journal.entries(last) if entry["kind"] in ("execution", "step", "event")] == []
    with pytest.raises(ClientError, match="There is no automation execution"):
        automation.get(hanging)


def test_scripts_end_with_the_process(tmp_path):
    program = [sys.executable, str(Path(__file__).with_name("hanging_cloud.py")), str(tmp_path / "pid")]

    ended = subprocess.run(program, env={**os.environ, "PYTHONPATH": str(LOCAL)}, timeout=30)

    assert ended.returncode == 0
    assert not runs(int((tmp_path / "pid").read_text()))
