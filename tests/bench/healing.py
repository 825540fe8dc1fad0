"""From the event to the healed resource, through everything that the local cloud and the functions do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from localcloud import journal

from tests.end_to_end.account import Account, client, forget_budgets
from tests.end_to_end.config_events import Event, changed, compliance_change, sample

from .deployed import Mend, Unexpected, Used

ANSWERING, CONCLUDING = "config-compliance", "automation-outcome"
WARM_UP = 3


@dataclass
class Steps:
    """What the two functions use for one repair."""

    answering: Used = field(default_factory=Used)
    """A new incident, in enforce mode."""
    concluding: Used = field(default_factory=Used)
    """An outcome."""
    peak_memory: float = 0.0
    """Of automation-outcome, after all of them, in MiB."""


@dataclass
class Repairs:
    """How long repairs took."""

    closed: list[float] = field(default_factory=list)
    """Seconds until the ports were closed."""
    healed: list[float] = field(default_factory=list)
    """Seconds until the incident was resolved and everybody told."""


def step_through(mend: Mend, runs: int) -> Steps:
    """Have so many groups repaired step by step, each straight after an event that is known already.

    Such an event keeps the processor's caches warm: after half a second's pause all of this costs more.
    """
    account, steps = mend.account, Steps()
    rule = account.stack.functions[CONCLUDING]
    known: tuple[Event, Event] | None = None
    client("events").disable_rule(Name=rule)
    for run in range(-WARM_UP, runs):
        noted = steps if run >= 0 else Steps()
        # No start has to keep its distance from the one before.
        forget_budgets(account.stack)
        event = compliance_change(account.open_group())
        if known is None:
            execution = account.invoke(ANSWERING, event)["execution"]
        else:
            account.invoke(ANSWERING, known[0])
            with mend.measured(ANSWERING, noted.answering):
                execution = account.invoke(ANSWERING, event)["execution"]
        account.ended(execution)
        outcome = changed(sample(CONCLUDING, "success"), "detail.ExecutionId", execution)
        if known is None:
            account.invoke(CONCLUDING, outcome)
        else:
            account.invoke(CONCLUDING, known[1])
            with mend.measured(CONCLUDING, noted.concluding):
                answer = account.invoke(CONCLUDING, outcome)
            if answer["decision"] != "resolve":
                raise Unexpected(f"{CONCLUDING} was to resolve an incident, but its answer is {answer}.")
        known = event, outcome
    client("events").enable_rule(Name=rule)
    steps.peak_memory = mend.peak_memory(CONCLUDING)
    return steps


def repair_all(mend: Mend, runs: int) -> Repairs:
    """Have so many groups repaired, one after another, by events alone."""
    repairs = Repairs()
    for run in range(-WARM_UP, runs):
        account = _repair(mend)
        if run < 0:
            continue
        began = _at(account, lambda e: e["kind"] == "event" and e["event"]["source"] == "aws.config")
        revoked = _at(account, lambda e: e.get("operation") == "RevokeSecurityGroupIngress")
        concluded = _at(account, lambda e: _is_invocation(e, mend, CONCLUDING))
        repairs.closed.append((revoked - began).total_seconds())
        repairs.healed.append((concluded - began).total_seconds())
    return repairs


def _repair(mend: Mend) -> Account:
    """Open a group to the world, tell Mend, and wait until nothing is left to do; return what happened."""
    account = Account(mend.account.stack)
    forget_budgets(account.stack)
    group_id = account.open_group()
    account.put(compliance_change(group_id))
    account.settled(group_id, "resolved")
    account.wait_until(
        lambda: all(
            any(_is_invocation(e, mend, function) for e in account.journal("invocation"))
            for function in (ANSWERING, CONCLUDING)
        ),
        f"both functions to be at rest after {group_id}",
        on="invocation",
    )
    return account


def _is_invocation(entry: journal.Entry, mend: Mend, function: str) -> bool:
    return entry["kind"] == "invocation" and entry["function"] == mend.account.stack.functions[function]


def _at(account: Account, happened: Callable[[journal.Entry], bool]) -> datetime:
    """Return when the last of these things happened."""
    moments = [entry["at"] for entry in journal.entries(account.began) if happened(entry)]
    return datetime.fromisoformat(moments[-1])
