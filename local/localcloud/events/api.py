"""The EventBridge API where moto's differs from AWS: PutRule, PutTargets, PutEvents, TestEventPattern.

Unlike AWS, PutEvents takes sources that begin with `aws.`, so that service events can be replayed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.events.exceptions import InvalidEventPatternException, ValidationException
from moto.events.models import EventPattern, EventsBackend, Rule
from moto.events.responses import EventsHandler

from localcloud.events.bus import publish
from localcloud.events.envelope import Event, wrap
from localcloud.events.pattern import InvalidPattern, compile_pattern
from localcloud.targets import service_of

MAX_ENTRIES = 10
MAX_REQUEST_BYTES = 1_048_576
MAX_TARGETS = 5
TARGET_SERVICES = {"lambda", "sqs", "sns", "event-bus"}


def install() -> None:
    """Replace moto's operations, and its delivery inside PutEvents."""
    EventPattern.load = staticmethod(_load_pattern)
    EventsBackend.put_events = _put_events
    EventsBackend.put_targets = _checked(EventsBackend.put_targets)
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
    try:
        event = json.loads(self._get_param("Event") or "")
    except ValueError:
        raise ValidationException("Parameter Event is not valid. Reason: Event is not valid JSON.") from None
    required = ("id", "detail-type", "source", "account", "time", "region")
    missing = [key for key in required if not isinstance(event, dict) or key not in event]
    if missing:
        raise ValidationException(f"Parameter Event is not valid. Reason: {', '.join(missing)} missing.")
    return ActionResult({"Result": pattern(event)})


def _checked(put_targets: Any) -> Any:
    def checked(
        self: EventsBackend, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]
    ) -> None:
        for target in targets:
            unsupported = target["Arn"] if service_of(target["Arn"]) not in TARGET_SERVICES else None
            if unsupported or "InputTransformer" in target:
                raise ValidationException(
                    f"Rule {name}: the local cloud does not support {unsupported or 'InputTransformer'}. It"
                    " delivers to functions, queues, topics and event buses, with Input or InputPath."
                )
        known = {target["Id"] for target in self.describe_rule(name, event_bus_arn).targets}
        if len(known | {target["Id"] for target in targets}) > MAX_TARGETS:
            raise ValidationException(f"Rule {name} cannot have more than {MAX_TARGETS} targets.")
        put_targets(self, name, event_bus_arn, targets)

    return checked


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
        detail = json.loads(entry["Detail"])
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
