"""For all Python tests: a response that AWS could not give fails the test that it was given in."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_wrong_responses() -> Iterator[None]:
    yield
    # Tests that do without the local cloud shall not have to import it.
    checks = sys.modules.get("localcloud.checks")
    wrong = checks.take_wrong_responses() if checks else []
    assert not wrong, "the local cloud was about to answer what AWS cannot answer"
