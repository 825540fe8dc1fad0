"""From the event to the healed resource, through everything that the local cloud and the functions do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from localcloud import journal

from tests.end_to_end.account import Account
from tests.end_to_end.config_events import compliance_change

from .deployed import Mend, Used

ANSWERING, CONCLUDING = "config-compliance", "automation-outcome"
WARM_UP = 3


@dataclass
class Repairs:
    """What the repairs took."""

    closed: list[float] = field(default_factory=list)
    """Seconds until the ports were closed."""
    healed: list[float] = field(default_factory=list)
    """Seconds until the incident was resolved and everybody told."""
    answering: Used = field(default_factory=Used)
    """A new incident, in enforce mode."""
    concluding: Used = field(default_factory=Used)
    """An outcome."""
    peak_memory: float = 0.0
    """Of automation-outcome, after all of them, in MiB."""


def repair_all(mend: Mend, runs: int) -> Repairs:
    """Have so many security groups repaired, one after another."""
    for _ in range(WARM_UP):
        _repair(mend)
    repairs = Repairs()
    for _ in range(runs):
        with (
            mend.measured(ANSWERING, repairs.answering),
            mend.measured(CONCLUDING, repairs.concluding),
        ):
            account = _repair(mend)
        began = _at(account, lambda e: e["kind"] == "event" and e["event"]["source"] == "aws.config")
        revoked = _at(account, lambda e: e.get("operation") == "RevokeSecurityGroupIngress")
        concluded = _at(account, lambda e: _is_invocation(e, mend, CONCLUDING))
        repairs.closed.append((revoked - began).total_seconds())
        repairs.healed.append((concluded - began).total_seconds())
    repairs.peak_memory = mend.peak_memory(CONCLUDING)
    return repairs


def _repair(mend: Mend) -> Account:
    """Open a group to the world, tell Mend, and wait until nothing is left to do; return what happened."""
    account = Account(mend.account.stack)
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
