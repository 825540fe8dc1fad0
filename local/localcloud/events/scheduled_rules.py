"""Rules with a `ScheduleExpression`: at each time their targets get an event of their own, in UTC."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from moto.events.models import Rule, events_backends

from localcloud import clock, journal
from localcloud.events.bus import is_enabled
from localcloud.events.delivery import deliver
from localcloud.events.envelope import wrap
from localcloud.settings import ACCOUNT_ID, REGION
from localcloud.timetable import Scheduled, add_source
from localcloud.timetable.expression import Dialect, parse


def install() -> None:
    """Put the rules on the timetable; a rule that is put again or enabled begins anew."""
    Rule.__init__ = _beginning(Rule.__init__)
    Rule.enable = _beginning(Rule.enable)
    add_source(_scheduled_rules)


def _beginning(method: Any) -> Any:
    @functools.wraps(method)
    def beginning(self: Rule, *args: Any, **kwargs: Any) -> None:
        begins = getattr(self, "state", "DISABLED") == "DISABLED"
        method(self, *args, **kwargs)
        if begins:
            self.begins = clock.now()

    return beginning


def _scheduled_rules() -> Iterator[ScheduledRule]:
    for bus in list(events_backends[ACCOUNT_ID][REGION].event_buses.values()):
        for rule in list(bus.rules.values()):
            if rule.scheduled_expression:
                yield ScheduledRule(rule)


class ScheduledRule(Scheduled):
    """A rule as the timetable sees it."""

    def __init__(self, rule: Rule):
        self._rule = rule
        self.name = rule.name
        self.expression = parse(rule.scheduled_expression, Dialect.RULE)
        self.start = self.since = rule.begins
        self.enabled = is_enabled(rule)
        self.key = (rule.arn, rule.begins)

    def fire(self, time: datetime, *, final: bool = False) -> None:
        event = wrap("Scheduled Event", "aws.events", {}, [self._rule.arn], time)
        journal.record("schedule", name=self.name, arn=self._rule.arn, time=event["time"])
        deliver(self._rule, event)
