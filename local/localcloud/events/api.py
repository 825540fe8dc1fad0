"""The EventBridge API where moto's differs from AWS: PutRule, PutTargets, PutEvents, TestEventPattern.

Unlike AWS, PutEvents takes sources that begin with `aws.`, so that service events can be replayed.
"""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.events.exceptions import InvalidEventPatternException, ValidationException
from moto.events.models import EventPattern, EventsBackend, Rule
from moto.events.responses import EventsHandler

from localcloud import retries
from localcloud.events.bus import publish
from localcloud.events.envelope import Event, wrap
from localcloud.events.input import InvalidInput
from localcloud.events.input import check as check_input
from localcloud.events.pattern import InvalidPattern, compile_pattern, parse_json
from localcloud.targets import is_dead_letter_queue, service_of
from localcloud.timetable.expression import Dialect, InvalidExpression
from localcloud.timetable.expression import parse as parse_expression

MAX_ENTRIES = 10
MAX_REQUEST_BYTES = 1_048_576
MAX_TARGETS = 5
TARGET_SERVICES = {"lambda", "sqs", "sns", "event-bus"}


def install() -> None:
    """Replace moto's operations, and its delivery inside PutEvents."""
    EventPattern.load = staticmethod(_load_pattern)
    EventsBackend.put_events = _put_events
    EventsBackend.put_rule = _checked_rule(EventsBackend.put_rule)
    EventsBackend.put_targets = _checked_targets(EventsBackend.put_targets)
    EventsHandler.test_event_pattern = _test_event_pattern
    Rule.send_to_targets = _send_to_targets


def _load_pattern(text: str | None) -> EventPattern:
    if text:
        _compiled(text)
    return EventPattern(text, json.loads(text) if text else {})


def _compiled(text: str) -> Any:
    try:
        return compile_pattern(text)
    except InvalidPattern as error:
        raise InvalidEventPatternException(reason=str(error)) from None


def _test_event_pattern(self: EventsHandler) -> ActionResult:
    pattern = _compiled(self._get_param("EventPattern") or "")
    problem = "Parameter Event is not valid."
    try:
        event = parse_json(self._get_param("Event") or "")
    except ValueError as error:
        raise ValidationException(f"{problem} Reason: it is not JSON: {error}") from None
    required = ("id", "detail-type", "source", "account", "time", "region")
    missing = [key for key in required if not isinstance(event, dict) or key not in event]
    if missing:
        raise ValidationException(f"{problem} Reason: {', '.join(missing)} missing.")
    return ActionResult({"Result": pattern(event)})


def _checked_rule(put_rule: Any) -> Any:
    @functools.wraps(put_rule)
    def checked(self: EventsBackend, name: str, *args: Any, **kwargs: Any) -> Rule:
        expression = kwargs.get("scheduled_expression")
        if expression:
            try:
                parse_expression(expression, Dialect.RULE)
            except InvalidExpression:
                raise ValidationException("Parameter ScheduleExpression is not valid.") from None
        return put_rule(self, name, *args, **kwargs)

    return checked


def _checked_targets(put_targets: Any) -> Any:
    @functools.wraps(put_targets)
    def checked(
        self: EventsBackend, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]
    ) -> None:
        for target in targets:
            _check_target(name, target)
        known = {target["Id"] for target in self.describe_rule(name, event_bus_arn).targets}
        if len(known | {target["Id"] for target in targets}) > MAX_TARGETS:
            raise JsonRESTError(
                "LimitExceededException", f"Rule {name} cannot have more than {MAX_TARGETS} targets."
            )
        put_targets(self, name, event_bus_arn, targets)

    return checked


def _check_target(rule: str, target: dict[str, Any]) -> None:
    name, service = target["Id"], service_of(target["Arn"])
    if service not in TARGET_SERVICES:
        raise ValidationException(
            f"Rule {rule}: the local cloud does not support {target['Arn']}."
            " It delivers to functions, queues, topics and event buses."
        )
    try:
        check_input(target)
    except InvalidInput as error:
        raise ValidationException(str(error)) from None
    if service == "event-bus" and {"Input", "InputPath", "InputTransformer"} & target.keys():
        raise ValidationException(f"Modifying the input for target {name} is not supported.")
    for problem in retries.violations(target.get("RetryPolicy")):
        raise ValidationException(f"Parameter RetryPolicy of target {name} is not valid: {problem}.")
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue and not is_dead_letter_queue(queue):
        raise ValidationException(
            f"Parameter DeadLetterConfig of target {name} is not valid: {queue} is no standard queue."
        )


def _put_events(self: EventsBackend, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not events or len(events) > MAX_ENTRIES:
        raise ValidationException(f"PutEvents takes 1 to {MAX_ENTRIES} entries, not {len(events or [])}.")
    size = sum(_size(entry) for entry in events)
    if size > MAX_REQUEST_BYTES:
        raise ValidationException(f"The entries of a request may have {MAX_REQUEST_BYTES} bytes, not {size}.")
    buses = [self.describe_event_bus(_bus_name(entry)) for entry in events]
    results: list[dict[str, Any]] = []
    accepted: list[tuple[Event, str]] = []
    for entry, bus in zip(events, buses, strict=True):
        event = _event_of(entry)
        if "ErrorCode" in event:
            results.append(event)
        else:
            results.append({"EventId": event["id"]})
            accepted.append((event, bus.name))
    for event, bus_name in accepted:
        publish(event, bus_name)
    return results


def _event_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the event that an entry asks for, or the error that AWS answers for the entry."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": reason}
    try:
        detail = parse_json(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    time = datetime.fromtimestamp(float(entry["Time"]), UTC) if "Time" in entry else None
    return wrap(entry["DetailType"], entry["Source"], detail, entry.get("Resources", []), time)


def _bus_name(entry: dict[str, Any]) -> str:
    return (entry.get("EventBusName") or "default").rsplit("/", 1)[-1]


def _size(entry: dict[str, Any]) -> int:
    """Return the size of an entry by AWS's formula."""
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *entry.get("Resources", [])]
    return sum(len(text.encode()) for text in texts if text) + (14 if "Time" in entry else 0)


def _send_to_targets(self: Rule, original_event: Event, transform_input: bool = True) -> None:
    """Refuse moto's own way of delivering: only replays of an archive still take it."""
    raise NotImplementedError("The local cloud does not replay archives.")
