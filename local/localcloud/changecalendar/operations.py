"""GetCalendarState."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.ssm.models import SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud import clock
from localcloud.changecalendar.calendar import Calendar, UnsupportedEntry, together
from localcloud.changecalendar.documents import DOCUMENT_TYPE, calendar_of
from localcloud.errors import ServiceError
from localcloud.events.envelope import timestamp
from localcloud.model import operation


@operation("GetCalendarState")
def get_calendar_state(response: SimpleSystemManagerResponse, request: dict[str, Any]) -> dict[str, Any]:
    """Say whether all calendars are open, now or at a given time, and when that changes."""
    moment = _time(request["AtTime"]) if "AtTime" in request else clock.now()
    calendars = [_calendar(response.ssm_backend, name) for name in request["CalendarNames"]]
    try:
        found = together(calendars, moment)
    except UnsupportedEntry as error:
        raise ServiceError(
            "UnsupportedCalendarException", f"The calendar is not supported: {error}"
        ) from None
    members = {"State": found.state, "AtTime": timestamp(moment)}
    if found.next_transition:
        members["NextTransitionTime"] = timestamp(found.next_transition)
    return members


def _calendar(backend: SimpleSystemManagerBackend, name_or_arn: str) -> Calendar:
    arns = f"arn:{backend.partition}:ssm:{backend.region_name}:{backend.account_id}:document/"
    versions = backend._documents.get(name_or_arn.removeprefix(arns))
    if versions is None:
        raise ServiceError("InvalidDocument", f"There is no document {name_or_arn}.")
    calendar = calendar_of(versions.get_default_version())
    if calendar is None:
        raise ServiceError(
            "InvalidDocumentType", f"The document {name_or_arn} is not of type {DOCUMENT_TYPE}."
        )
    return calendar


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ServiceError("ValidationException", f"AtTime is {text!r}, not an ISO 8601 time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
