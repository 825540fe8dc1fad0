"""Change Calendar: what is open when, and what the bus hears of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud import clock
from localcloud.clients import client
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID, REGION

HOUR = timedelta(hours=1)
NOON = datetime(2030, 3, 6, 12, tzinfo=UTC)
"""A Wednesday."""
DOCUMENTS = f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:document"

_numbers = count(1)


@pytest.fixture(autouse=True)
def _machine_time_afterwards(cloud: LocalCloud) -> Iterator[None]:
    yield
    clock.reset()


def calendar(*events: str, kind: str = "DEFAULT_OPEN") -> str:
    lines = [
        "BEGIN:VCALENDAR",
        "PRODID:-//AWS//Change Calendar 1.0//EN",
        "VERSION:2.0",
        f"X-CALENDAR-TYPE:{kind}",
        "X-WR-CALDESC:A freeze",
        "BEGIN:VTODO",
        "DTSTAMP:20200320T004207Z",
        "UID:3b5af39a-d0b3-4049-a839-d7bb8af01f92",
        "SUMMARY:Add events to this calendar.",
        "END:VTODO",
        *events,
        "END:VCALENDAR",
    ]
    return "\r\n".join([*lines, ""])


def event(begin: datetime | str, end: datetime | str, *more: str) -> str:
    lines = [f"UID:{next(_numbers)}", _time("DTSTART", begin), _time("DTEND", end), *more]
    return "\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT"])


def _time(name: str, value: datetime | str) -> str:
    return f"{name}:{value:%Y%m%dT%H%M%SZ}" if isinstance(value, datetime) else f"{name};{value}"


def whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def create(cloud: LocalCloud) -> Iterator[Callable[[str], str]]:
    """A function that makes a calendar, until the test ends, and returns its name."""
    made = []

    def create_(content: str) -> str:
        name = f"Freeze{next(_numbers)}"
        client("ssm").create_document(
            Name=name, DocumentType="ChangeCalendar", DocumentFormat="TEXT", Content=content
        )
        made.append(name)
        return name

    yield create_
    for name in made:
        client("ssm").delete_document(Name=name)


def state(*names: str, at: datetime | str | None = None) -> tuple[str, str | None]:
    request = {"AtTime": shown(at) if isinstance(at, datetime) else at} if at else {}
    answer = client("ssm").get_calendar_state(CalendarNames=list(names), **request)
    return answer["State"], answer.get("NextTransitionTime")


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**request)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_calendar_is_the_opposite_of_its_default_during_an_event(create: Any):
    freeze = event(NOON, NOON + HOUR)
    opened = create(calendar(freeze))
    closed = create(calendar(freeze, kind="DEFAULT_CLOSED"))
    assert state(opened, at=NOON - HOUR) == ("OPEN", shown(NOON))
    assert state(opened, at=NOON) == ("CLOSED", shown(NOON + HOUR))
    assert state(opened, at=NOON + HOUR) == ("OPEN", None)
    assert state(closed, at=NOON - HOUR) == ("CLOSED", shown(NOON))
    assert state(closed, at=NOON) == ("OPEN", shown(NOON + HOUR))


def test_without_a_time_the_clocks_counts(cloud: LocalCloud, create: Any):
    begin = whole_second(clock.now()) + HOUR
    name = create(calendar(event(begin, begin + HOUR)))
    answer = client("ssm").get_calendar_state(CalendarNames=[name])
    assert abs(datetime.fromisoformat(answer["AtTime"]) - clock.now()) < timedelta(minutes=1)
    assert (answer["State"], answer["NextTransitionTime"]) == ("OPEN", shown(begin))
    cloud.forward(HOUR)
    assert state(name) == ("CLOSED", shown(begin + HOUR))


def test_events_that_overlap_or_meet_are_one(create: Any):
    name = create(calendar(event(NOON, NOON + HOUR), event(NOON + HOUR / 2, NOON + 2 * HOUR)))
    assert state(name, at=NOON) == ("CLOSED", shown(NOON + 2 * HOUR))
    name = create(calendar(event(NOON, NOON + HOUR), event(NOON + HOUR, NOON + 2 * HOUR)))
    assert state(name, at=NOON) == ("CLOSED", shown(NOON + 2 * HOUR))


def test_an_event_recurs(create: Any):
    weekly = event(NOON, NOON + HOUR, "RRULE:FREQ=WEEKLY;BYDAY=WE", "EXDATE:20300313T120000Z")
    name = create(calendar(weekly))
    assert state(name, at=NOON + HOUR) == ("OPEN", "2030-03-20T12:00:00Z")
    assert state(name, at=datetime(2035, 3, 7, 12, 30, tzinfo=UTC)) == ("CLOSED", "2035-03-07T13:00:00Z")


def test_times_have_zones_and_summer_and_days_are_utc(create: Any):
    evening = event(
        "TZID=Europe/Berlin:20300330T200000", "TZID=Europe/Berlin:20300330T220000", "RRULE:FREQ=DAILY"
    )
    name = create(calendar(evening))
    assert state(name, at="2030-03-30T12:00:00Z") == ("OPEN", "2030-03-30T19:00:00Z")
    assert state(name, at="2030-03-31T12:00:00Z") == ("OPEN", "2030-03-31T18:00:00Z")
    assert state(name, at="2030-03-31T20:30:00+0200") == ("CLOSED", "2030-03-31T20:00:00Z")
    holidays = create(calendar(event("VALUE=DATE:20301224", "VALUE=DATE:20301227")))
    assert state(holidays, at="2030-12-26T23:59:59") == ("CLOSED", "2030-12-27T00:00:00Z")


def test_several_are_open_only_if_all_are(create: Any):
    first = create(calendar(event(NOON, NOON + 2 * HOUR)))
    second = create(calendar(event(NOON + HOUR, NOON + 3 * HOUR)))
    both = (first, f"{DOCUMENTS}/{second}")
    assert state(*both, at=NOON - HOUR) == ("OPEN", shown(NOON))
    assert state(*both, at=NOON) == ("CLOSED", shown(NOON + 3 * HOUR))
    assert state(*both, at=NOON + 3 * HOUR) == ("OPEN", None)


def test_an_endless_event_never_opens(create: Any):
    name = create(calendar(kind="DEFAULT_CLOSED"))
    assert state(name) == ("CLOSED", None)
    daily = create(calendar(event(NOON, NOON + 24 * HOUR, "RRULE:FREQ=DAILY")))
    other = create(calendar(event(NOON, NOON + HOUR, "RRULE:FREQ=DAILY")))
    assert state(daily, other, at=NOON)[0] == "CLOSED"


def test_what_cannot_be_asked_is_refused(create: Any):
    ssm = client("ssm")
    ask = ssm.get_calendar_state
    assert refusal(ask, CalendarNames=["Gone"]) == ("InvalidDocument", "There is no document Gone.")
    elsewhere = f"arn:aws:ssm:{REGION}:999999999999:document/Freeze"
    assert refusal(ask, CalendarNames=[elsewhere])[0] == "InvalidDocument"
    content = {"schemaVersion": "2.2", "mainSteps": []}
    ssm.create_document(Name="NoCalendar", DocumentType="Command", Content=json.dumps(content))
    assert refusal(ask, CalendarNames=["NoCalendar"])[0] == "InvalidDocumentType"
    bad = create(calendar(event(NOON, NOON + HOUR, "RRULE:FREQ=SOMETIMES")))
    assert refusal(ask, CalendarNames=[bad])[0] == "UnsupportedCalendarException"
    timeless = create(calendar("BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT"))
    assert refusal(ask, CalendarNames=[timeless])[0] == "UnsupportedCalendarException"
    assert refusal(ask, CalendarNames=[create(calendar())], AtTime="noon")[0] == "ValidationException"


@pytest.mark.parametrize(
    ("content", "document_format", "code", "reason"),
    [
        ("hello", "TEXT", "InvalidDocumentContent", "it is not iCalendar"),
        (calendar(kind="OPEN"), "TEXT", "InvalidDocumentContent", "X-CALENDAR-TYPE is OPEN"),
        ("{}", "JSON", "ValidationException", "format TEXT"),
    ],
)
def test_what_is_no_calendar_is_refused(
    cloud: LocalCloud, content: str, document_format: str, code: str, reason: str
):
    request = {"Name": "Wrong", "DocumentType": "ChangeCalendar", "Content": content}
    refused, message = refusal(client("ssm").create_document, **request, DocumentFormat=document_format)
    assert refused == code
    assert reason in message


def test_only_a_calendar_is_text(cloud: LocalCloud):
    request = {"Name": "Wrong", "DocumentType": "Automation", "Content": "x", "DocumentFormat": "TEXT"}
    assert refusal(client("ssm").create_document, **request)[0] == "ValidationException"


def test_a_calendar_is_given_out_as_it_came(create: Any):
    content = calendar(event(NOON, NOON + HOUR))
    name = create(content)
    ssm = client("ssm")
    document = ssm.get_document(Name=name)
    assert (document["Content"], document["DocumentFormat"]) == (content, "TEXT")
    described = ssm.describe_document(Name=name)["Document"]
    assert (described["DocumentType"], described["DocumentFormat"]) == ("ChangeCalendar", "TEXT")


def test_the_bus_hears_when_the_clock_passes_a_transition(cloud: LocalCloud, create: Any, watch: Any):
    begin = whole_second(clock.now()) + HOUR
    name = create(calendar(event(begin, begin + HOUR), event(begin + 24 * HOUR, begin + 25 * HOUR)))
    cloud.forward(HOUR)
    told = watch.wait("event", bus="default")[0]["event"]
    assert (told["source"], told["detail-type"]) == ("aws.ssm", "Calendar State Change")
    assert told["resources"] == [f"{DOCUMENTS}/{name}"]
    assert told["detail"] == {
        "state": "CLOSED",
        "atTime": shown(begin),
        "nextTransitionTime": shown(begin + HOUR),
    }
    cloud.forward(24 * HOUR)
    states = [entry["event"]["detail"] for entry in watch.wait("event", 3)]
    assert [(detail["state"], detail["atTime"]) for detail in states] == [
        ("CLOSED", shown(begin)),
        ("OPEN", shown(begin + HOUR)),
        ("CLOSED", shown(begin + 24 * HOUR)),
    ]


def test_the_bus_hears_when_a_calendar_is_changed(create: Any, watch: Any):
    now = clock.now()
    closed_now = calendar(event(now - HOUR, now + HOUR))
    name = create(calendar())
    ssm = client("ssm")

    def change(content: str) -> None:
        version = ssm.update_document(
            Name=name, Content=content, DocumentFormat="TEXT", DocumentVersion="$LATEST"
        )["DocumentDescription"]["DocumentVersion"]
        ssm.update_document_default_version(Name=name, DocumentVersion=version)

    change(closed_now)
    [closed] = watch.wait("event")
    assert closed["event"]["detail"]["state"] == "CLOSED"
    assert abs(datetime.fromisoformat(closed["event"]["detail"]["atTime"]) - now) < timedelta(minutes=1)
    change(calendar(event(now + HOUR, now + 2 * HOUR)))
    assert watch.wait("event", 2)[1]["event"]["detail"]["state"] == "OPEN"


def test_the_bus_hears_of_a_calendar_that_is_closed_from_the_beginning(create: Any, watch: Any):
    create(calendar(kind="DEFAULT_CLOSED"))
    [told] = watch.wait("event")
    assert told["event"]["detail"]["state"] == "CLOSED"
    assert "nextTransitionTime" not in told["event"]["detail"]


def test_a_stack_makes_and_changes_a_calendar(cloud: LocalCloud):
    cloudformation, name = client("cloudformation"), "FreezeOfAStack"

    def template(content: str) -> str:
        properties = {
            "Name": name,
            "DocumentType": "ChangeCalendar",
            "DocumentFormat": "TEXT",
            "UpdateMethod": "NewVersion",
            "Content": content,
        }
        return json.dumps({"Resources": {"Freeze": {"Type": "AWS::SSM::Document", "Properties": properties}}})

    def status() -> str:
        return cloudformation.describe_stacks(StackName="calendars")["Stacks"][0]["StackStatus"]

    closed = calendar(event(NOON, NOON + HOUR))
    cloudformation.create_stack(StackName="calendars", TemplateBody=template(closed))
    assert (status(), state(name, at=NOON)[0]) == ("CREATE_COMPLETE", "CLOSED")
    cloudformation.update_stack(StackName="calendars", TemplateBody=template(calendar()))
    assert (status(), state(name, at=NOON)[0]) == ("UPDATE_COMPLETE", "OPEN")
    cloudformation.update_stack(StackName="calendars", TemplateBody=template(closed))
    assert (status(), state(name, at=NOON)[0]) == ("UPDATE_COMPLETE", "CLOSED")
    cloudformation.delete_stack(StackName="calendars")
