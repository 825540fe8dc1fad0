"""``aws:invokeLambdaFunction``."""

import json
from pathlib import Path

import pytest
from localcloud.binaries import pack

ECHO = """#!/usr/bin/env python3
import json, os, urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{API}/next") as response:
        event = json.load(response)
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
    answer, body = "response", {"seen": event}
    if event == "fail":
        answer, body = "error", {"errorType": "Broken", "errorMessage": "no way"}
    url = f"{API}/{request_id}/{answer}"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), method="POST"))
"""


@pytest.fixture
def function(automation, tmp_path: Path):
    """Return the name of a function that answers with what it gets."""
    binary = tmp_path / "echo"
    binary.write_text(ECHO)
    binary.chmod(0o755)
    automation.client("lambda").create_function(
        FunctionName="echo",
        Role=automation.role,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Code={"ZipFile": pack(binary)},
        Environment={"Variables": {"SSL_CERT_FILE": "/"}},
    )
    return "echo"


def test_a_function_is_invoked(automation, step, function):
    def run(**inputs):
        execution = automation.run(
            [step("Invoke", "aws:invokeLambdaFunction", {"FunctionName": function, **inputs})]
        )
        return execution["AutomationExecutionStatus"], execution["StepExecutions"][0]

    status, invoked = run(InputPayload={"a": "{{ global:REGION }}"}, Payload='{"not": "this"}')
    assert status == "Success"
    assert invoked["Outputs"]["StatusCode"] == ["200"]
    assert json.loads(invoked["Outputs"]["Payload"][0]) == {"seen": {"a": "eu-central-1"}}
    _, invoked = run(Payload='{"b": 1}')
    assert json.loads(invoked["Outputs"]["Payload"][0]) == {"seen": {"b": 1}}
    status, failed = run(Payload='"fail"')
    assert status == "Failed"
    assert failed["Outputs"]["FunctionError"] == ["Unhandled"]
    assert "The function echo failed" in failed["FailureMessage"]
    assert "no way" in failed["FailureMessage"]
