"""The table and the verdicts on budgets."""

from __future__ import annotations

import pytest

from .figures import Figure, table, verdict


@pytest.mark.parametrize(
    ("samples", "budget", "met"),
    [
        ((1, 2, 300), 2, True),
        ((1, 2.001, 2.1), 2, False),
        ((0, 0, 0), 0, True),
        ((1, 1, 0), 0, False),
        ((9,), None, True),
    ],
)
def test_the_median_is_held_to_the_budget(samples: tuple[float, ...], budget: float | None, met: bool):
    assert Figure("Topic", "name", samples, budget=budget).met is met


def test_the_table_shows_every_figure_under_its_topic():
    figures = [
        Figure("Start", "an empty function", (1.0, 1.0, 1.5), "ms"),
        Figure("Start", "config-compliance", (2.5, 2.0, 11.25), "ms", 2.25, baseline=1.0),
        Figure("Calls", "a duplicate", (1, 1, 1), "", 1),
    ]
    assert table(figures).splitlines() == [
        "                      median       range  runs  / empty  at most",
        "",
        "Start",
        "  an empty function     1 ms   1 to 1.50     3",
        "  config-compliance  2.50 ms  2 to 11.25     3      2.5  2.25 ms  NOT MET",
        "",
        "Calls",
        "  a duplicate              1           1     3                 1  met",
    ]


def test_the_verdict_names_what_is_missed():
    good = Figure("Start", "one", (1,), "ms", 2)
    bad = Figure("Start", "two", (3,), "ms", 2)
    free = Figure("Start", "three", (9,), "ms")
    assert verdict([good, free]) == "All 1 budgets are met."
    assert verdict([good, bad, free]) == "1 of 2 budgets are not met: Start: two."


def test_the_json_holds_median_range_runs_and_verdict():
    assert Figure("Start", "one", (2.0, 4.0, 3.0), "ms", 2.5, baseline=1.5).as_json() == {
        "topic": "Start",
        "name": "one",
        "unit": "ms",
        "median": 3.0,
        "lowest": 2.0,
        "highest": 4.0,
        "runs": 3,
        "times_empty": 2.0,
        "budget": 2.5,
        "met": False,
    }
    assert Figure("Start", "free", (1.0,)).as_json()["met"] is None
