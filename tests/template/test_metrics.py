"""The metrics that alarms and dashboard read are those that the functions write, in the local cloud."""

from __future__ import annotations

import json
import re
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

Metric = tuple[str, str, frozenset[str]]
"""Namespace, name, and dimensions with their values, `Environment=dev`; of reasons any, `Reason=*`."""


@pytest.fixture(scope="module")
def written() -> set[Metric]:
    """What is embedded in the logs while Mend escalates, and has each kind of reason to do nothing."""
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=0.005) as cloud:
        parameters = {"Environment": "dev", "Mode": "enforce", "BreakerAlarms": "checkout errors"}
        deploy_stack(ROOT / "template.yaml", "mend-dev", parameters)
        client("ssm").put_parameter(Name="/mend/dev/mode/block-public-bucket", Value="off", Type="String")
        found = metrics_until("Heartbeat")
        for sample in ("unrouted-rule", "hostile-resource-id", "public-bucket"):
            send(f"config-compliance/{sample}")
        with cloud.inject("server-error", "ec2"):
            send("config-compliance/open-ssh")
            found |= metrics_until("Escalations", "Ignored", "Rejected", "Suppressed")
        send("circuit-breaker/alarm")
        found |= metrics_until("BreakerOpened")
        send("config-compliance/key-without-rotation")
        return found | metrics_until("Deferred")


def send(sample: str) -> None:
    """Send a sample event, as of now."""
    event = json.loads((ROOT / f"events/{sample}.json").read_text())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if result := event["detail"].get("newEvaluationResult"):
        result["evaluationResultIdentifier"]["orderingTimestamp"] = now
        result["resultRecordedTime"] = result["configRuleInvokedTime"] = now
    client("events").put_events(
        Entries=[
            {
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
            }
        ]
    )


def metrics_until(*names: str) -> set[Metric]:
    """Read the functions' logs until they hold these metrics; return all that they hold."""
    found: set[Metric] = set()
    deadline = time.monotonic() + SECONDS
    seen = 0
    while missing := set(names) - {name for _, name, _ in found}:
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
        (
            directive["Namespace"],
            metric["Name"],
            frozenset(f"{name}={value_of(name, line)}" for name in names),
        )
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in directive["Metrics"]
        for names in directive["Dimensions"]
        if metric["Name"] in line
    }


def value_of(dimension: str, line: dict[str, Any]) -> str:
    return "*" if dimension == "Reason" else line[dimension]


SEARCH = re.compile(r"""SEARCH\('\{(\w+),Environment,Reason} MetricName="(\w+)" Environment="(\w+)"', .*\)""")


def read(deployment) -> set[Metric]:
    """The metrics of Mend's own that the template names."""
    alarms = [alarm["Properties"] for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values()]
    found = {
        (alarm["Namespace"], alarm["MetricName"], frozenset(f"{d['Name']}={d['Value']}" for d in dimensions))
        for alarm in alarms
        if alarm.get("Namespace") == "Mend"
        for dimensions in [alarm["Dimensions"]]
    }
    (dashboard,) = deployment.of_type("AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(dashboard["Properties"]["DashboardBody"])["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                namespace, name, environment = SEARCH.fullmatch(metric[0]["expression"]).groups()
                found.add((namespace, name, frozenset({f"Environment={environment}", "Reason=*"})))
            elif metric[0] == "Mend":
                found.add((metric[0], metric[1], frozenset({f"{metric[2]}={metric[3]}"})))
    return found


def test_what_is_read_is_written_and_nothing_is_paid_for_that_nobody_reads(written, deployment):
    assert read(deployment) == written
