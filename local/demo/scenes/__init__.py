"""The scenes, one module each: `admin_ports.py` is the scene `admin-ports`.

A scene's first docstring line says what it shows; its function `play` plays it, on a `Stage`.
"""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from demo.account import Account, open_account
from demo.checks import Checks
from demo.console import Console

DEFAULT = "admin-ports"


@dataclass(frozen=True)
class Stage:
    """What a scene is played with."""

    console: Console
    checks: Checks
    binaries: Path

    def account(self, mode: str) -> AbstractContextManager[Account]:
        """Open an account in which Mend is deployed in this mode."""
        return open_account(self.console, mode, self.binaries)


class NoSuchScene(Exception):
    """Nobody wrote a scene of this name."""


def names() -> list[str]:
    """Return the names of all scenes."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def scene(name: str) -> ModuleType:
    """Return the scene of this name."""
    if name not in names():
        raise NoSuchScene(
            f"There is no scene {name!r}. The scenes are: {', '.join(names())}; all plays them all."
        )
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
