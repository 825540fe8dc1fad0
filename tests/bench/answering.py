"""What config-compliance uses for events that start nothing, warm and one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from localcloud.functions import stop_all

from tests.end_to_end.account import forget_budgets
from tests.end_to_end.config_events import Event, about, changed, compliance_change, sample

from .deployed import EMPTY, Mend, Unexpected, Used

FUNCTION = "config-compliance"
WARM_UP = 3
ASKED_AT_ONCE = {"ssm": 3}
"""Switches, version and calendar: each of these calls needs a connection of its own."""


@dataclass
class Answers:
    """What the events of each kind took."""

    empty: Used = field(default_factory=Used)
    """Any event, by the empty function."""
    unrouted: Used = field(default_factory=Used)
    duplicate: Used = field(default_factory=Used)
    observed: Used = field(default_factory=Used)
    """A new incident, in observe mode."""
    first: Used = field(default_factory=Used)
    """The first event of a process, a new incident: with all handshakes, and with switches to read."""
    peak_memory: float = 0.0
    """After all of them, in MiB."""
    empty_peak_memory: float = 0.0


def answer_all(mend: Mend, runs: int) -> Answers:
    """Have so many events of each kind answered, in turns."""
    answers = Answers()
    for run in range(-WARM_UP, runs):
        noted = answers if run >= 0 else Answers()
        # Each of them gets an OpsItem of its own: there is no storm.
        forget_budgets(mend.account.stack)
        new = _new_incident()
        if run == -WARM_UP:
            _answer(mend, new, "respond")
            mend.account.try_invoke(EMPTY, new)
        with mend.measured(EMPTY, noted.empty):
            mend.account.try_invoke(EMPTY, new)
        with mend.measured(FUNCTION, noted.unrouted):
            _answer(mend, _unrouted(), "ignore")
        new = _new_incident()
        with mend.measured(FUNCTION, noted.observed):
            _answer(mend, new, "respond")
        with mend.measured(FUNCTION, noted.duplicate):
            _answer(mend, new, "ignore")
    answers.peak_memory = mend.peak_memory(FUNCTION)
    answers.empty_peak_memory = mend.peak_memory(EMPTY)
    for service, connections in mend.gateways.connections.items():
        if connections > ASKED_AT_ONCE.get(service, 1):
            raise Unexpected(f"{FUNCTION} opened {connections} TLS connections to {service}, too many.")
    return answers


def answer_first(mend: Mend, runs: int, first: Used) -> None:
    """Have so many new processes answer their first event that calls anything."""
    for _ in range(runs):
        stop_all()
        forget_budgets(mend.account.stack)
        _answer(mend, _unrouted(), "ignore")
        with mend.measured(FUNCTION, first):
            _answer(mend, _new_incident(), "respond")


def _unrouted() -> Event:
    return about(sample(FUNCTION, "unrouted-rule"), f"vol-{uuid4().hex[:17]}")


def _new_incident() -> Event:
    return compliance_change(f"sg-{uuid4().hex[:17]}")


def _answer(mend: Mend, event: Event, decision: str) -> None:
    answer = mend.account.invoke(FUNCTION, changed(event, "id", str(uuid4())))
    if answer["decision"] != decision:
        raise Unexpected(f"{FUNCTION} was to {decision} an event, but its answer is {answer}.")
