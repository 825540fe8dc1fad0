"""The schedules of EventBridge Scheduler as the timetable sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from moto.scheduler.models import Schedule, scheduler_backends

from localcloud import background, journal
from localcloud.scheduler.invocation import Invocation
from localcloud.settings import ACCOUNT_ID, REGION
from localcloud.timetable import Scheduled
from localcloud.timetable.expression import Dialect, parse, time_zone


def schedules() -> Iterator[ScheduleEntry]:
    """Return all schedules of all groups."""
    for group in list(scheduler_backends[ACCOUNT_ID][REGION].schedule_groups.values()):
        for schedule in list(group.schedules.values()):
            yield ScheduleEntry(schedule)


class ScheduleEntry(Scheduled):
    """One schedule. One for a single time ignores the dates of its beginning and end, as on AWS.

    A flexible time window is used at its first moment.
    """

    def __init__(self, schedule: Schedule):
        self._schedule = schedule
        recurs = not schedule.schedule_expression.startswith("at(")
        changed = datetime.fromtimestamp(schedule.last_modified_date, UTC)
        zone = time_zone(schedule.schedule_expression_timezone)
        self.name = schedule.name
        self.expression = parse(schedule.schedule_expression, Dialect.SCHEDULE, zone)
        self.start = (recurs and moment(schedule.start_date)) or changed
        self.since = max(self.start, changed)
        self.end = moment(schedule.end_date) if recurs else None
        self.enabled = schedule.state == "ENABLED"
        self.key = (schedule.arn, schedule.creation_date, schedule.last_modified_date)

    def fire(self, time: datetime, *, final: bool = False) -> None:
        invocation = Invocation(self._schedule, time, final)
        journal.record("schedule", name=self.name, arn=self._schedule.arn, time=invocation.scheduled_time)
        background.run(invocation.attempt)


def moment(seconds: float | None) -> datetime | None:
    """Return the moment that the API names."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
