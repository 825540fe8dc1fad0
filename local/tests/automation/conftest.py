"""A running local cloud, and runbooks that run in it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config
from localcloud import clock, journal
from localcloud.server import LocalCloud
from localcloud.settings import ADMINISTRATOR, REGION

FINAL = {"Success", "Failed", "TimedOut", "Cancelled"}

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@dataclass
class Automation:
    """Runbooks of a test: made, started, and waited for."""

    endpoint_url: str
    role: str
    _number: Iterator[int]

    def client(self, service: str) -> Any:
        """Return a client that leaves the checks of a request to the local cloud."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
            **ADMINISTRATOR,
        )

    def create(self, steps: list[dict[str, Any]], **document: Any) -> str:
        """Create a runbook of these steps and return its name."""
        name = f"Mend-Test{next(self._number)}"
        content = {"schemaVersion": "0.3", "assumeRole": self.role, "mainSteps": steps, **document}
        self.client("ssm").create_document(
            Name=name,
            DocumentType="Automation",
            DocumentFormat="YAML",
            Content=yaml.safe_dump(content, sort_keys=False),
        )
        return name

    def start(self, name: str, **request: Any) -> str:
        """Start a runbook and return the id of the execution."""
        started = self.client("ssm").start_automation_execution(DocumentName=name, **request)
        return started["AutomationExecutionId"]

    def wait(self, execution_id: str, seconds: float = 20) -> dict[str, Any]:
        """Wait for the end of an execution and return it."""
        journaled(lambda entry: _ends(entry, execution_id), seconds)
        return self.get(execution_id)

    def get(self, execution_id: str) -> dict[str, Any]:
        """Return an execution."""
        answer = self.client("ssm").get_automation_execution(AutomationExecutionId=execution_id)
        return answer["AutomationExecution"]

    def run(
        self, steps: list[dict[str, Any]], given: dict[str, list[str]] | None = None, **document: Any
    ) -> dict[str, Any]:
        """Create a runbook, start it with the given parameters, and wait."""
        request = {"Parameters": given} if given else {}
        return self.wait(self.start(self.create(steps, **document), **request))


def _ends(entry: dict[str, Any], execution_id: str) -> bool:
    return entry["kind"] == "execution" and entry["execution_id"] == execution_id and entry["status"] in FINAL


def journaled(condition: Callable[[dict[str, Any]], bool], seconds: float = 20) -> dict[str, Any]:
    """Wait for an entry of the journal."""
    deadline = time.monotonic() + seconds
    after = 0
    while time.monotonic() < deadline:
        for entry in journal.wait(after, deadline - time.monotonic()):
            after = entry["seq"]
            if condition(entry):
                return entry
    raise AssertionError("the journal never had the entry")


@pytest.fixture(scope="module")
def automation() -> Iterator[Automation]:
    """Return the Automation of a local cloud that has nothing but one role in it."""
    with LocalCloud() as cloud:
        automation = Automation(cloud.endpoint_url, "", count(1))
        iam = automation.client("iam")
        created = iam.create_role(RoleName="mend-network", AssumeRolePolicyDocument=json.dumps(TRUST))
        automation.role = created["Role"]["Arn"]
        yield automation


@pytest.fixture
def step() -> Callable[..., dict[str, Any]]:
    """Return a function that writes a step."""

    def step(name: str, action: str = "aws:sleep", inputs: dict[str, Any] | None = None, **properties: Any):
        given = {"Duration": "PT0S"} if inputs is None else inputs
        return {"name": name, "action": action, "inputs": given, **properties}

    return step


@pytest.fixture
def script() -> Callable[..., dict[str, Any]]:
    """Return a function that writes an ``aws:executeScript`` step."""

    def script(name: str, body: str, payload: Any = None, **properties: Any):
        inputs = {
            "Runtime": "python3.11",
            "Handler": "handler",
            "Script": f"def handler(events, context):\n    {body}",
        }
        if payload is not None:
            inputs["InputPayload"] = payload
        return {"name": name, "action": "aws:executeScript", "inputs": inputs, **properties}

    return script


@pytest.fixture
def statuses() -> Callable[[dict[str, Any]], dict[str, str]]:
    """Return a function that gives the status of each step that was reached."""

    def statuses(execution: dict[str, Any]) -> dict[str, str]:
        steps = execution["StepExecutions"]
        return {step["StepName"]: step["StepStatus"] for step in steps if step["StepStatus"] != "Pending"}

    return statuses


@pytest.fixture
def moved_clock() -> Iterator[Callable[..., None]]:
    """Return a function that moves the clock of the cloud forward, until the test ends."""

    def moved_clock(**by: float) -> None:
        clock.forward(timedelta(**by))

    yield moved_clock
    clock.reset()


@pytest.fixture
def wait_for_journal() -> Callable[..., dict[str, Any]]:
    """Return the function that waits for an entry of the journal."""
    return journaled
