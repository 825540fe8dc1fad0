"""What config-compliance uses when every guard rail is asked: a calendar, and a route that takes tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from localcloud.functions import stop_all

from tests.end_to_end.account import client, forget_budgets
from tests.end_to_end.config_events import about, changed, sample

from .deployed import Mend, Unexpected, Used

CALENDAR = "Freeze"
FUNCTION = "config-compliance"
OPEN = "\r\n".join(
    [
        "BEGIN:VCALENDAR",
        "PRODID:-//AWS//Change Calendar 1.0//EN",
        "VERSION:2.0",
        "X-CALENDAR-TYPE:DEFAULT_OPEN",
        "END:VCALENDAR",
        "",
    ]
)


@dataclass
class Guarded:
    """New incidents in enforce mode, in a process that is warm, and as the first of a process."""

    warm: Used = field(default_factory=Used)
    first: Used = field(default_factory=Used)


def ask_everything(mend: Mend, runs: int) -> Guarded:
    """Report so many buckets to a new process, and one more each."""
    client("ssm").create_document(
        Name=CALENDAR, DocumentType="ChangeCalendar", DocumentFormat="TEXT", Content=OPEN
    )
    guarded = Guarded()
    for _ in range(runs):
        stop_all()
        unrouted = about(sample(FUNCTION, "unrouted-rule"), f"vol-{uuid4().hex[:17]}")
        mend.account.invoke(FUNCTION, unrouted)
        for used in (guarded.first, guarded.warm):
            # No start has to keep its distance from the one before.
            forget_budgets(mend.account.stack)
            event = about(sample(FUNCTION, "public-bucket"), f"bucket-{uuid4().hex[:17]}")
            with mend.measured(FUNCTION, used):
                answer = mend.account.invoke(FUNCTION, changed(event, "id", str(uuid4())))
            if not answer["execution"]:
                raise Unexpected(f"{FUNCTION} was to start a runbook, but its answer is {answer}.")
    return guarded
