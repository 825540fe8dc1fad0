"""Looking at the alarm of an execution, and stopping the execution, as its runbook's role: AWS does both so.

AWS looks again and again; here, again whenever the alarm has changed.
"""

import contextlib
import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.cloudwatch.models import cloudwatch_backends

from localcloud import clock
from localcloud.automation.alarm_configuration import AlarmConfiguration
from localcloud.automation.executions import Execution
from localcloud.automation.roles import API_TIMEOUT_SECONDS, AssumedRole


class AlarmWatch:
    """Looks at one alarm until its execution has ended."""

    def __init__(self, execution: Execution, alarm: AlarmConfiguration) -> None:
        self._execution = execution
        self._alarm = alarm
        self._alarms = cloudwatch_backends[execution.account_id][execution.region].alarms
        # Of its own, because threads must not share one.
        self._role = AssumedRole(execution.role_arn, f"Automation-{execution.id}", execution.region)

    def begin(self) -> None:
        """Look for the first time, and go on in the background."""
        seen = self._changes()
        if not self._look():
            threading.Thread(target=self._go_on, args=(seen,), daemon=True).start()

    def _go_on(self, seen: Any) -> None:
        while not self._is_over():
            clock.wait_until(
                clock.END_OF_TIME, lambda known=seen: self._is_over() or self._changes() != known
            )
            seen = self._changes()
            if self._is_over() or self._look():
                return

    def _is_over(self) -> bool:
        return self._execution.ended is not None or self._execution.interruption.abandoned

    def _changes(self) -> Any:
        """Return something that differs whenever the alarm has changed."""
        alarm = self._alarms.get(self._alarm.name)
        return alarm and (alarm.state_value, alarm.state_updated_timestamp)

    def _look(self) -> bool:
        """Stop the execution if the alarm says so, and say whether it does."""
        state = self._state()
        if not self._alarm.stops_at(state):
            return False
        with self._execution.lock:
            self._execution.alarm_state = state
        ssm = self._role.client("ssm", API_TIMEOUT_SECONDS)
        # It may have ended already. What its role may not do is in the journal.
        with contextlib.suppress(BotoCoreError, ClientError):
            ssm.stop_automation_execution(AutomationExecutionId=self._execution.id)
        return True

    def _state(self) -> str:
        cloudwatch = self._role.client("cloudwatch", API_TIMEOUT_SECONDS)
        try:
            found = cloudwatch.describe_alarms(AlarmNames=[self._alarm.name])
        except (BotoCoreError, ClientError):
            return "UNKNOWN"
        alarms = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
        return alarms[0]["StateValue"] if alarms else "UNKNOWN"
