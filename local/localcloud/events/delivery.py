"""Delivery of one event to one target of a rule: input, retries, and the target's dead-letter queue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException

from localcloud import background, journal
from localcloud.events.envelope import Event, timestamp
from localcloud.events.input import NoInput, compact, text_for
from localcloud.retries import Retries
from localcloud.targets import EVENTBRIDGE, Undeliverable, send


def deliver(rule: Any, event: Event, *, forwarded: bool = False) -> None:
    """Start handing the event to every target of the rule, in no particular order.

    `forwarded` is an event that another bus has sent here: EventBridge sends it on to no third one.
    """
    ingested = timestamp()
    for target in list(rule.targets):
        delivery = Delivery(rule.name, rule.arn, dict(target), event, ingested, forwarded)
        background.run(delivery.attempt)


@dataclass
class Delivery:
    """One event on its way to one target."""

    rule: str
    rule_arn: str
    target: dict[str, Any]
    event: Event
    ingested: str
    forwarded: bool = False

    def __post_init__(self) -> None:
        self.retries = Retries(self.target.get("RetryPolicy") or {})

    def attempt(self) -> None:
        """Hand the event over; on failure try again later, or give it to the dead-letter queue."""
        try:
            text = text_for(self.target, self.event, self.rule_arn, self.rule, self.ingested)
            send(
                self.target["Arn"],
                text,
                permitted_to=(EVENTBRIDGE, self.rule_arn),
                group_id=(self.target.get("SqsParameters") or {}).get("MessageGroupId"),
                forwarded=self.forwarded,
            )
        except (NoInput, Undeliverable) as error:
            self._give_up(error.code, str(error))
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            exhausted = self.retries.again(self.attempt)
            if exhausted:
                self._give_up(_code(error), problem, exhausted)
            else:
                self._record(problem)
        else:
            self._record()

    def _give_up(self, code: str, problem: str, exhausted: str = "") -> None:
        queue = (self.target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            try:
                send(
                    queue,
                    compact(self.event),
                    permitted_to=(EVENTBRIDGE, self.rule_arn),
                    attributes={
                        "RULE_ARN": self.rule_arn,
                        "TARGET_ARN": self.target["Arn"],
                        "ERROR_CODE": code,
                        "ERROR_MESSAGE": problem,
                        "EXHAUSTED_RETRY_CONDITION": exhausted,
                        "RETRY_ATTEMPTS": str(self.retries.made),
                    },
                )
            except Exception as error:
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


def _code(error: Exception) -> str:
    throttled = isinstance(error, ServiceException) and re.search("Throttl|TooManyRequests", error.code)
    return "THROTTLING" if throttled else "ERROR_FROM_TARGET"
