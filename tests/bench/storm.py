"""A storm: every problem is reported ten times, in random order, while AWS fails now and then.

`python -m tests.bench.storm --problems 100` plays a small one by itself.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from localcloud import clock, faults, journal
from localcloud.deploy import Stack, deploy, wait_for_first_run
from localcloud.server import LocalCloud

from tests.end_to_end.account import FINAL, RULE, RUNBOOK, Account, client
from tests.end_to_end.config_events import Event, compliance_change, forget_looks

from .figures import Figure, table, verdict

ROOT = Path(__file__).parents[2]
COPIES = 10
AT_ONCE = 100
"""So many deliveries are under way at most; Lambda would run them all, this machine has few processors."""
CONCURRENCY = 12
FAULTS = 0.05
"""Of all calls of the functions."""
KINDS = ("throttle", "server-error", "lost-response")
LAST_TRY = 3
SHORT_WAITS = 0.005
SEED = 4
RUNS = 12
"""Of reconcile, at most, until nothing is left half done."""

STARTS_AN_HOUR, RUNNING, THRESHOLD = 60, 10, 20
"""Of the route in `policy/config.yaml`, and the template's StormThreshold."""
PER_HOUR_SECONDS = 3_600
_FIVE_MINUTES = timedelta(minutes=5)


@dataclass
class Storm:
    """What came of it."""

    deliveries: int = 0
    seconds: float = 0.0
    """From the first delivery to the last answer."""
    calls: int = 0
    faults: int = 0
    dead_letters: int = 0
    problems: int = 0
    incidents: int = 0
    unsettled: int = 0
    starts: int = 0
    starts_twice: int = 0
    most_starts_an_hour: int = 0
    most_running: int = 0
    ops_items: int = 0
    hours: int = 0
    """Of the clock that it touched: each has its own share of OpsItems."""
    states: Counter[str] = field(default_factory=Counter)

    def figures(self) -> list[Figure]:
        """Return what it has to keep, and what it cost."""
        topic = (
            f"A storm: {self.deliveries} deliveries of {self.problems} problems, {self.faults} faulty calls"
        )
        bounds = THRESHOLD * self.hours + self.hours
        return [
            Figure(topic, "incidents", (self.incidents,)),
            Figure(topic, "problems without an incident", (self.problems - self.incidents,), "", 0),
            Figure(topic, "incidents left half done", (self.unsettled,), "", 0),
            Figure(topic, "runbooks started", (self.starts,)),
            Figure(topic, "attempts started twice", (self.starts_twice,), "", 0),
            Figure(topic, "starts of one hour", (self.most_starts_an_hour,), "", STARTS_AN_HOUR),
            Figure(topic, "attempts under way at once", (self.most_running,), "", RUNNING),
            Figure(topic, "OpsItems", (self.ops_items,), "", bounds),
            Figure(topic, "time for a delivery, in the local cloud", (self._per_delivery,), "ms"),
            Figure(topic, "AWS calls for a delivery", (self.calls / self.deliveries,)),
            Figure(topic, "deliveries in the dead-letter queue", (self.dead_letters,)),
        ]

    @property
    def _per_delivery(self) -> float:
        return self.seconds * 1_000 / self.deliveries


