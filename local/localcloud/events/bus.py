"""Event buses: an event goes to the targets of every enabled rule whose pattern it matches."""

from __future__ import annotations

from collections.abc import Callable

from moto.events.models import EventBus, Rule, events_backends

from localcloud import journal
from localcloud.events.delivery import deliver
from localcloud.events.envelope import Event
from localcloud.events.pattern import compile_pattern
from localcloud.settings import ACCOUNT_ID, REGION

listeners: list[Callable[[Event], None]] = []
"""Each gets every event of the default bus, before it is delivered."""


def publish(event: Event, bus_name: str = "default", *, forwarded: bool = False) -> None:
    """Put an event on the bus; deliveries start in the background."""
    bus: EventBus = events_backends[ACCOUNT_ID][REGION].describe_event_bus(bus_name)
    journal.record("event", bus=bus.name, event=event)
    if bus.name == "default":
        for listen in listeners:
            listen(event)
    for rule in list(bus.rules.values()):
        if is_enabled(rule) and _takes(rule, event):
            deliver(rule, event, forwarded=forwarded)


def is_enabled(rule: Rule) -> bool:
    """Return whether the rule is on, with or without CloudTrail's management events."""
    return rule.state != "DISABLED"


def _takes(rule: Rule, event: Event) -> bool:
    # A schedule rule has no pattern and takes no events; moto would match it with all of them.
    pattern = rule.event_pattern.dump()
    return bool(pattern and compile_pattern(pattern)(event))
