"""``AlarmConfiguration``: the alarm that stops an execution."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AlarmConfiguration:
    """The alarm of an execution."""

    name: str
    ignore_poll_failure: bool

    @classmethod
    def read(cls, request: dict[str, Any]) -> "AlarmConfiguration | None":
        """Return what a start asks for."""
        asked = request.get("AlarmConfiguration")
        if not asked:
            return None
        return cls(asked["Alarms"][0]["Name"], asked.get("IgnorePollAlarmFailure", False))

    def describe(self) -> dict[str, Any]:
        """Return it as the API does."""
        return {"IgnorePollAlarmFailure": self.ignore_poll_failure, "Alarms": [{"Name": self.name}]}

    def stops_at(self, state: str) -> bool:
        """Say whether the execution is stopped when the alarm has this state; UNKNOWN: it cannot be read."""
        return state == "ALARM" or (state == "UNKNOWN" and not self.ignore_poll_failure)
