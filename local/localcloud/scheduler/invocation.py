"""One invocation of a schedule's target: an API call under the schedule's role, retried, or a dead letter."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.scheduler.models import Schedule, scheduler_backends

from localcloud import journal
from localcloud.clients import client
from localcloud.events.envelope import timestamp, wrap
from localcloud.events.input import compact
from localcloud.principals import credentials_of
from localcloud.retries import Retries
from localcloud.settings import ACCOUNT_ID, REGION, settings
from localcloud.targets import service_of

TARGET_SERVICES = {"lambda", "sqs", "sns", "event-bus"}
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=25)
"""The retries are the Scheduler's own."""


@dataclass
class Invocation:
    """One time of a schedule on its way to the target."""

    schedule: Schedule
    time: datetime
    final: bool
    """There is no further time: a schedule that is to be deleted after its completion now is."""

    def __post_init__(self) -> None:
        self._target: dict[str, Any] = dict(self.schedule.target)
        self._retries = Retries(self._target.get("RetryPolicy") or {})
        self.scheduled_time = timestamp(self.time)

    def attempt(self) -> None:
        """Call the target; on failure try again later, or write a dead letter."""
        execution = secrets.token_hex(8)
        payload = self._payload(execution)
        try:
            self._call(self._target["Arn"], payload)
        except Exception as error:
            exhausted = self._retries.again(self.attempt) if _may_pass(error) else ""
            if exhausted is None:
                self._record(execution, _problem(error))
                return
            self._give_up(execution, payload, error, exhausted)
        else:
            self._record(execution)
        self._conclude()

    def _payload(self, execution: str) -> str:
        text = self._target.get("Input")
        if text is None:
            notification = wrap("Scheduled Event", "aws.scheduler", {}, [self.schedule.arn], self.time)
            # The Scheduler's own event has an object in a string here, unlike that of a scheduled rule.
            return compact(notification | {"detail": "{}"})
        attributes = {
            "schedule-arn": self.schedule.arn,
            "scheduled-time": self.scheduled_time,
            "execution-id": execution,
            "attempt-number": str(self._retries.made + 1),
        }
        for name, value in attributes.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text

    def _client(self, service: str) -> Any:
        return client(service, credentials_of(self._target["RoleArn"], self.schedule.name), ONCE)

    def _call(self, arn: str, payload: str) -> None:
        match service_of(arn):
            case "lambda":
                self._client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=payload)
            case "sqs":
                self._client("sqs").send_message(
                    QueueUrl=_queue_url(arn), MessageBody=payload, **(self._target.get("SqsParameters") or {})
                )
            case "sns":
                self._client("sns").publish(TopicArn=arn, Message=payload)
            case "event-bus":
                entry = {**self._target["EventBridgeParameters"], "Detail": payload, "EventBusName": arn}
                (result,) = self._client("events").put_events(Entries=[entry])["Entries"]
                if "ErrorCode" in result:
                    raise Refused(result["ErrorCode"], result["ErrorMessage"])

    def _give_up(self, execution: str, payload: str, error: Exception, exhausted: str) -> None:
        problem = _problem(error)
        queue = (self._target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            attributes = {
                "ERROR_CODE": _code(error),
                "ERROR_MESSAGE": problem,
                "EXECUTION_ID": execution,
                "EXHAUSTED_RETRY_CONDITION": exhausted,
                "IS_PAYLOAD_TRUNCATED": "false",
                "RETRY_ATTEMPTS": str(self._retries.made),
                "SCHEDULED_TIME": self.scheduled_time,
                "SCHEDULE_ARN": self.schedule.arn,
                "TARGET_ARN": self._target["Arn"],
            }
            try:
                self._client("sqs").send_message(
                    QueueUrl=_queue_url(queue),
                    MessageBody=payload,
                    MessageAttributes={
                        name: {"DataType": "String", "StringValue": value}
                        for name, value in attributes.items()
                        if value
                    },
                )
            except Exception as second:
                problem = f"{problem} The dead-letter queue did not take it either: {_problem(second)}"
                queue = None
        self._record(execution, problem, dead_letter_queue=queue)

    def _conclude(self) -> None:
        if not self.final or self.schedule.action_after_completion != "DELETE":
            return
        backend = scheduler_backends[ACCOUNT_ID][REGION]
        try:
            if backend.get_schedule(self.schedule.group_name, self.schedule.name) is self.schedule:
                backend.delete_schedule(self.schedule.group_name, self.schedule.name)
        except JsonRESTError:
            return

    def _record(self, execution: str, error: str | None = None, dead_letter_queue: str | None = None) -> None:
        journal.record(
            "delivery",
            rule=self.schedule.name,
            target=self._target["Arn"],
            event_id=execution,
            error=error,
            dead_letter_queue=dead_letter_queue,
        )


class Refused(Exception):
    """The target's service did not take the one entry of the call."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def _may_pass(error: Exception) -> bool:
    """Return whether the same call can succeed later: services that fail or throttle, and lost answers."""
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"]["Code"]
        return status >= 500 or status == 429 or "Throttl" in code
    return not isinstance(error, Refused)


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"])
    return getattr(error, "code", type(error).__name__)


def _problem(error: Exception) -> str:
    return f"{_code(error)}: {error}"


def _queue_url(arn: str) -> str:
    return f"{settings.endpoint_url}/{ACCOUNT_ID}/{arn.rsplit(':', 1)[-1]}"
