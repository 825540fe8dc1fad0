"""``Calendar State Change``: what the default bus hears when a calendar opens or closes.

A calendar changes because its time has come, because somebody has moved the clock, or because somebody has
changed the calendar. A new one counts as open until then: nothing was closed.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from moto.ssm.models import Document, SimpleSystemManagerBackend, ssm_backends

from localcloud import clock
from localcloud.changecalendar.calendar import CalendarState, UnsupportedEntry
from localcloud.changecalendar.documents import calendar_of
from localcloud.events import emit
from localcloud.events.envelope import timestamp
from localcloud.settings import ACCOUNT_ID, PARTITION, REGION

_UNKNOWN = CalendarState("OPEN", None)

_looking = threading.Lock()


@dataclass(frozen=True)
class _Seen:
    document: Document
    state: CalendarState


def look() -> None:
    """Tell what has changed since the last look."""
    with _looking:
        backend = ssm_backends[ACCOUNT_ID][REGION]
        # On the backend, so that a reset forgets it.
        seen: dict[str, _Seen] = backend.__dict__.setdefault("calendars_seen", {})
        calendars = _calendars(backend)
        for name in seen.keys() - calendars.keys():
            del seen[name]
        for name, document in calendars.items():
            # What cannot be read has no state that could change.
            with suppress(UnsupportedEntry):
                seen[name] = _Seen(document, _catch_up(document, seen.get(name), clock.now()))


def _calendars(backend: SimpleSystemManagerBackend) -> dict[str, Document]:
    documents = {name: versions.get_default_version() for name, versions in list(backend._documents.items())}
    return {name: document for name, document in documents.items() if calendar_of(document)}


def _catch_up(document: Document, seen: _Seen | None, now: datetime) -> CalendarState:
    """Tell of every change up to now, each with its own time, and return the state that holds now."""
    if seen is None or seen.document is not document:
        before = seen.state if seen else _UNKNOWN
        return _tell(document, before, now)
    state = seen.state
    while state.next_transition and state.next_transition <= now:
        state = _tell(document, state, state.next_transition)
    return state


def _tell(document: Document, before: CalendarState, moment: datetime) -> CalendarState:
    calendar = calendar_of(document)
    assert calendar
    after = calendar.at(moment)
    if after.state != before.state:
        detail = {"state": after.state, "atTime": timestamp(moment)}
        if after.next_transition:
            detail["nextTransitionTime"] = timestamp(after.next_transition)
        arn = f"arn:{PARTITION}:ssm:{REGION}:{document.owner}:document/{document.name}"
        emit("Calendar State Change", "aws.ssm", detail, [arn])
    return after
