"""Work that goes on after a request was answered: deliveries, asynchronous invocations, retries, schedules.

Waits are on the cloud's clock. Whoever moves it need not tell: what waits is looked at many times a second.
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LOOKS_APART_SECONDS = 0.02


class Stopped(Exception):
    """The cloud that the work belongs to is gone; the task ends without a word."""


@dataclass(order=True)
class _Waiting:
    due: float
    number: int
    task: Callable[[], None] = field(compare=False)


_changed = threading.Condition()
_waiting: list[_Waiting] = []
_numbers = itertools.count()
_watchers: list[Callable[[], None]] = []
_dispatcher: threading.Thread | None = None


def start() -> None:
    """Accept work."""
    global _dispatcher
    with _changed:
        _dispatcher = threading.Thread(target=_dispatch, daemon=True)
        _dispatcher.start()


def stop() -> None:
    """Drop what is still waiting and refuse new work, so that a stopped cloud does nothing any more."""
    global _dispatcher
    with _changed:
        _dispatcher = None
        _waiting.clear()
        _changed.notify_all()


def run(task: Callable[..., None], *args: Any, after: float = 0.0, at: float = 0.0) -> None:
    """Run the task in a thread of its own, `after` so many seconds of the cloud's clock, or `at` its time."""

    def body() -> None:
        task(*args)

    with _changed:
        if _dispatcher is None:
            return
        if after > 0 or at > 0:
            heapq.heappush(_waiting, _Waiting(at or time.time() + after, next(_numbers), body))
            _changed.notify_all()
            return
    _begin(body)


def watch(look: Callable[[], None]) -> None:
    """Call `look` many times a second, in every cloud of this process; it has to be quick."""
    _watchers.append(look)


def _dispatch() -> None:
    while True:
        with _changed:
            if threading.current_thread() is not _dispatcher:
                return
            now = time.time()
            due = []
            while _waiting and _waiting[0].due <= now:
                due.append(heapq.heappop(_waiting).task)
            if not due:
                _changed.wait(LOOKS_APART_SECONDS)
        for task in due:
            _begin(task)
        for look in _watchers:
            _guarded(look)


def _begin(task: Callable[[], None]) -> None:
    threading.Thread(target=_guarded, args=(task,), daemon=True).start()


def _guarded(task: Callable[[], None]) -> None:
    try:
        task()
    except Stopped:
        return
    except Exception:
        if _dispatcher is not None:
            print("The local cloud failed in background work:", file=sys.stderr)
            traceback.print_exc()
