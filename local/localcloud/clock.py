"""The cloud's wall clock, which can be moved forward: for everything in this process and what it runs.

Until it is moved it is the machine's clock, and costs nothing. From then on it ticks at the same pace, but
ahead: `datetime.now()` and `time.time()` show it in every thread, moto included, and the processes of
functions and scripts see it through a small preloaded library. Only a function that is at work when the clock
is moved for the first time keeps the machine's time, until its answer. The monotonic clock stays as it is.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

SOURCE = Path(__file__).with_name("clock.c")
END_OF_TIME = datetime(2200, 1, 1, tzinfo=UTC)
"""As late as threads can wait."""
NANOSECONDS = struct.Struct("q")

_changed = threading.Condition()
_moved: _Moved | None = None


class CannotMove(Exception):
    """The clock cannot be moved on this machine."""


def now() -> datetime:
    """Return the moment that the clock shows."""
    return datetime.now(UTC)


def forward(by: timedelta) -> datetime:
    """Move the clock, wake everybody who waits for a moment, and return what the clock shows now."""
    global _moved
    if by < timedelta():
        raise ValueError(f"The clock only moves forward, not by {by}")
    with _changed:
        if _moved is None:
            _moved = _Moved()
        _moved.forward(by)
        _changed.notify_all()
    return now()


def reset() -> None:
    """Show the machine's time again."""
    global _moved
    with _changed:
        if _moved:
            _moved.close()
            _moved = None
        _changed.notify_all()


def wait_until(moment: datetime, given_up: Callable[[], bool] = lambda: False) -> bool:
    """Wait until the clock shows the moment, by itself or because it is moved.

    Return false as soon as `given_up()` is true; whoever changes what that looks at calls `wake()`.
    """
    with _changed:
        while not given_up():
            remaining = (moment - now()).total_seconds()
            if remaining <= 0:
                return True
            _changed.wait(remaining)
        return False


def wake() -> None:
    """Let everybody who waits look again."""
    with _changed:
        _changed.notify_all()


def environment() -> dict[str, str]:
    """Return the variables by which a new process sees the clock; it follows all later moves."""
    return _moved.environment if _moved else {}


class _Moved:
    """What exists only once the clock has been moved."""

    def __init__(self) -> None:
        with ExitStack() as undo:
            folder = Path(tempfile.mkdtemp(prefix="localcloud-clock-"))
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            library, shared = folder / "clock.so", folder / "ahead"
            _compile(library)
            shared.write_bytes(bytes(NANOSECONDS.size))
            with shared.open("r+b") as file:
                self._shared = undo.enter_context(mmap.mmap(file.fileno(), NANOSECONDS.size))
            self._traveller = undo.enter_context(time_machine.travel(timedelta(), tick=True))
            # The travel begins when somebody looks at the clock.
            time.time()
            self._close = undo.pop_all().close
        self.environment = {"LD_PRELOAD": str(library), "LOCALCLOUD_AHEAD": str(shared)}

    def forward(self, by: timedelta) -> None:
        (ahead,) = NANOSECONDS.unpack_from(self._shared)
        NANOSECONDS.pack_into(self._shared, 0, ahead + by // timedelta(microseconds=1) * 1_000)
        self._traveller.shift(by)

    def close(self) -> None:
        self._close()


def _compile(library: Path) -> None:
    compiler = os.environ.get("CC", "cc")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except OSError as error:
        raise CannotMove(f"Moving the clock needs a C compiler; {compiler}: {error.strerror}.") from error
    except subprocess.CalledProcessError as error:
        raise CannotMove(f"{compiler} could not build {SOURCE}: {error.stderr}") from error
