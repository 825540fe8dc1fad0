"""Delivery of one event to one target of a rule: input, retries, and the target's dead-letter queue."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from jsonpath_ng import parse as parse_path

from localcloud import background, journal
from localcloud.events.envelope import Event
from localcloud.settings import settings
from localcloud.targets import EVENTBRIDGE, Undeliverable, send

DEFAULT_ATTEMPTS = 185
DEFAULT_AGE_SECONDS = 86_400
LONGEST_WAIT_SECONDS = 300.0


@dataclass
class Delivery:
    """One event on its way to one target."""

    rule: str
    rule_arn: str
    target: dict[str, Any]
    event: Event
    retries: int = 0
    waited: float = 0.0
    """AWS's waits so far, unscaled: the age of the event is judged by them and not by our shortened ones."""
    started: float = field(default_factory=time.monotonic)

    def attempt(self) -> None:
        """Hand the event over; on failure try again later, or give it to the dead-letter queue."""
        group = self.target.get("SqsParameters", {}).get("MessageGroupId")
        try:
            send(
                self.target["Arn"],
                self._input(),
                permitted_to=(EVENTBRIDGE, self.rule_arn),
                group_id=group,
            )
        except Undeliverable as error:
            self._give_up(error.code, str(error))
        except Exception as error:
            self._retry(f"{type(error).__name__}: {error}")
        else:
            self._record()

    def _input(self) -> str:
        if "Input" in self.target:
            return self.target["Input"]
        if "InputPath" not in self.target:
            return json.dumps(self.event)
        found = parse_path(self.target["InputPath"]).find(self.event)
        if not found:
            raise Undeliverable("INVALID_PARAMETER", f"The event has nothing at {self.target['InputPath']}.")
        return json.dumps(found[0].value)

    def _retry(self, problem: str) -> None:
        policy = self.target.get("RetryPolicy", {})
        pause = random.uniform(0.5, 1.0) * min(2.0**self.retries, LONGEST_WAIT_SECONDS)
        age = time.monotonic() - self.started + self.waited + pause
        if self.retries >= int(policy.get("MaximumRetryAttempts", DEFAULT_ATTEMPTS)):
            self._give_up("SDK_CLIENT_ERROR", problem, "MaximumRetryAttempts")
        elif age > int(policy.get("MaximumEventAgeInSeconds", DEFAULT_AGE_SECONDS)):
            self._give_up("SDK_CLIENT_ERROR", problem, "MaximumEventAgeInSeconds")
        else:
            self._record(problem)
            self.retries += 1
            self.waited += pause
            background.run(self.attempt, after=pause * settings.wait_scale)

    def _give_up(self, code: str, problem: str, exhausted: str = "") -> None:
        queue = self.target.get("DeadLetterConfig", {}).get("Arn")
        if queue:
            try:
                send(
                    queue,
                    json.dumps(self.event),
                    permitted_to=(EVENTBRIDGE, self.rule_arn),
                    attributes={
                        "RULE_ARN": self.rule_arn,
                        "TARGET_ARN": self.target["Arn"],
                        "ERROR_CODE": code,
                        "ERROR_MESSAGE": problem,
                        "EXHAUSTED_RETRY_CONDITION": exhausted,
                        "RETRY_ATTEMPTS": str(self.retries),
                    },
                )
            except Undeliverable as error:
                problem = f"{problem} The dead-letter queue did not take the event either: {error}"
                queue = None
        self._record(problem, dead_letter_queue=queue)

    def _record(self, error: str | None = None, dead_letter_queue: str | None = None) -> None:
        journal.record(
            "delivery",
            rule=self.rule,
            target=self.target["Arn"],
            event_id=self.event["id"],
            error=error,
            dead_letter_queue=dead_letter_queue,
        )
