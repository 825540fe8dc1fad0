"""Fixtures: the local cloud with the project's own template and binaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from localcloud import journal
from localcloud.deploy import DeployError, Stack, deploy
from localcloud.server import LocalCloud

from .account import Account
from .config_events import forget_looks

ROOT = Path(__file__).parents[2]
FIRST_RUN_SECONDS = 30.0
SHORT_WAITS = 0.005
"""Turns Lambda's minute before the first retry into 0.3 seconds."""


@contextmanager
def mend(mode: str, wait_scale: float = SHORT_WAITS, concurrency: int = 10) -> Iterator[Stack]:
    """Run a local cloud with the stack in it."""
    forget_looks()
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=wait_scale, concurrency=concurrency):
        try:
            stack = deploy(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": mode})
        except DeployError as error:
            pytest.fail(str(error), pytrace=False)
        _wait_for_the_first_run(stack)
        yield stack


def _wait_for_the_first_run(stack: Stack) -> None:
    """The schedule of `reconcile` fires as soon as it exists; what a test sees shall be its own."""
    seen, function = 0, stack.functions["reconcile"]
    while not any(e["function"] == function for e in journal.entries(0, "invocation")):
        entries = journal.wait(seen, FIRST_RUN_SECONDS)
        assert entries, "reconcile has not run"
        seen = entries[-1]["seq"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack in mode enforce; a module that needs another one has its own fixture of this name."""
    with mend("enforce") as stack:
        yield stack


@pytest.fixture
def account(stack: Stack) -> Account:
    """The account, from the beginning of the test."""
    return Account(stack)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return a function that prints past pytest's capturing."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    return tell
