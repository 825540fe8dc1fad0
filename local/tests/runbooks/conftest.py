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
from localcloud.settings import ACCOUNT_ID
from moto.core.exceptions import AccessDeniedError
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import S3Backend

RUNBOOKS = Path(__file__).parents[3] / "runbooks"
INCIDENT = "0123456789abcdef0123456789abcdef-1"
LEDGER = "mend-test-ledger"
ROLE = "mend-test-automation"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/{ROLE}"
EXEMPTION = "/mend/dev/exemptions/some-route/some.resource-1"
LONGEST_EXECUTION_SECONDS = 60
ENDED = {"Success", "Failed", "TimedOut", "Cancelled"}


@pytest.fixture(scope="session")
def load_runbook() -> Callable[[str], dict[str, Any]]:
    """Return a function that reads a runbook by its name, with the defaults that a stack fills in."""

    def load(name: str) -> dict[str, Any]:
        runbook = yaml.safe_load((RUNBOOKS / f"{name}.yaml").read_text())
        for parameter in runbook["parameters"].values():
            match parameter.get("default"):
                case {"Ref": "LedgerTable"}:
                    parameter["default"] = LEDGER
                case {"Ref": "Mode"}:
                    parameter["default"] = "observe"
                case {"Fn::GetAtt": [_, "Arn"]}:
                    parameter["default"] = ROLE_ARN
        for step in runbook["mainSteps"]:
            if step["action"] == "aws:waitForAwsResourceProperty":
                step["timeoutSeconds"] = 1  # what the local cloud does not show at once, it never shows
        return runbook

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
def cloud(load_runbook) -> Iterator[LocalCloud]:
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
                Name=path.stem,
                DocumentType="Automation",
                DocumentFormat="JSON",
                Content=json.dumps(load_runbook(path.stem)),
            )
        yield cloud


@pytest.fixture
def start(cloud, load_runbook) -> Callable[..., str]:
    """Return a function that starts a runbook with what all of them need, and returns the execution's id."""

    def start(document: str, **parameters: str | list[str]) -> str:
        common = {"AutomationAssumeRole": ROLE_ARN, "Incident": INCIDENT, "Attempt": "1"}
        declared = load_runbook(document)["parameters"]
        needed = {
            name: value
            for name, value in common.items()
            if name in declared and "default" not in declared[name]
        }
        started = client("ssm").start_automation_execution(
            DocumentName=document,
            Parameters={
                name: value if isinstance(value, list) else [value]
                for name, value in {**needed, **parameters}.items()
            },
        )
        return started["AutomationExecutionId"]

    return start


@pytest.fixture
def end_of(cloud) -> Callable[[str], Execution]:
    """Return a function that waits for an execution and returns it."""

    def end_of(execution_id: str) -> Execution:
        deadline = time.monotonic() + LONGEST_EXECUTION_SECONDS
        while time.monotonic() < deadline:
            execution = client("ssm").get_automation_execution(AutomationExecutionId=execution_id)[
                "AutomationExecution"
            ]
            if execution["AutomationExecutionStatus"] in ENDED:
                return Execution(
                    id=execution_id,
                    status=execution["AutomationExecutionStatus"],
                    failure=execution.get("FailureMessage"),
                    outputs=execution["Outputs"],
                    all_steps=execution["StepExecutions"],
                )
            time.sleep(0.02)
        pytest.fail(f"{execution['DocumentName']} still runs: {execution['CurrentStepName']}")

    return end_of


@pytest.fixture
def run(start, end_of) -> Callable[..., Execution]:
    """Return a function that executes a runbook and returns the finished execution."""
    return lambda document, **parameters: end_of(start(document, **parameters))


@pytest.fixture
def keep(cloud) -> Callable[..., None]:
    """Return a function that keeps an execution's before-state as Mend does."""

    def keep(execution: Execution, exemption: str | None = EXEMPTION) -> None:
        row = {
            "pk": {"S": f"execution#{execution.id}"},
            "sk": {"S": "before-state"},
            "incident": {"S": INCIDENT},
            "attempt": {"N": "1"},
            "before_state": {"S": execution.before_state},
        }
        if exemption is not None:
            row["exemption"] = {"S": exemption}
        client("dynamodb").put_item(TableName=LEDGER, Item=row)

    return keep


@pytest.fixture
def undo(keep, run) -> Callable[..., Execution]:
    """Return a function that keeps an execution's before-state and runs what restores it, by its id alone."""

    def undo(restore: str, execution: Execution, **parameters: str) -> Execution:
        keep(execution)
        return run(restore, ExecutionId=execution.id, **parameters)

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
