"""CloudWatch alarms: `SetAlarmState` changes them, and nothing else does here.

A change is an event on the default bus and, for the functions among the alarm's actions, an invocation.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend

from localcloud import clock
from localcloud.alarms.actions import act
from localcloud.alarms.changes import described, state_of
from localcloud.events import emit

__all__ = ["install"]

_STATE = ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp")


def install() -> None:
    """Let alarms begin as on AWS, keep their state when they are put again, and tell of its changes."""
    Alarm.__init__ = _beginning_unknown(Alarm.__init__)
    Alarm.update_state = _telling(Alarm.update_state)
    CloudWatchBackend.put_metric_alarm = _keeping_state(CloudWatchBackend.put_metric_alarm)
    CloudWatchBackend.delete_alarms = _waking(CloudWatchBackend.delete_alarms)


def _beginning_unknown(init: Any) -> Any:
    @functools.wraps(init)
    def beginning_unknown(self: Alarm, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.state_value = "INSUFFICIENT_DATA"
        self.state_reason_data = None

    return beginning_unknown


def _telling(update_state: Any) -> Any:
    @functools.wraps(update_state)
    def telling(self: Alarm, reason: str, reason_data: str | None, state_value: str) -> None:
        before = state_of(self)
        update_state(self, reason, reason_data, state_value)
        if state_value != before["value"]:
            change = described(self, before)
            clock.wake()
            emit("CloudWatch Alarm State Change", "aws.cloudwatch", change, [self.alarm_arn])
            act(self, change)

    return telling


def _keeping_state(put_metric_alarm: Any) -> Any:
    @functools.wraps(put_metric_alarm)
    def keeping_state(self: CloudWatchBackend, name: str, *args: Any, **kwargs: Any) -> Alarm:
        known = self.alarms.get(name)
        alarm = put_metric_alarm(self, name, *args, **kwargs)
        if known:
            vars(alarm).update({member: getattr(known, member) for member in _STATE})
        return alarm

    return keeping_state


def _waking(delete_alarms: Any) -> Any:
    @functools.wraps(delete_alarms)
    def waking(self: CloudWatchBackend, alarm_names: list[str]) -> None:
        delete_alarms(self, alarm_names)
        clock.wake()

    return waking
