"""EventBridge. It encrypts what a bus keeps in its own name, not its callers'."""

from __future__ import annotations

from collections.abc import Iterator

from localcloud.permissions.actions.operation import Place, Request
from localcloud.permissions.policies import Check


def _put_events(request: Request, place: Place) -> Iterator[Check]:
    for entry in request["Entries"]:
        bus = entry.get("EventBusName", "default")
        arn = bus if bus.startswith("arn:") else place.arn("events", f"event-bus/{bus}")
        kind = {"events:source": entry.get("Source", ""), "events:detail-type": entry.get("DetailType", "")}
        yield Check.of("events:PutEvents", arn, **kind)


OPERATIONS = {"PutEvents": _put_events}
