"""Reading the project's runbooks, and calling their scripts as Automation does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

RUNBOOKS = Path(__file__).parents[3] / "runbooks"


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
