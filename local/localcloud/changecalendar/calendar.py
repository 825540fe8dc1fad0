"""A Change Calendar: iCalendar text that says when changes are allowed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

import icalendar
import recurring_ical_events

YEARS_AHEAD = 2
"""How far ahead the next transition is looked for, at least."""

OPPOSITE = {"OPEN": "CLOSED", "CLOSED": "OPEN"}
_DEFAULTS = {"DEFAULT_OPEN": "OPEN", "DEFAULT_CLOSED": "CLOSED"}


class NoCalendar(Exception):
    """The text is no Change Calendar."""


class UnsupportedEntry(Exception):
    """The calendar has an event about which nobody can say when it is."""


@dataclass(frozen=True)
class CalendarState:
    """What a calendar says about a moment."""

    state: str
    next_transition: datetime | None
    """When the state changes next; None if nobody knows a time."""


@dataclass(frozen=True)
class _Span:
    begin: datetime
    end: datetime


class Calendar:
    """Open or closed by default, and the opposite during its events."""

    def __init__(self, text: str):
        try:
            self._parsed = icalendar.Calendar.from_ical(text)
        except ValueError as error:
            raise NoCalendar(f"it is not iCalendar: {error}") from error
        kind = str(self._parsed.get("X-CALENDAR-TYPE"))
        if kind not in _DEFAULTS:
            raise NoCalendar(f"X-CALENDAR-TYPE is {kind}, not one of {', '.join(_DEFAULTS)}")
        self._default = _DEFAULTS[kind]
        self._spans = lru_cache(maxsize=8)(self._spans_from)

    def at(self, moment: datetime) -> CalendarState:
        """Return the state at the moment, and when it ends."""
        spans = self._spans(moment.year)
        following = bisect_right(spans, moment, key=lambda span: span.begin)
        if following and moment < spans[following - 1].end:
            return CalendarState(OPPOSITE[self._default], spans[following - 1].end)
        begin = spans[following].begin if following < len(spans) else None
        return CalendarState(self._default, begin)

    def _spans_from(self, year: int) -> list[_Span]:
        """Return when there are events in a year and those after it; events that overlap or meet are one."""
        begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + YEARS_AHEAD + 1, 1, 1, tzinfo=UTC)
        try:
            events = recurring_ical_events.of(self._parsed).between(begin, end)
        except (LookupError, ValueError) as error:
            raise UnsupportedEntry(str(error)) from error
        found = sorted((_moment(event.start), _moment(event.end)) for event in events)
        spans: list[_Span] = []
        for first, last in found:
            if spans and first <= spans[-1].end:
                spans[-1] = _Span(spans[-1].begin, max(spans[-1].end, last))
            elif first < last:
                spans.append(_Span(first, last))
        return spans


def together(calendars: list[Calendar], moment: datetime) -> CalendarState:
    """Return the state of several calendars: open only while all of them are."""
    now = _joined([calendar.at(moment) for calendar in calendars])
    then = now
    while then.next_transition and then.next_transition.year <= moment.year + YEARS_AHEAD:
        changed = then.next_transition
        then = _joined([calendar.at(changed) for calendar in calendars])
        if then.state != now.state:
            return CalendarState(now.state, changed)
    return CalendarState(now.state, None)


def _joined(states: list[CalendarState]) -> CalendarState:
    state = "OPEN" if all(each.state == "OPEN" for each in states) else "CLOSED"
    return CalendarState(
        state, min((each.next_transition for each in states if each.next_transition), default=None)
    )


def _moment(value: Any) -> datetime:
    """Return when an event begins or ends; a time without a zone, or a whole day, is taken as UTC."""
    if not isinstance(value, datetime):
        assert isinstance(value, date)
        value = datetime.combine(value, time())
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
