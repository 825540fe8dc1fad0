"""Lets all tests of the run write down what roles do, and puts the proof that reads it at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from localcloud.permissions import seen
from localcloud.permissions.grants import Template, read_template
from localcloud.permissions.proof import UnusedGrant, prove, read_unused

from .run import Run

ROOT = Path(__file__).resolve().parents[2]
PROOF = Path(__file__).with_name("test_roles.py")
KEPT = ROOT / "target/permissions/seen.jsonl"
"""What the last complete run saw, for `make permissions`."""

_deselected: list[pytest.Item] = []
_written = pytest.StashKey[Path]()
_missing = pytest.StashKey[str]()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember that not every test will run."""
    _deselected.extend(items)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin to write, before the first test runs, and let the proof come last."""
    last = [item for item in items if item.path == PROOF]
    items[:] = [item for item in items if item.path != PROOF] + last
    config.stash[_missing] = _what_is_missing(config, items)
    if last:
        folder = tempfile.mkdtemp(prefix="seen-permissions-")
        config.stash[_written] = Path(folder) / "seen.jsonl"
        config.stash[_written].touch()
        os.environ[seen.FILE_VARIABLE] = str(config.stash[_written])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what was written."""
    if written := config.stash.get(_written, None):
        os.environ.pop(seen.FILE_VARIABLE, None)
        shutil.rmtree(written.parent, ignore_errors=True)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say aloud what an incomplete run leaves open."""
    if (missing := config.stash.get(_missing, "")) and _written in config.stash:
        terminalreporter.write_line(
            f"Not proved, because {missing}: that roles may do nothing else. A run of all tests proves it.",
            yellow=True,
        )


def _what_is_missing(config: pytest.Config, items: list[pytest.Item]) -> str:
    """Say which of the suite's tests this run leaves out; empty for none."""
    if _deselected:
        return f"{len(_deselected)} tests are deselected"
    folders = [ROOT / folder for folder in config.getini("testpaths")]
    files = {path for folder in folders for path in folder.rglob("test_*.py")}
    left_out = files - {item.path for item in items}
    return f"{len(left_out)} of {len(files)} test files are left out" if left_out else ""


@pytest.fixture(scope="module")
def template() -> Template:
    """The template as it is written."""
    return read_template(ROOT / "template.yaml")


@pytest.fixture(scope="module")
def unused() -> list[UnusedGrant]:
    """The exceptions: what is granted although nobody is seen to use it."""
    return read_unused(Path(__file__).with_name("unused.yaml"))


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, template: Template) -> Run:
    """What the tests before have seen. A complete run without failures is kept for `make permissions`."""
    stash = request.config.stash
    incomplete = stash[_missing]
    if request.session.testsfailed and not incomplete:
        incomplete = f"{request.session.testsfailed} tests have failed"
    if not incomplete:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stash[_written], KEPT)
    return Run(prove(template, seen.read(stash[_written])), incomplete)
