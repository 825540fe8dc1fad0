"""What an alarm does when its state changes: the functions among its actions are invoked, asynchronously.

Other actions are kept and described, and do nothing here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from moto.cloudwatch.models import Alarm

from localcloud import background, journal
from localcloud.alarms.changes import timestamp
from localcloud.retries import Retries
from localcloud.settings import ACCOUNT_ID
from localcloud.targets import ALARMS, Undeliverable, send, service_of


def act(alarm: Alarm, change: dict[str, Any]) -> None:
    """Start the actions of the alarm's new state."""
    if not alarm.actions_enabled:
        return
    actions = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }
    payload = {
        "source": "aws.cloudwatch",
        "alarmArn": alarm.alarm_arn,
        "accountId": ACCOUNT_ID,
        "time": timestamp(alarm.state_updated_timestamp),
        "region": alarm.region_name,
        "alarmData": change,
    }
    for arn in actions[alarm.state_value] or []:
        if service_of(arn) == "lambda":
            background.run(_Action(alarm.alarm_arn, arn, json.dumps(payload)).attempt)


@dataclass
class _Action:
    """One function that hears of one change."""

    alarm: str
    function: str
    payload: str
    retries: Retries = field(default_factory=lambda: Retries({}))

    def attempt(self) -> None:
        """Hand the change over; try again unless the function is not there, or not to be invoked."""
        problem = None
        try:
            send(self.function, self.payload, permitted_to=(ALARMS, self.alarm))
        except Undeliverable as error:
            problem = str(error)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            self.retries.again(self.attempt)
        journal.record("alarm-action", alarm=self.alarm, target=self.function, error=problem)
