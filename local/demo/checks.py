"""What a scene claims, checked against the cloud's own state."""

from __future__ import annotations

import pprint
from typing import Any

from demo.console import Console


class SceneFailed(Exception):
    """The scene did not go as it should; the text says what is not so."""


class Checks:
    """Compares and prints; a scene goes on only while every claim is true."""

    def __init__(self, console: Console):
        self._console = console
        self._made = 0
        self._false: list[str] = []

    def equal(self, claim: str, *, expected: Any, found: Any) -> None:
        """Check a claim, and print it with a tick or a cross."""
        self._made += 1
        if found == expected:
            self._console.tick(claim)
        else:
            self._false.append(claim)
            self._console.cross(claim, _readable(expected), _readable(found))

    def conclude(self) -> None:
        """End a part of the scene: raise if one of its claims was false."""
        if self._false:
            raise SceneFailed("not so: " + "; ".join(self._false))

    @property
    def made(self) -> int:
        """How many claims were checked."""
        return self._made


def _readable(value: Any) -> str:
    """Return a list line by line, so that what differs can be seen."""
    if isinstance(value, list | set):
        return "\n".join(str(item) for item in value) or "nothing"
    return str(value) if isinstance(value, str) else pprint.pformat(value, width=90, sort_dicts=False)