def play(binaries: Path, problems: int, out: Any = sys.stderr) -> Storm:
    """Play the storm, and say how far it has come."""
    forget_looks()
    with LocalCloud(binaries=binaries, wait_scale=SHORT_WAITS, concurrency=CONCURRENCY):
        stack = deploy(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": "enforce"})
        wait_for_first_run(stack.functions["reconcile"])
        storm = Storm(problems=problems)
        watch = _Watch(stack, storm, out)
        groups = [watch.account.open_group() for _ in range(problems)]
        out.write(f"  {problems} security groups are open to the world.\n")
        # What the tests make of the groups is not of the storm.
        watch.read()
        storm.calls = 0
        events = [event for group_id in groups for event in [compliance_change(group_id, rule=RULE)] * COPIES]
        random.Random(SEED).shuffle(events)
        storm.deliveries = len(events)
        injected = [
            faults.inject(kind, caller=name, probability=FAULTS / len(KINDS), seed=SEED)
            for name in stack.functions.values()
            for kind in KINDS
        ]
        began = time.monotonic()
        for batch in _batches(events):
            watch.until_fewer_than(AT_ONCE)
            watch.put(batch)
        watch.until_fewer_than(1)
        storm.seconds = time.monotonic() - began
        storm.faults = sum(fault.hits for fault in injected)
        faults.clear()
        _calm_down(watch)
        _take_stock(watch)
        return storm


def _batches(events: list[Event]) -> Iterator[list[Event]]:
    yield from (events[first : first + 10] for first in range(0, len(events), 10))


class _Watch:
    """Reads the journal as it grows, because it does not keep all of a storm."""

    def __init__(self, stack: Stack, storm: Storm, out: Any):
        self.account = Account(stack)
        self.storm = storm
        self.running: set[str] = set()
        self._out = out
        self._seen = self.account.began
        self._names = set(stack.functions.values())
        self._waiting: set[str] = set()
        self._answered = 0
        self._said = time.monotonic()

    def put(self, events: list[Event]) -> None:
        """Put the events on the bus."""
        for event in events:
            self._waiting.update(self.account.put(event))

    def until_fewer_than(self, count: int) -> None:
        """Wait until fewer deliveries than that are under way."""
        while len(self._waiting) >= count:
            self.read(wait=10.0)

    def read(self, wait: float = 0.0) -> None:
        """Take in what has happened since."""
        for entry in journal.wait(self._seen, wait):
            self._seen = entry["seq"]
            match entry["kind"]:
                case "api-call" if entry["principal"].rsplit("/", 1)[-1] in self._names:
                    self.storm.calls += 1
                case "invocation" if entry["ok"] or entry["attempt"] == LAST_TRY:
                    self._hear(entry["payload"])
                case "execution":
                    self._follow(entry)
        if time.monotonic() - self._said > 5:
            self.say()

    def _hear(self, payload: Any) -> None:
        event_id = payload.get("id") if isinstance(payload, dict) else None
        if event_id in self._waiting:
            self._waiting.remove(event_id)
            self._answered += 1

    def _follow(self, entry: journal.Entry) -> None:
        if entry["status"] in FINAL:
            self.running.discard(entry["execution_id"])
        else:
            self.running.add(entry["execution_id"])
        self.storm.most_running = max(self.storm.most_running, len(self.running))

    def say(self) -> None:
        """Say how far it has come."""
        self._said = time.monotonic()
        storm = self.storm
        self._out.write(
            f"  {self._answered} of {storm.deliveries} deliveries answered, {storm.calls} AWS calls,"
            f" {len(self.running)} runbooks under way\n"
        )
        self._out.flush()


def _calm_down(watch: _Watch) -> None:
    """Let leases run out and `reconcile` run, until nothing is left half done."""
    for _ in range(RUNS):
        rows = [item for item in watch.account.ledger() if item["sk"] == "current"]
        unsettled = sum(not row["settled"] for row in rows)
        under_way = sum(row.get("incident", {}).get("state", {}).get("name") == "remediating" for row in rows)
        watch._out.write(f"  {unsettled} incidents are half done, {under_way} are being repaired\n")
        if not unsettled and not under_way:
            return
        clock.forward(_FIVE_MINUTES)
        watch.account.try_invoke("reconcile", {})
        watch.read()


def _take_stock(watch: _Watch) -> None:
    storm, account = watch.storm, watch.account
    watch.read()
    rows = [item for item in account.ledger() if item["sk"] == "current" and "incident" in item]
    storm.incidents = len(rows)
    storm.unsettled = sum(not row["settled"] for row in rows)
    storm.states = Counter(row["incident"]["state"]["name"] for row in rows)
    executions = _executions()
    storm.starts = len(executions)
    attempts = Counter((e["Parameters"]["Incident"][0], e["Parameters"]["Attempt"][0]) for e in executions)
    storm.starts_twice = sum(count - 1 for count in attempts.values())
    hours = Counter(int(e["ExecutionStartTime"].timestamp()) // PER_HOUR_SECONDS for e in executions)
    storm.most_starts_an_hour = max(hours.values(), default=0)
    opened = [s["CreatedTime"] for page in _ops_items() for s in page["OpsItemSummaries"]]
    storm.ops_items = len(opened)
    storm.hours = len({int(moment.timestamp()) // PER_HOUR_SECONDS for moment in opened})
    storm.dead_letters = len(account.dead_letters())


def _executions() -> list[dict[str, Any]]:
    ssm = client("ssm")
    filters = [{"Key": "DocumentNamePrefix", "Values": [RUNBOOK]}]
    pages = ssm.get_paginator("describe_automation_executions").paginate(Filters=filters)
    ids = [e["AutomationExecutionId"] for page in pages for e in page["AutomationExecutionMetadataList"]]
    return [ssm.get_automation_execution(AutomationExecutionId=id_)["AutomationExecution"] for id_ in ids]


def _ops_items() -> Iterator[dict[str, Any]]:
    filters = [{"Key": "Source", "Values": ["Mend"], "Operator": "Equal"}]
    return client("ssm").get_paginator("describe_ops_items").paginate(OpsItemFilters=filters)


def main() -> int:
    """Play one by itself; return 1 if it did not keep what it has to."""
    parser = argparse.ArgumentParser(prog="tests.bench.storm", description=__doc__)
    parser.add_argument("--binaries", type=Path, default=ROOT / "target" / "debug")
    parser.add_argument("--problems", type=int, default=1_000)
    options = parser.parse_args()
    storm = play(options.binaries, options.problems)
    figures = storm.figures()
    print(f"\n{table(figures)}\n\n{verdict(figures)}")
    print(f"The incidents: {', '.join(f'{count} {state}' for state, count in storm.states.most_common())}.")
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
