"""Work that goes on after a request was answered: deliveries, asynchronous invocations, retries."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any


class Stopped(Exception):
    """The cloud that the work belongs to is gone; the task ends without a word."""


_lock = threading.Lock()
_timers: set[threading.Timer] = set()
_running = False


def start() -> None:
    """Accept work."""
    global _running
    _running = True


def stop() -> None:
    """Drop what is still waiting and refuse new work, so that a stopped cloud does nothing any more."""
    global _running
    with _lock:
        _running = False
        for timer in _timers:
            timer.cancel()
        _timers.clear()


def run(task: Callable[..., None], *args: Any, after: float = 0.0) -> None:
    """Run the task in a thread of its own, `after` so many seconds."""

    def body() -> None:
        with _lock:
            _timers.discard(timer)
            if not _running:
                return
        try:
            task(*args)
        except Stopped:
            return
        except Exception:
            if _running:
                print("The local cloud failed in background work:", file=sys.stderr)
                traceback.print_exc()

    timer = threading.Timer(after, body)
    timer.daemon = True
    with _lock:
        if not _running:
            return
        _timers.add(timer)
    timer.start()
