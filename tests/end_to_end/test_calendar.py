"""Change calendars: what they close waits until they open, and then goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest
from localcloud import clock
from localcloud.deploy import Stack
from localcloud.functions import stop_all

from .account import RULE, Account, client
from .config_events import compliance_change
from .conftest import mend

CALENDAR = "Freeze"
HOUR = timedelta(hours=1)

_numbers = count(1)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mend("enforce", ChangeCalendars=CALENDAR) as stack:
        yield stack


@pytest.fixture
def freeze(account: Account) -> Iterator[Callable[[datetime, datetime], None]]:
    """Return a function that closes the stack's calendar from one time to another."""
    ssm = client("ssm")

    def freeze(begin: datetime, end: datetime) -> None:
        lines = [
            "BEGIN:VCALENDAR",
            "PRODID:-//AWS//Change Calendar 1.0//EN",
            "VERSION:2.0",
            "X-CALENDAR-TYPE:DEFAULT_OPEN",
            "BEGIN:VEVENT",
            f"UID:{next(_numbers)}",
            f"DTSTART:{begin:%Y%m%dT%H%M%SZ}",
            f"DTEND:{end:%Y%m%dT%H%M%SZ}",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
        # Warm processes remember the calendar for 20 seconds.
        stop_all()
        seen = Account(account.stack)
        ssm.create_document(
            Name=CALENDAR, DocumentType="ChangeCalendar", DocumentFormat="TEXT", Content="\r\n".join(lines)
        )
        if begin <= clock.now():
            # It wakes reconcile, which would answer what a test breaks next before the event does.
            seen.wait_until(lambda: seen.has_woken("Calendar State Change"), "reconcile to hear of it")

    yield freeze
    ssm.delete_document(Name=CALENDAR)
    stop_all()


def shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_a_closed_calendar_defers_goes_on_when_it_opens(
    account: Account, freeze: Callable[[datetime, datetime], None]
):
    now = clock.now()
    opens = now + 2 * HOUR
    freeze(now - HOUR, opens)
    groups = [account.open_group() for _ in range(2)]
    reason = f"the change calendar is closed until {shown(opens)}"
    for group_id in groups:
        (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
        assert (answer["decision"], answer["reasons"][-1]) == ("defer", reason)
        row = account.settled(group_id, "deferred")
        assert row["incident"]["state"]["until"] == int(opens.timestamp()) * 1_000
        account.assert_untouched(group_id)
        assert reason in account.ops_item(group_id)["Description"]
    account.reconcile()
    account.assert_untouched(groups[0])

    # No run of reconcile by the test: the calendar's own event is what wakes it.
    clock.forward(2 * HOUR + timedelta(seconds=1))
    for group_id in groups:
        account.settled(group_id, "resolved")
        assert account.rules(group_id) == set()
        assert account.told(group_id) == ["Deferred", "Responding", "Resolved"]
    calls = account.journal("api-call", operation="StartAutomationExecution")
    assert [c["request"]["Parameters"]["SecurityGroupId"][0] for c in calls] == groups, "the oldest first"


def test_a_repair_that_would_run_into_the_closing_waits_for_the_opening(
    account: Account, freeze: Callable[[datetime, datetime], None]
):
    closes = clock.now() + timedelta(minutes=5)
    freeze(closes, closes + HOUR)
    group_id = account.open_group()
    (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
    assert answer["decision"] == "defer"
    assert answer["reasons"][-1] == (
        f"the change calendar closes at {shown(closes)}, before the repair would surely be done"
    )
    account.later(minutes=6)
    account.settled(group_id, "deferred")
    account.assert_untouched(group_id)
    clock.forward(HOUR)
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()


def test_an_open_calendar_is_no_obstacle(account: Account, freeze: Callable[[datetime, datetime], None]):
    closes = clock.now() + HOUR
    freeze(closes, closes + HOUR)
    group_id = account.open_group()
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()
