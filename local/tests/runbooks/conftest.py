"""The project's runbooks in a local cloud, and their scripts as functions."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcloud import journal
from localcloud.clients import client
from localcloud.server import LocalCloud
from moto.core.exceptions import AccessDeniedError
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import S3Backend

RUNBOOKS = Path(__file__).parents[3] / "runbooks"
INCIDENT = "0123456789abcdef0123456789abcdef-1"
LEDGER = "mend-test-ledger"
ROLE = "mend-test-automation"
LONGEST_EXECUTION_SECONDS = 60


@pytest.fixture(scope="session")
def load_runbook() -> Callable[[str], dict[str, Any]]:
    """Return a function that reads a runbook by its document name."""

    def load(name: str) -> dict[str, Any]:
        return yaml.safe_load((RUNBOOKS / f"{name}.yaml").read_text())

    return load


@pytest.fixture(scope="session")
def script(load_runbook) -> Callable[[str, str], Callable[[dict[str, Any]], Any]]:
    """Return a function that gives a runbook's script step as a function of its payload."""

    def handler(name: str, step_name: str) -> Callable[[dict[str, Any]], Any]:
        [step] = [step for step in load_runbook(name)["mainSteps"] if step["name"] == step_name]
        scope: dict[str, Any] = {}
        exec(compile(step["inputs"]["Script"], f"{name}/{step_name}", "exec"), scope)
        return lambda payload: scope[step["inputs"]["Handler"]](payload, None)

    return handler


@dataclass(frozen=True)
class Execution:
    """A finished execution."""

    id: str
    status: str
    failure: str | None
    outputs: dict[str, list[str]]
    all_steps: list[dict[str, Any]]

    @cached_property
    def conclusion(self) -> dict[str, str]:
        """What it concluded."""
        return {
            name.removeprefix("Conclude."): value[0]
            for name, value in self.outputs.items()
            if name.startswith("Conclude.")
        }

    @cached_property
    def before_state(self) -> str:
        """The first before-state that it puts out, whether it got as far as Conclude or not."""
        values = [value[0] for name, value in self.outputs.items() if name.endswith(".BeforeState")]
        return next(value for value in values if value.startswith("{"))

    @cached_property
    def steps(self) -> dict[str, str]:
        """The steps that ran, in their order, and how they ended."""
        return {
            step["StepName"]: step["StepStatus"] for step in self.all_steps if step["StepStatus"] != "Pending"
        }

    def succeeded(self, outcome: str) -> bool:
        """Say whether it ended well and with this outcome."""
        return self.status == "Success" and self.conclusion["Outcome"] == outcome


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """An account with every runbook, the ledger and the role that the runbooks run under."""
    trust = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
    with LocalCloud() as cloud:
        client("iam").create_role(
            RoleName=ROLE,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        client("dynamodb").create_table(
            TableName=LEDGER,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        for path in sorted(RUNBOOKS.glob("*.yaml")):
            client("ssm").create_document(
                Name=path.stem, DocumentType="Automation", DocumentFormat="YAML", Content=path.read_text()
            )
        yield cloud


@pytest.fixture
def run(cloud) -> Callable[..., Execution]:
    """Return a function that executes a runbook and returns the finished execution."""

    def run(document: str, **parameters: str) -> Execution:
        ssm = client("ssm")
        role_arn = client("iam").get_role(RoleName=ROLE)["Role"]["Arn"]
        given = {"AutomationAssumeRole": role_arn, "Incident": INCIDENT, "Attempt": "1", **parameters}
        execution_id = ssm.start_automation_execution(
            DocumentName=document, Parameters={name: [value] for name, value in given.items()}
        )["AutomationExecutionId"]
        deadline = time.monotonic() + LONGEST_EXECUTION_SECONDS
        while time.monotonic() < deadline:
            execution = ssm.get_automation_execution(AutomationExecutionId=execution_id)[
                "AutomationExecution"
            ]
            if execution["AutomationExecutionStatus"] not in ("Pending", "InProgress"):
                return Execution(
                    id=execution_id,
                    status=execution["AutomationExecutionStatus"],
                    failure=execution.get("FailureMessage"),
                    outputs=execution["Outputs"],
                    all_steps=execution["StepExecutions"],
                )
            time.sleep(0.02)
        pytest.fail(f"{document} still runs: {execution['CurrentStepName']}")

    return run


@pytest.fixture
def undo(run) -> Callable[[str, Execution], Execution]:
    """Return a function that keeps an execution's before-state as Mend does, and runs what restores it."""

    def undo(restore: str, execution: Execution) -> Execution:
        client("dynamodb").put_item(
            TableName=LEDGER,
            Item={
                "pk": {"S": f"execution#{execution.id}"},
                "sk": {"S": "before-state"},
                "before_state": {"S": execution.before_state},
            },
        )
        return run(restore, ExecutionId=execution.id, LedgerTableName=LEDGER)

    return undo


@pytest.fixture
def calls_of_role(cloud) -> Callable[[], set[tuple[str, str]]]:
    """Return a function that gives service and operation of what the role has called since the test began."""
    start = journal.record("test")["seq"]

    def calls() -> set[tuple[str, str]]:
        return {
            (entry["service"], entry["operation"])
            for entry in journal.entries(kind="api-call")
            if entry["seq"] > start and f"/{ROLE}/" in (entry["principal"] or "")
        }

    return calls


@pytest.fixture
def denying(monkeypatch) -> Callable[..., AbstractContextManager[None]]:
    """Return a context in which an operation of moto answers with an error, having been applied or not."""

    @contextmanager
    def denying(backend: type, operation: str, applied: bool = False) -> Iterator[None]:
        original = getattr(backend, operation)

        def denied(self, *args: Any, **kwargs: Any) -> Any:
            if applied:
                original(self, *args, **kwargs)
            raise S3AccessDeniedError if backend is S3Backend else AccessDeniedError("the role", operation)

        with monkeypatch.context() as patch:
            patch.setattr(backend, operation, denied)
            yield

    return denying
