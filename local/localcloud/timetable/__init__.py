"""The timetable: fires what has a schedule, on time of the cloud's clock.

A clock that is moved over several times of one schedule fires it once, for the last of them: as on a machine
that slept. Who wants to see each time moves the clock from one to the next.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime, timedelta

from localcloud import background, clock
from localcloud.timetable.expression import Expression

INSTANT = timedelta(microseconds=1)


class Scheduled(ABC):
    """Something that happens again and again, or once."""

    key: Hashable
    """Names it among all that is scheduled, and changes when its times do."""
    name: str
    expression: Expression
    start: datetime
    """When the expression begins to count."""
    since: datetime
    """The earliest time: what was due before it was made, changed or enabled is none of it."""
    end: datetime | None = None
    enabled: bool = True

    @abstractmethod
    def fire(self, time: datetime, *, final: bool = False) -> None:
        """Do it, for this time; `final` says that there is no further one."""

    def next(self, moment: datetime) -> datetime | None:
        """Return the first time after the moment."""
        time = self.expression.after(max(moment, self.since - INSTANT), self.start)
        return time if time and (self.end is None or time <= self.end) else None

    def last(self, moment: datetime) -> datetime | None:
        """Return the last time up to the moment."""
        return self.expression.last(min(moment, self.end or moment), self.start)


_sources: list[Callable[[], Iterable[Scheduled]]] = []
_next: dict[Hashable, datetime | None] = {}
_looking = threading.Lock()


def add_source(source: Callable[[], Iterable[Scheduled]]) -> None:
    """Fire what the function returns; it is asked many times a second."""
    if not _sources:
        background.watch(look)
    _sources.append(source)


def everything() -> list[Scheduled]:
    """Return all that is scheduled now, disabled or not."""
    return [scheduled for source in _sources for scheduled in source()]


def look() -> None:
    """Fire what is due."""
    with _looking:
        now = clock.now()
        enabled = {scheduled.key: scheduled for scheduled in everything() if scheduled.enabled}
        for key in _next.keys() - enabled.keys():
            del _next[key]
        for key, scheduled in enabled.items():
            if key not in _next:
                _next[key] = scheduled.next(scheduled.since - INSTANT)
            due = _next[key]
            if due is None or due > now:
                continue
            _next[key] = scheduled.next(now)
            scheduled.fire(max(scheduled.last(now) or due, due), final=_next[key] is None)
