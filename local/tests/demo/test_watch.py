"""Waiting for the journal: it ends, and says what it waited for."""

from __future__ import annotations

import threading

import pytest
from demo.checks import SceneFailed
from demo.watch import Watch
from localcloud import journal


def test_entries_come_until_they_are_complete():
    watch = Watch()
    threading.Thread(target=lambda: [journal.record("step", step=name) for name in ("One", "Two")]).start()
    entries = watch.until(lambda seen: len(seen) == 2, "two steps", seconds=10)
    assert [entry["step"] for entry in entries] == ["One", "Two"]


def test_what_does_not_come_is_named_with_what_came_last():
    watch = Watch()
    journal.record("step", step="LookAtGroup", status="InProgress")
    with pytest.raises(SceneFailed, match=r"waited 0 s for the repair.*step LookAtGroup, status InProgress"):
        list(watch.until(lambda _: False, "the repair", seconds=0.05))


def test_it_ends_in_time_even_if_something_else_goes_on_and_on():
    watch = Watch()
    entries = watch.until(lambda _: False, "silence", seconds=0.05)
    with pytest.raises(SceneFailed, match="silence"):  # noqa: PT012
        journal.record("mark")
        for _ in entries:
            journal.record("mark")


def test_a_failed_invocation_ends_the_waiting():
    watch = Watch()
    journal.record("invocation", function="f", ok=False, response={"errorMessage": "no ledger"})
    with pytest.raises(SceneFailed, match=r"f failed.*no ledger"):
        list(watch.until(lambda _: False, "an answer", seconds=60))
