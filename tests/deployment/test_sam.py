"""The real commands: sam build, sam deploy and sam delete, against the local cloud, as against an account."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from localcloud import journal
from localcloud.clients import client
from localcloud.server import LocalCloud
from localcloud.settings import ADMINISTRATOR, REGION

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".venv-template/bin/sam"
STACK = "mend-dev"
WAIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `sam build` makes of the quick profile, apart from what a person has built."""
    folder = tmp_path_factory.mktemp("sam") / "build"
    sam("build", "--build-dir", folder, SAM_BUILD_MODE="debug")
    # The symbols of the quick profile are most of what would be packed and uploaded.
    subprocess.run(["strip", *folder.glob("*/bootstrap")], check=True)
    return folder


@pytest.fixture(scope="module")
def cloud(built: Path) -> Iterator[LocalCloud]:
    """An empty local cloud that knows no built binaries: it has what is uploaded."""
    with LocalCloud(binaries=built / "nothing", wait_scale=0.005) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(cloud: LocalCloud, built: Path) -> str:
    """What `sam deploy` printed."""
    return deploy(cloud, built)


def sam(*arguments: object, **environment: str) -> str:
    """Run SAM as a person's shell would, and return what it prints."""
    assert SAM.exists(), "There is no SAM CLI: make .venv-template/ready"
    run = subprocess.run(
        [SAM, *map(str, arguments)],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
            "CARGO_LAMBDA_COMPILER": "cargo",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.1",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


def connection(cloud: LocalCloud) -> dict[str, str]:
    """Return what `make local` tells a person to export."""
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **{name.upper(): value for name, value in ADMINISTRATOR.items()},
    }


def deploy(cloud: LocalCloud, built: Path, *options: str) -> str:
    """Run `sam deploy` for the environment dev."""
    where = ("--template-file", built / "template.yaml", "--config-file", ROOT / "samconfig.toml")
    return sam("deploy", "--config-env", "dev", "--no-progressbar", *where, *options, **connection(cloud))


def test_sam_deploys_the_project(deployed: str):
    assert f"Successfully created/updated stack - {STACK} in {REGION}" in deployed
    assert re.search(r"Managed S3 bucket: aws-sam-cli-managed-default-", deployed)
    (stack,) = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"] for output in stack["Outputs"]}
    assert {"LedgerTableName", "KillSwitchParameterName", "ReconcileFunctionName"} <= outputs


@pytest.mark.usefixtures("deployed")
def test_the_deployed_function_answers_an_event():
    began = journal.record("mark")["seq"]
    event = json.loads((ROOT / "events/config-compliance/open-ssh.json").read_text())
    now = datetime.now(UTC)
    event["detail"]["newEvaluationResult"]["resultRecordedTime"] = now.isoformat()
    qualified = event["detail"]["newEvaluationResult"]["evaluationResultIdentifier"]
    qualified["orderingTimestamp"] = now.isoformat()
    client("events").put_events(
        Entries=[
            {
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "Resources": event["resources"],
                "Time": now,
            }
        ]
    )
    invocation = wait_for_invocation(began, f"{STACK}-config-compliance")
    assert invocation["ok"], invocation["response"]
    (stack,) = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    rows = client("dynamodb").scan(TableName=outputs["LedgerTableName"])["Items"]
    assert event["detail"]["resourceId"] in json.dumps(rows)


def wait_for_invocation(after: int, function: str) -> journal.Entry:
    """Return the first invocation of the function."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (remaining := deadline - time.monotonic()) > 0:
        for entry in journal.wait(after, remaining):
            after = entry["seq"]
            if entry["kind"] == "invocation" and entry["function"] == function:
                return entry
    raise AssertionError(f"{function} was not invoked: {journal.entries(0, 'invocation')}")


@pytest.mark.usefixtures("deployed")
def test_sam_deploys_only_what_has_changed(cloud: LocalCloud, built: Path):
    assert f"No changes to deploy. Stack {STACK} is up to date" in deploy(cloud, built)

    printed = deploy(cloud, built, "--parameter-overrides", "Environment=dev Mode=enforce")
    changes = re.findall(r"^([*+-]) (?:Modify|Add|Delete) +\S+ +(\S+) +(\S+) *$", printed, re.MULTILINE)
    # The runbook that asks knows the stack's mode, too.
    assert set(changes) == {("*", kind, "False") for kind in ("AWS::Lambda::Function", "AWS::SSM::Document")}
    (mode,) = {
        client("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"][
            "MEND_MODE"
        ]
        for name in function_names()
    }
    assert mode == "enforce"


def function_names() -> list[str]:
    """Return the functions of the account."""
    return [function["FunctionName"] for function in client("lambda").list_functions()["Functions"]]


@pytest.mark.usefixtures("deployed")
def test_sam_deletes_the_stack_and_leaves_what_must_stay(cloud: LocalCloud):
    tables = client("dynamodb").list_tables()["TableNames"]
    sam("delete", "--stack-name", STACK, "--no-prompts", "--region", REGION, **connection(cloud))
    with pytest.raises(ClientError, match=f"Stack with id {STACK} does not exist"):
        client("cloudformation").describe_stacks(StackName=STACK)
    assert function_names() == []
    assert client("dynamodb").list_tables()["TableNames"] == tables
