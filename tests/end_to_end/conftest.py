"""Fixtures: the local cloud with the project's own template and binaries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from localcloud.deploy import DeployError, Stack, deploy, wait_for_first_run
from localcloud.functions import stop_all
from localcloud.server import LocalCloud

from .account import RUNBOOK, Account, client, forget_everything
from .config_events import forget_looks

ROOT = Path(__file__).parents[2]
SHORT_WAITS = 0.005
"""Turns Lambda's minute before the first retry into 0.3 seconds."""


@contextmanager
def mend(
    mode: str, wait_scale: float = SHORT_WAITS, concurrency: int = 10, **parameters: str
) -> Iterator[Stack]:
    """Run a local cloud with the stack in it, deployed with these further parameters.

    After its first run, `reconcile` runs when a switch changes and when a test wants it to.
    """
    forget_looks()
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=wait_scale, concurrency=concurrency):
        try:
            parameters = {"Environment": "dev", "Mode": mode, **parameters}
            stack = deploy(ROOT / "template.yaml", "mend-dev", parameters)
            # What a test sees shall be its own.
            wait_for_first_run(stack.functions["reconcile"])
        except DeployError as error:
            pytest.fail(str(error), pytrace=False)
        account = Account(stack, began=0)
        account.wait_until_heard("kill-switch")
        _disable_schedule(stack.functions["reconcile"])
        yield stack


def _disable_schedule(name: str) -> None:
    schedule = client("scheduler").get_schedule(Name=name)
    kept = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    client("scheduler").update_schedule(**{field: schedule[field] for field in kept}, State="DISABLED")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack in mode enforce; a module that needs another one has its own fixture of this name."""
    with mend("enforce") as stack:
        yield stack


@pytest.fixture
def account(stack: Stack) -> Account:
    """The account, from the beginning of the test: with an empty ledger, and switches as they come."""
    forget_everything(stack)
    return Account(stack)


@pytest.fixture
def first_step(account: Account) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Return a function that puts a step in front of the runbook; the version before is back afterwards."""
    ssm = client("ssm")
    before = ssm.get_document(Name=RUNBOOK)

    def put(step: dict[str, Any]) -> None:
        content = json.loads(before["Content"])
        content["mainSteps"].insert(0, step)
        version = ssm.update_document(Name=RUNBOOK, Content=json.dumps(content), DocumentVersion="$LATEST")
        set_default(version["DocumentDescription"]["DocumentVersion"])

    def set_default(version: str) -> None:
        ssm.update_document_default_version(Name=RUNBOOK, DocumentVersion=version)
        # Warm processes remember the version for 30 seconds.
        stop_all()

    yield put
    set_default(before["DocumentVersion"])


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return a function that prints past pytest's capturing."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    return tell
