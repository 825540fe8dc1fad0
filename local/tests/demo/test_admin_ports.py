"""The scene admin-ports, whole, with the functions' built binaries; without them these tests fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from demo.__main__ import main
from demo.account import ROOT
from demo.scenes import admin_ports
from localcloud.clients import client
from localcloud.deploy import runs, wait_for_first_run

LIMIT_SECONDS = 90.0
RECONCILE = "mend-dev-reconcile"


def play(**environment: str) -> subprocess.Popen[str]:
    """Start the demo in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "demo", "--scene", "admin-ports"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "local"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_with(marker: str) -> list[str]:
    """Return the processes whose environment holds the text."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in environment.read_bytes():
                found.append(environment.parent.name)
        except OSError:
            continue
    return found


def test_the_scene_plays_to_its_end_and_everything_that_it_claims_holds():
    demo = play()
    try:
        output, errors = demo.communicate(timeout=LIMIT_SECONDS)
    finally:
        demo.kill()
    assert demo.returncode == 0, output + errors
    assert errors == ""
    assert "✗" not in output
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) <= 100
    for expected in (
        "✓ port 22 is closed to the world, 20-25 narrowed, and every other rule is as it was",
        "✓ there is one OpsItem about the group, and it is Resolved",
        "Healed: port 22 was closed",
        "│ What you need to do: Nothing.",
        "Answers: 20 times ignore",
        "✓ no OpsItem, execution or notification was added",
        "✓ the OpsItem has the whole plan: document, its version, parameters and role",
        "✓ the dead-letter queue is empty",
    ):
        assert expected in output, output


def test_a_rule_that_did_not_survive_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    reads = []

    def sabotaged(ec2: Any, group: str) -> list[admin_ports.Rule]:
        reads.append(group)
        if len(reads) == 2:
            website = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
            client("ec2").revoke_security_group_ingress(
                GroupId=group, IpPermissions=[{**website, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
            )
        return read(ec2, group)

    read = admin_ports.inbound_rules
    monkeypatch.setattr(admin_ports, "inbound_rules", sabotaged)
    assert main(["--scene", "admin-ports"]) == 1
    output = capsys.readouterr()
    claim = "port 22 is closed to the world, 20-25 narrowed, and every other rule is as it was"
    assert f"✗ {claim}" in output.out
    assert "tcp 443 from 0.0.0.0/0 (Website)" in output.out.split("expected:")[1].split("found:")[0]
    assert "tcp 443 from 0.0.0.0/0 (Website)" not in output.out.split("found:")[1]
    assert claim in output.err
    assert "Healed" not in output.out
    assert "20 times" not in output.out


def test_a_decision_not_to_act_ends_the_scene_with_its_reasons(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def after_the_kill_switch(*arguments: Any) -> dict[str, Any]:
        before = runs(RECONCILE)
        client("ssm").put_parameter(Name="/mend/dev/kill-switch", Value="engaged: a test", Overwrite=True)
        # It wakes reconcile, which would answer the event, too.
        wait_for_first_run(RECONCILE, times=before + 1)
        return fresh(*arguments)

    fresh = admin_ports.put_events_entry
    monkeypatch.setattr(admin_ports, "put_events_entry", after_the_kill_switch)
    assert main(["--scene", "admin-ports"]) == 1
    error = capsys.readouterr().err
    assert "decided defer" in error
    assert "the kill switch is engaged: a test" in error


def test_an_interrupted_scene_leaves_nothing_behind(tmp_path: Path):
    marker = str(tmp_path / "nothing-is-here")
    demo = play(PATH=f"{os.environ['PATH']}:{marker}", TMPDIR=str(tmp_path))
    try:
        for line in demo.stdout or ():
            if "runbook" in line:
                break
        assert len(processes_with(marker)) > 1
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=LIMIT_SECONDS)
    finally:
        demo.kill()
    assert demo.returncode == 128 + signal.SIGINT
    assert errors == "\nInterrupted by SIGINT; everything was stopped.\n"
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 5
    while processes_with(marker):
        assert time.monotonic() < deadline, f"still running: {processes_with(marker)}"
        time.sleep(0.02)
