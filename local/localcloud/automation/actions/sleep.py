"""``aws:sleep``: wait for a duration or until a moment."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud import clock
from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.failures import StepFailure

LONGEST = timedelta(seconds=604_799)

_DURATION = re.compile(
    r"P(?=.)(?:(?P<days>\d+)D)?(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)


class Sleep(Action):
    """``aws:sleep``."""

    optional = frozenset({"Duration", "Timestamp"})
    waits = True
    default_timeout = LONGEST.total_seconds() + 1

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Refuse anything but one of both inputs."""
        yield from super().problems(inputs)
        if len(inputs.keys() & self.optional) != 1:
            yield "it takes either Duration or Timestamp"

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Wait."""
        now = clock.now()
        end = now + _duration(inputs["Duration"]) if "Duration" in inputs else _moment(inputs["Timestamp"])
        if end - now > LONGEST:
            raise StepFailure(
                f"A sleep lasts at most {LONGEST.total_seconds():.0f} seconds", stage="InputValidation"
            )
        if end > now:
            context.wait_until(end)
        return Result()


def _duration(text: Any) -> timedelta:
    found = _DURATION.fullmatch(str(text))
    if not found:
        raise StepFailure(
            f"{text!r} is not an ISO 8601 duration of days, hours, minutes and seconds",
            stage="InputValidation",
        )
    return timedelta(**{unit: int(number) for unit, number in found.groupdict(default="0").items()})


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise StepFailure(f"{text!r} is not an ISO 8601 time", stage="InputValidation") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
