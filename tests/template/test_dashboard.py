"""The dashboard shows every function and every rule, and CloudWatch can draw it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

WIDTH = 24
FREE_METRICS = 50
"""Of the dashboards that CloudWatch gives an account for nothing."""

METRICS = ("OpenIncidents", "Escalations", "BreakerOpened", "Heartbeat")
REASONED_METRICS = ("Deferred", "Suppressed", "Ignored", "Rejected")

Widget = dict[str, Any]


@pytest.fixture(scope="session")
def widgets(deployment) -> list[Widget]:
    (dashboard,) = deployment.of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["Properties"]["DashboardName"] == "mend-dev"
    body = dashboard["Properties"]["DashboardBody"]
    assert not re.findall(r"\$\{(?!PROP\()", body)
    return json.loads(body)["widgets"]


def metrics(widget: Widget) -> list[tuple[str, ...]]:
    """The widget's metrics, written out: `...` stands for what the line before says."""
    found: list[tuple[str, ...]] = []
    for line in widget["properties"].get("metrics", []):
        words = [word for word in line if isinstance(word, str)]
        if not words:
            continue  # a search, see below
        if words[0] == "...":
            words = [*found[-1][: 1 - len(words)], *words[1:]]
        found.append(tuple(words))
    return found


def searches(widget: Widget) -> list[str]:
    """The searches of a widget: each shows as many metrics as there are."""
    lines = widget["properties"].get("metrics", [])
    return [line[0]["expression"] for line in lines if isinstance(line[0], dict)]


def test_widgets_fill_the_rows_and_do_not_overlap(widgets):
    cells = [
        (widget["x"] + column, widget["y"] + row)
        for widget in widgets
        for column in range(widget["width"])
        for row in range(widget["height"])
    ]
    assert len(cells) == len(set(cells))
    height = max(row for _, row in cells) + 1
    assert len(cells) == WIDTH * height


def test_every_widget_has_a_title_and_the_stacks_region(widgets):
    for widget in widgets:
        assert widget["properties"]["title"]
        assert widget["properties"]["region"] == "eu-central-1"


def test_what_is_shown(widgets, deployment):
    functions = deployment.of_type("AWS::Lambda::Function").keys()
    always = deployment.of_type("AWS::Events::Rule").keys() - {"CalendarStateRule"}
    assert {metric for widget in widgets for metric in metrics(widget)} == {
        *(("Mend", name, "Environment", "dev") for name in METRICS),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "DeadLetterQueue.QueueName"),
        *(("AWS/Events", "Invocations", "RuleName", rule) for rule in always),
        *(
            ("AWS/Lambda", metric, "FunctionName", function)
            for metric in ("Errors", "Throttles", "Duration")
            for function in functions
        ),
        *(
            ("AWS/Lambda", "AsyncEventAge", "FunctionName", function)
            for function in functions - {"ReconcileFunction"}
        ),
    }


def test_what_was_not_done_is_shown_by_its_reason(widgets):
    found = [search for widget in widgets for search in searches(widget)]
    assert found == [
        f"SEARCH('{{Mend,Environment,Reason}} MetricName=\"{name}\" Environment=\"dev\"', 'Sum', 300)"
        for name in REASONED_METRICS
    ]


def test_the_dashboard_stays_free(widgets):
    assert sum(len(metrics(widget)) for widget in widgets) <= FREE_METRICS


def test_queries_read_the_logs_of_all_functions(widgets, deployment):
    queries = [widget["properties"]["query"] for widget in widgets if widget["type"] == "log"]
    assert queries
    for query in queries:
        assert set(re.findall(r"SOURCE '([^']+)'", query)) == deployment.of_type("AWS::Logs::LogGroup").keys()
