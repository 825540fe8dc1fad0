"""AWS's limits on executions: how many start a second, how many run, and how many wait for their turn."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from localcloud.automation.behaviour import behaviour
from localcloud.automation.interruption import Interruption
from localcloud.errors import ServiceError, throttled

ORDINARY, WAITING, RATE_CONTROLLED = "ordinary", "waiting", "rate-controlled"

LOOKS_APART_SECONDS = 0.2


class StartRate:
    """The limit on starts a second, as far as somebody has chosen one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starts: deque[float] = deque()

    def check(self) -> None:
        """Refuse a start that comes too soon after others."""
        most, now = behaviour.starts_per_second, time.time()
        with self._lock:
            while self._starts and not 0 <= now - self._starts[0] < 1:
                self._starts.popleft()
            if most is not None and len(self._starts) >= most:
                raise throttled("ssm")
            self._starts.append(now)


class Slots:
    """The running and queued executions of one account and Region."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: Counter[str] = Counter()
        self._queued: Counter[str] = Counter()

    def queue(self, kind: str) -> None:
        """Take a place in the queue, for a new execution."""
        most = behaviour.queued_rate_controlled if kind == RATE_CONTROLLED else behaviour.queued
        with self._changed:
            if self._queued[_queue(kind)] >= most and self._running[kind] >= _most_running(kind):
                raise ServiceError(
                    "AutomationExecutionLimitExceededException",
                    f"The account runs {_most_running(kind)} executions and has {most} queued.",
                )
            self._queued[_queue(kind)] += 1

    @contextmanager
    def running(self, kind: str, interruption: Interruption) -> Iterator[None]:
        """Leave the queue, when its turn has come, and run."""
        try:
            with self._changed:
                while self._running[kind] >= _most_running(kind):
                    self._changed.wait(LOOKS_APART_SECONDS)
                    interruption.check()
                self._running[kind] += 1
        finally:
            with self._changed:
                self._queued[_queue(kind)] -= 1
        try:
            yield
        finally:
            with self._changed:
                self._running[kind] -= 1
                self._changed.notify_all()


def _queue(kind: str) -> str:
    return RATE_CONTROLLED if kind == RATE_CONTROLLED else ORDINARY


def _most_running(kind: str) -> int:
    return {
        ORDINARY: behaviour.running,
        WAITING: behaviour.running_that_wait,
        RATE_CONTROLLED: behaviour.running_rate_controlled,
    }[kind]
