"""Fixtures: the local cloud with the project's own template and binaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from localcloud.deploy import DeployError, Stack, deploy, wait_for_first_run
from localcloud.server import LocalCloud

from .account import Account
from .config_events import forget_looks

ROOT = Path(__file__).parents[2]
SHORT_WAITS = 0.005
"""Turns Lambda's minute before the first retry into 0.3 seconds."""


@contextmanager
def mend(mode: str, wait_scale: float = SHORT_WAITS, concurrency: int = 10) -> Iterator[Stack]:
    """Run a local cloud with the stack in it."""
    forget_looks()
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=wait_scale, concurrency=concurrency):
        try:
            stack = deploy(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": mode})
            # What a test sees shall be its own.
            wait_for_first_run(stack.functions["reconcile"])
        except DeployError as error:
            pytest.fail(str(error), pytrace=False)
        yield stack


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
