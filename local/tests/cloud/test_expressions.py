"""Schedule expressions, as rules and schedules take and refuse them, and the times that they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from localcloud.timetable.expression import Dialect, InvalidExpression, parse, time_zone

START = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
BERLIN = time_zone("Europe/Berlin")


def times(text: str, count: int, zone: tzinfo = UTC, after: datetime = START) -> list[str]:
    """Return the next times by the clock on the wall."""
    expression, found = parse(text, Dialect.SCHEDULE, zone), []
    moment: datetime | None = after
    while len(found) < count and (moment := expression.after(moment, START)):
        found.append(moment.astimezone(zone).strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(5,35 14 * * ? *)", ["2026-01-01 14:05", "2026-01-01 14:35", "2026-01-02 14:05"]),
        ("cron(0/15 3 * * ? *)", ["2026-01-01 03:00", "2026-01-01 03:15", "2026-01-01 03:30"]),
        ("cron(1/10 0 * * ? *)", ["2026-01-01 00:01", "2026-01-01 00:11", "2026-01-01 00:21"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-01-01 18:00", "2026-01-02 18:00", "2026-01-05 18:00"]),
        ("cron(0 18 ? * fri-mon *)", ["2026-01-02 18:00", "2026-01-03 18:00", "2026-01-04 18:00"]),
        ("cron(30 22-1 ? * 5 *)", ["2026-01-01 00:30", "2026-01-01 01:30", "2026-01-01 22:30"]),
        ("cron(0 8 L * ? *)", ["2026-01-31 08:00", "2026-02-28 08:00", "2026-03-31 08:00"]),
        ("cron(0 8 3W * ? *)", ["2026-01-02 08:00", "2026-02-03 08:00", "2026-03-03 08:00"]),
        ("cron(0 8 1W 2-8/3 ? *)", ["2026-02-02 08:00", "2026-05-01 08:00", "2026-08-03 08:00"]),
        ("cron(0 8 ? * 3#2 *)", ["2026-01-13 08:00", "2026-02-10 08:00", "2026-03-10 08:00"]),
        ("cron(15 10 ? * 6L *)", ["2026-01-30 10:15", "2026-02-27 10:15", "2026-03-27 10:15"]),
        ("cron(0 8 ? * L *)", ["2026-01-03 08:00", "2026-01-10 08:00", "2026-01-17 08:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
        ("cron(0  8 1 1 ? 2027,2029)", ["2027-01-01 08:00", "2029-01-01 08:00"]),
        ("cron(0 0 1 1 ? 2025)", []),
        ("rate(5 minutes)", ["2026-01-01 00:05", "2026-01-01 00:10", "2026-01-01 00:15"]),
        ("rate(1 day)", ["2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00"]),
        ("at(2026-02-03T04:05:06)", ["2026-02-03 04:05"]),
        ("at(2025-02-03T04:05:06)", []),
    ],
)
def test_the_times_of_an_expression(text: str, expected: list[str]):
    assert times(text, 3) == expected


@pytest.mark.parametrize(
    "text",
    [
        "cron(0 18 ? * MON-FRI *)", "cron(30 22-1 ? * 5 *)", "cron(0 8 1W 2-8/3 ? *)", "rate(7 minutes)",
        "at(2026-02-03T04:05:06)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Auckland"])
def test_the_last_time_is_the_one_before_the_next(text: str, zone: str):
    expression = parse(text, Dialect.SCHEDULE, time_zone(zone))
    moment = first = expression.after(START, START)
    for _ in range(20):
        following = expression.after(moment, START)
        if following is None:
            break
        assert expression.last(moment, START) == moment
        assert expression.last(following - timedelta(seconds=1), START) == moment
        moment = following
    assert expression.last(first, START) == first


def test_a_rule_first_waits_for_its_period_and_a_schedule_does_not():
    rule, schedule = (parse("rate(1 hour)", dialect) for dialect in Dialect)
    before = START - timedelta(seconds=1)
    assert rule.after(before, START) == START + timedelta(hours=1)
    assert schedule.after(before, START) == START
    assert rule.last(START, START) is None
    assert schedule.last(START, START) == START


def test_a_cron_expression_follows_the_clock_on_the_wall():
    march = datetime(2026, 3, 28, tzinfo=UTC)
    daily = parse("cron(0 8 * * ? *)", Dialect.SCHEDULE, BERLIN)
    winter = daily.after(march, START)
    assert (winter.hour, daily.after(winter, START).hour) == (7, 6)
    assert times("at(2026-07-01T12:00:00)", 1, BERLIN) == ["2026-07-01 12:00"]


def test_a_time_that_summer_time_skips_is_skipped_and_one_that_comes_twice_counts_once():
    spring, autumn = datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert times("cron(30 2 * * ? *)", 3, BERLIN, spring) == [
        "2026-03-28 02:30", "2026-03-30 02:30", "2026-03-31 02:30"
    ]  # fmt: skip
    assert times("cron(30 2 * * ? *)", 2, BERLIN, autumn) == ["2026-10-25 02:30", "2026-10-26 02:30"]


def test_a_day_of_a_rate_has_24_hours():
    saturday = datetime(2026, 3, 28, 12, tzinfo=UTC)
    daily = parse("rate(1 day)", Dialect.SCHEDULE, BERLIN)
    assert daily.after(saturday, saturday) == saturday + timedelta(hours=24)


BOTH_REFUSE = [
    "", "rate()", "rate(10)", "rate(10 seconds)", "rate(10 years)", "rate(10 minutess)", "rate(foo minutes)",
    "rate(0 minutes)", "rate(-10 minutes)", "rate(10 MINUTES)", "rate( 10 minutes )", " rate(10 minutes)",
    "rate(1.5 hours)", "cron()", "cron(INVALID)", "cron(0 1 * * * *)", "cron(0 1 ? * ? *)", "cron(0 1 * * ?)",
    "cron(7 20 * * NOT *)", "cron(0 dummy ? * MON-FRI *)", "cron(71 8 1 * ? *)", "cron(0 24 1 * ? *)",
    "cron(0 8 32 * ? *)", "cron(0 8 1 13 ? *)", "cron(0 8 ? * 8 *)", "cron(0 8 ? * 3#1,6#3 *)",
    "cron(0 8 * * ? 1969)", "CRON(0 8 * * ? *)", "at(2026-12-31)", "at(2026-12-31T23:59:59Z)",
    "at(2026-13-31T23:59:59)",
]  # fmt: skip


@pytest.mark.parametrize("text", BOTH_REFUSE)
@pytest.mark.parametrize("dialect", Dialect)
def test_an_invalid_expression_is_refused(text: str, dialect: Dialect):
    with pytest.raises(InvalidExpression):
        parse(text, dialect)


@pytest.mark.parametrize("text", ["rate(1 minutes)", "rate(10 hour)", "at(2026-12-31T23:59:59)"])
def test_only_a_schedule_takes_these(text: str):
    parse(text, Dialect.SCHEDULE)
    with pytest.raises(InvalidExpression):
        parse(text, Dialect.RULE)


def test_an_unknown_time_zone_is_refused():
    for name in ("Europe/Atlantis", "", "../etc/passwd"):
        with pytest.raises(InvalidExpression):
            time_zone(name)
