"""The command line: what it prints, writes and leaves behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from localcloud.settings import ADMINISTRATOR, REGION

LOCAL = Path(__file__).parents[2]
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Environment: {Type: String}
  Mode: {Type: String}
  Colour: {Type: String, Default: red}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Statement: []}}
  First:
    Type: AWS::Serverless::Function
    Properties: &function
      CodeUri: functions/stand-in
      FunctionName: first
      Handler: bootstrap
      Runtime: provided.al2023
      Role: !GetAtt Role.Arn
      Environment: {Variables: {MEND_MODE: !Ref Mode, COLOUR: !Ref Colour, NAME: first, SECONDS: "30"}}
  Second:
    Type: AWS::Serverless::Function
    Properties:
      <<: *function
      CodeUri: functions/other
      FunctionName: second
      Environment: {Variables: {MEND_MODE: !Ref Mode, COLOUR: !Ref Colour, NAME: second, SECONDS: "5"}}
Outputs:
  FunctionName: {Value: !Ref First}
"""


@pytest.fixture
def workplace(tmp_path: Path, binaries: Path) -> Path:
    """A folder with a template and the binaries of its two functions."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    for name in ("stand-in", "other"):
        (tmp_path / "target/debug").mkdir(parents=True, exist_ok=True)
        (tmp_path / "target/debug" / name).symlink_to(binaries / "stand-in")
    return tmp_path


def start(workplace: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "localcloud", "--port", "0", *options],
        cwd=workplace,
        env={**os.environ, "PYTHONPATH": str(LOCAL), "MEND_MODE": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def running(workplace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A local cloud in mode enforce, and what it printed until it was ready."""
    # What a person's shell may have set for the real AWS must not matter.
    own = {"AWS_PROFILE": "work", "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    process = start(workplace, "--parameter", "Colour=blue", MEND_MODE="enforce", **own)
    printed = ""
    for line in process.stdout:
        printed += line
        if "Ctrl-C stops it" in line:
            break
    assert "Ready:" in printed, process.stderr.read()
    yield process, printed
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_use_it_and_leaves_nothing_behind(
    running: Any, workplace: Path, number: signal.Signals
):
    process, printed = running
    url = re.search(r"export AWS_ENDPOINT_URL=(http://127\.0\.0\.1:\d+)", printed)[1]
    assert "the stack mend-dev in mode enforce" in printed
    assert "FunctionName  first" in printed
    assert "cargo lambda watch --env-file target/local/functions.env" in printed

    folder = workplace / "target/local"
    files = {f.stem: dict(re.findall(r"^(\w+)='(.*)'$", f.read_text(), re.M)) for f in folder.iterdir()}
    assert set(files) == {"stand-in", "other", "functions"}
    for values in files.values():
        assert (values["MEND_MODE"], values["COLOUR"], values["AWS_ENDPOINT_URL"]) == ("enforce", "blue", url)
    assert [files[name].get("NAME") for name in ("stand-in", "other", "functions")] == [
        "first",
        "second",
        None,
    ]
    assert [files[name]["SECONDS"] for name in ("stand-in", "other", "functions")] == ["30", "5", "5"]
    assert files["other"]["AWS_SESSION_TOKEN"]
    assert files["functions"]["AWS_ACCESS_KEY_ID"] == ADMINISTRATOR["aws_access_key_id"]
    assert "AWS_SESSION_TOKEN" not in files["functions"]

    awslambda = boto3.client("lambda", endpoint_url=url, region_name=REGION, **ADMINISTRATOR)
    answer = awslambda.invoke(FunctionName="first", Payload=b"{}")["Payload"].read()
    function = int(re.search(rb'"pid": (\d+)', answer)[1])
    os.kill(function, 0)
    process.send_signal(number)
    printed, complaints = process.communicate(timeout=10)
    assert process.returncode == 0
    assert complaints == ""
    assert "invocation    first" in printed
    assert list(folder.iterdir()) == []
    status = Path(f"/proc/{function}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()


def complaint(process: subprocess.Popen[str]) -> str:
    printed, complaints = process.communicate(timeout=30)
    assert process.returncode == 1, printed
    assert "Traceback" not in complaints
    return complaints


def test_a_port_in_use_is_said(workplace: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        problem = complaint(start(workplace, "--port", str(port)))
    assert problem.startswith(f"Port {port} of 127.0.0.1 cannot be used: Address already in use.")
    assert "--port" in problem


def test_a_missing_binary_is_said(workplace: Path):
    (workplace / "target/debug/other").unlink()
    problem = complaint(start(workplace))
    assert problem.startswith("There is no other in target/debug. Build the functions with `cargo build`")


def test_a_bad_template_is_said(workplace: Path):
    (workplace / "template.yaml").write_text(TEMPLATE.replace("AWS::IAM::Role", "AWS::IAM::Rule"))
    problem = complaint(start(workplace))
    assert "Unrecognized resource types: [AWS::IAM::Rule]" in problem


def test_a_wrong_mode_is_said(workplace: Path):
    process = start(workplace, MEND_MODE="kill")
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "MEND_MODE is 'kill'; choose from off, observe, approve, enforce" in complaints


def test_it_starts_empty_on_request(workplace: Path):
    for missing in ("template.yaml", "target/debug/other"):
        (workplace / missing).unlink()
    process = start(workplace, "--empty")
    try:
        printed = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
        url = re.search(r"export AWS_ENDPOINT_URL=(http://127\.0\.0\.1:\d+)", printed)[1]
        assert "sam deploy --config-env dev" in printed
        cloudformation = boto3.client("cloudformation", endpoint_url=url, region_name=REGION, **ADMINISTRATOR)
        assert cloudformation.describe_stacks()["Stacks"] == []
    finally:
        process.kill()
        process.communicate()
