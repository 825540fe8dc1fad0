"""When something happens again: `rate(…)`, `cron(…)` and `at(…)` of EventBridge's rules and its Scheduler."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from aws_croniter import AwsCroniter

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.+)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_LONGEST_RATE_DAYS = 100 * 366


class InvalidExpression(ValueError):
    """The expression is one that EventBridge refuses."""


class Dialect(Enum):
    """Who takes the expression: a rule in UTC and without `at`, or a schedule of the Scheduler."""

    RULE = "rule"
    SCHEDULE = "schedule"


class Expression(Protocol):
    """The times that an expression names, for something that began at `start`."""

    def after(self, moment: datetime, start: datetime) -> datetime | None:
        """Return the first time after the moment."""

    def last(self, moment: datetime, start: datetime) -> datetime | None:
        """Return the last time up to the moment."""


@lru_cache(maxsize=1_000)
def parse(text: str, dialect: Dialect, zone: tzinfo = UTC) -> Expression:
    """Return what the expression means in the time zone."""
    if found := _RATE.fullmatch(text):
        return _rate(text, int(found[1]), found[2], found[3] == "s", dialect)
    if found := _CRON.fullmatch(text):
        return Cron(found[1], zone)
    if dialect is Dialect.SCHEDULE and (found := _AT.fullmatch(text)):
        try:
            return At(datetime.fromisoformat(found[1]).replace(tzinfo=zone).astimezone(UTC))
        except ValueError as error:
            raise InvalidExpression(f"{text}: {error}") from None
    raise InvalidExpression(text)


def time_zone(name: str) -> tzinfo:
    """Return the time zone of this name in the IANA database."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidExpression(f"There is no time zone {name}") from None


def _rate(text: str, value: int, unit: str, plural: bool, dialect: Dialect) -> Expression:
    if value == 0 or (dialect is Dialect.RULE and plural != (value > 1)):
        raise InvalidExpression(text)
    period = timedelta(**{f"{unit}s": min(value, _LONGEST_RATE_DAYS)})
    # A rule first waits for one period, a schedule begins at once.
    return Rate(period, first=1 if dialect is Dialect.RULE else 0)


@dataclass(frozen=True)
class Rate:
    """Every so often from the start on; a day has 24 hours in every time zone."""

    period: timedelta
    first: int

    def after(self, moment: datetime, start: datetime) -> datetime:
        return start + max((moment - start) // self.period + 1, self.first) * self.period

    def last(self, moment: datetime, start: datetime) -> datetime | None:
        count = (moment - start) // self.period
        return start + count * self.period if count >= self.first else None


@dataclass(frozen=True)
class At:
    """Once."""

    time: datetime

    def after(self, moment: datetime, start: datetime) -> datetime | None:
        return self.time if self.time > moment else None

    def last(self, moment: datetime, start: datetime) -> datetime | None:
        return self.time if self.time <= moment else None


class Cron:
    """At times on the wall clock. A time that a change to summer time skips is skipped; one that the change
    back repeats counts once."""

    def __init__(self, fields: str, zone: tzinfo):
        self._zone = zone
        # The library knows neither the last day of a week, a Saturday, nor white space between fields.
        fields = " ".join("7" if (i, f) == (4, "L") else f for i, f in enumerate(fields.split()))
        try:
            self._cron = AwsCroniter(fields)
        except ValueError as error:
            raise InvalidExpression(f"cron({fields}): {error}") from None

    def after(self, moment: datetime, start: datetime) -> datetime | None:
        return self._search(moment, self._cron.get_next, lambda time: time > moment)

    def last(self, moment: datetime, start: datetime) -> datetime | None:
        return self._search(moment + timedelta(minutes=1), self._cron.get_prev, lambda time: time <= moment)

    def _search(
        self,
        moment: datetime,
        step: Callable[[datetime], list[datetime | None]],
        fits: Callable[[datetime], bool],
    ) -> datetime | None:
        wall: datetime | None = self._on_the_wall(moment)
        while wall := step(wall)[0]:
            time = wall.replace(tzinfo=self._zone).astimezone(UTC)
            exists = self._on_the_wall(time) == wall
            if exists and fits(time):
                return time
        return None

    def _on_the_wall(self, moment: datetime) -> datetime:
        """Return what the clock on the wall shows, as the library wants it: called UTC."""
        return moment.astimezone(self._zone).replace(tzinfo=UTC, fold=0)
