"""EventBridge Scheduler: schedules that really fire, on time of the cloud's clock and on request."""

from __future__ import annotations

from typing import Any

from localcloud import clock
from localcloud.control import NotThere, route
from localcloud.scheduler import api
from localcloud.scheduler.schedules import schedules
from localcloud.timetable import add_source, everything

__all__ = ["UnknownSchedule", "fire", "install"]


class UnknownSchedule(Exception):
    """Nothing of this name has a schedule."""


def install() -> None:
    """Replace moto's Scheduler where it differs, and put its schedules on the timetable."""
    api.install()
    add_source(schedules)


def fire(name: str) -> None:
    """Fire the schedule, or the rule with a schedule, of this name now, also when it is disabled.

    Its own times stay as they are.
    """
    known = everything()
    found = [scheduled for scheduled in known if scheduled.name == name]
    if not found:
        names = ", ".join(sorted(scheduled.name for scheduled in known)) or "none"
        raise UnknownSchedule(f"Nothing named {name} has a schedule. There is: {names}.")
    for scheduled in found:
        scheduled.fire(clock.now())


@route("POST", "schedules/<name>/fire")
def _fire(name: str, **_: Any) -> dict[str, Any]:
    try:
        fire(name)
    except UnknownSchedule as error:
        raise NotThere(str(error)) from None
    return {}
