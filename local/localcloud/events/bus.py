"""Event buses: an event goes to the targets of every enabled rule whose pattern it matches."""

from __future__ import annotations

from moto.events.models import EventBus, Rule, events_backends

from localcloud import background, journal
from localcloud.events.delivery import Delivery
from localcloud.events.envelope import Event
from localcloud.events.pattern import compile_pattern
from localcloud.settings import ACCOUNT_ID, REGION


def publish(event: Event, bus_name: str = "default") -> None:
    """Put an event on the bus; deliveries start in the background."""
    bus: EventBus = events_backends[ACCOUNT_ID][REGION].describe_event_bus(bus_name)
    journal.record("event", bus=bus.name, event=event)
    for rule in list(bus.rules.values()):
        if _takes(rule, event):
            for target in list(rule.targets):
                background.run(Delivery(rule.name, rule.arn, dict(target), event).attempt)


def _takes(rule: Rule, event: Event) -> bool:
    # A schedule rule has no pattern and takes no events; moto would match it with all of them.
    pattern = rule.event_pattern.dump()
    return bool(rule.state == "ENABLED" and pattern and compile_pattern(pattern)(event))
