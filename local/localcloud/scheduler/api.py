"""The API of EventBridge Scheduler where moto's differs: what it refuses, and what an update keeps."""

from __future__ import annotations

import functools
import json
from typing import Any

from moto.iam.models import iam_backends
from moto.scheduler.exceptions import ScheduleGroupNotFound, ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule
from moto.scheduler.responses import EventBridgeSchedulerResponse

from localcloud import clock, retries
from localcloud.permissions.policies import Check
from localcloud.permissions.services import service_may
from localcloud.scheduler.invocation import TARGET_SERVICES
from localcloud.scheduler.schedules import moment
from localcloud.settings import ACCOUNT_ID, PARTITION
from localcloud.targets import is_dead_letter_queue, service_of
from localcloud.timetable.expression import Dialect, InvalidExpression, parse, time_zone

SCHEDULER = "scheduler.amazonaws.com"


def install() -> None:
    """Check schedules however they are made, by the API or by a stack."""
    EventBridgeSchedulerBackend.create_schedule = _checked(EventBridgeSchedulerBackend.create_schedule)
    EventBridgeSchedulerBackend.update_schedule = _checked(EventBridgeSchedulerBackend.update_schedule)
    EventBridgeSchedulerResponse.update_schedule = _with_action(EventBridgeSchedulerResponse.update_schedule)
    Schedule.update = _with_defaults(Schedule.update)


def _checked(method: Any) -> Any:
    @functools.wraps(method)
    def checked(self: EventBridgeSchedulerBackend, **schedule: Any) -> Schedule:
        group = schedule.get("group_name") or "default"
        if group not in self.schedule_groups:
            raise ScheduleGroupNotFound(group)
        _check_times(schedule)
        _check_window(schedule["flexible_time_window"])
        _check_target(schedule["target"])
        _check_role(schedule["target"]["RoleArn"], self.schedule_groups[group].arn)
        return method(self, **schedule)

    return checked


def _check_times(schedule: dict[str, Any]) -> None:
    try:
        zone = time_zone(schedule.get("schedule_expression_timezone") or "UTC")
    except InvalidExpression as error:
        raise ValidationException(f"Invalid Schedule Expression Timezone. {error}.") from None
    expression = schedule["schedule_expression"]
    try:
        parse(expression, Dialect.SCHEDULE, zone)
    except InvalidExpression:
        raise ValidationException(f"Invalid Schedule Expression {expression}.") from None
    start, end = moment(schedule.get("start_date")), moment(schedule.get("end_date"))
    now = clock.now()
    if end and end <= max(start or now, now):
        raise ValidationException("The EndDate must come after the StartDate and the current time.")


def _check_window(window: dict[str, Any]) -> None:
    if (window.get("Mode") == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise ValidationException("MaximumWindowInMinutes belongs to a FlexibleTimeWindow of mode FLEXIBLE.")


def _check_target(target: dict[str, Any]) -> None:
    service = service_of(target["Arn"])
    if service not in TARGET_SERVICES:
        raise ValidationException(
            f"The local cloud does not support the target {target['Arn']}."
            " Schedules invoke functions and send to queues, topics and event buses."
        )
    if (service == "event-bus") != ("EventBridgeParameters" in target):
        raise ValidationException("EventBridgeParameters belong to an event bus, which needs them.")
    if target["Arn"].endswith(".fifo") != ("SqsParameters" in target):
        raise ValidationException("SqsParameters belong to a FIFO queue, which needs them.")
    if service in ("lambda", "event-bus") and target.get("Input") is not None:
        try:
            json.loads(target["Input"])
        except ValueError as error:
            raise ValidationException(f"The Input of this target must be well-formed JSON: {error}") from None
    for problem in retries.violations(target.get("RetryPolicy")):
        raise ValidationException(f"The RetryPolicy is not valid: {problem}.")
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue and not is_dead_letter_queue(queue):
        raise ValidationException(f"The dead-letter queue {queue} is no standard queue.")


def _check_role(arn: str, group_arn: str) -> None:
    """Refuse a role that does not exist or does not trust the Scheduler, which acts for a group."""
    role = next((role for role in iam_backends[ACCOUNT_ID][PARTITION].get_roles() if role.arn == arn), None)
    assume = Check.of("sts:AssumeRole", "*")
    if role is None or not service_may(
        SCHEDULER, assume, role.assume_role_policy_document, group_arn, ACCOUNT_ID
    ):
        raise ValidationException(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        )


def _with_action(update_schedule: Any) -> Any:
    """moto forgets to read what an update says about the completion."""

    @functools.wraps(update_schedule)
    def with_action(self: EventBridgeSchedulerResponse) -> str:
        answer = update_schedule(self)
        name = self.uri.split("?")[0].rsplit("/", 1)[-1]
        schedule = self.scheduler_backend.get_schedule(self._get_param("GroupName"), name)
        schedule.action_after_completion = self._get_param("ActionAfterCompletion")
        return answer

    return with_action


def _with_defaults(update: Any) -> Any:
    """What an update does not mention gets its default again."""

    @functools.wraps(update)
    def with_defaults(self: Schedule, **members: Any) -> None:
        update(self, **members | {"state": members["state"] or "ENABLED"})

    return with_defaults
