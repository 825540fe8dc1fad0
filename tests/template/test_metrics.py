"""The metrics that alarms and dashboard read are those that the functions write, in the local cloud."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from localcloud import journal
from localcloud.clients import client
from localcloud.deploy import deploy as deploy_stack
from localcloud.server import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60

Metric = tuple[str, str, str, str]
"""Namespace, name, and name and value of its one dimension."""


@pytest.fixture(scope="module")
def written() -> set[Metric]:
    """What is embedded in the logs of a run of reconcile and of an incident that is escalated."""
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=0.005) as cloud:
        deploy_stack(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": "enforce"})
        with cloud.inject("server-error", "ec2"):
            client("events").put_events(Entries=[open_ssh()])
            return metrics_until("Heartbeat", "Escalations")


def open_ssh() -> dict[str, Any]:
    """The sample event, as of now."""
    event = json.loads((ROOT / "events/config-compliance/open-ssh.json").read_text())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    result = event["detail"]["newEvaluationResult"]
    result["evaluationResultIdentifier"]["orderingTimestamp"] = now
    result["resultRecordedTime"] = result["configRuleInvokedTime"] = now
    return {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
    }


def metrics_until(*names: str) -> set[Metric]:
    """Read the functions' logs until they hold these metrics; return all that they hold."""
    found: set[Metric] = set()
    deadline = time.monotonic() + SECONDS
    seen = 0
    while missing := set(names) - {name for _, name, _, _ in found}:
        news = journal.wait(seen, deadline - time.monotonic())
        assert news, f"no function has written {missing} within {SECONDS} seconds"
        seen = news[-1]["seq"]
        for entry in news:
            if entry["kind"] == "invocation":
                found |= metrics_in(entry["log"])
    return found


def metrics_in(log: str) -> set[Metric]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return {
        (directive["Namespace"], metric["Name"], dimension, line[dimension])
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in directive["Metrics"]
        for (dimension,) in directive["Dimensions"]
        if metric["Name"] in line
    }


def read(deployment) -> set[Metric]:
    """The metrics of Mend's own that the template names."""
    alarms = [alarm["Properties"] for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values()]
    found = {
        (alarm["Namespace"], alarm["MetricName"], dimension["Name"], dimension["Value"])
        for alarm in alarms
        if alarm.get("Namespace") == "Mend"
        for dimension in alarm["Dimensions"]
    }
    (dashboard,) = deployment.of_type("AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(dashboard["Properties"]["DashboardBody"])["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == "Mend":
                found.add(tuple(metric[:4]))
    return found


def test_what_is_read_is_written_and_nothing_is_paid_for_that_nobody_reads(written, deployment):
    assert read(deployment) == written
