"""The journal's entries in the words of somebody who tells what happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.console import Console
from demo.watch import Entry

READING = ("Describe", "Get", "List", "Batch", "Query", "Scan", "Head")
ENDED = ("Success", "Failed", "TimedOut", "Cancelled", "Rejected")


@dataclass(frozen=True)
class Line:
    """What happened, under a label."""

    label: str
    text: str
    style: str | None = None


class Timeline:
    """Prints entries with the seconds that have passed since the first of them."""

    def __init__(self, console: Console):
        self._console = console
        self._zero: Entry | None = None

    def show(self, entry: Entry) -> None:
        """Print the entry if it is worth telling."""
        self._zero = self._zero or entry
        if line := describe(entry):
            styles = [line.style] if line.style else []
            self._console.moment(seconds_between(self._zero, entry), line.label, line.text, *styles)


def seconds_between(first: Entry, second: Entry) -> float:
    """Return the seconds from one entry to another."""
    return (datetime.fromisoformat(second["at"]) - datetime.fromisoformat(first["at"])).total_seconds()


def describe(entry: Entry) -> Line | None:
    """Return the line for an entry; None for what would only be noise."""
    match entry["kind"]:
        case "event":
            return _event(entry["bus"], entry["event"])
        case "delivery":
            return _delivery(entry)
        case "invocation":
            return _invocation(entry)
        case "api-call":
            return _ledger(entry) if entry["service"] == "dynamodb" else _change(entry)
        case "ops-item":
            return _ops_item(entry)
        case "execution":
            return _execution(entry)
        case "step":
            return _step(entry)
        case "notification":
            return Line("told people", entry["subject"] or "", "accent")
    return None


def _event(bus: str, event: dict[str, Any]) -> Line | None:
    kind, detail = event["detail-type"], event["detail"]
    match event["source"]:
        case "aws.config":
            verdict = detail.get("newEvaluationResult", {}).get("complianceType")
            rule, resource = detail.get("configRuleName"), detail.get("resourceId")
            return Line("event", f"{kind}: {rule} finds {resource} {verdict}", "bold")
        case "aws.ssm" if kind == "EC2 Automation Execution Status-change Notification":
            return Line("event", f"{kind}: {detail['Definition']} ended in {detail['Status']}", "bold")
        case "mend":
            return Line("told tools", f"{kind}, on the bus {bus}")
    return None


def _delivery(entry: Entry) -> Line:
    target = entry["target"].rsplit(":", 1)[-1]
    if entry["error"]:
        return Line("undelivered", f"rule {entry['rule']} to {target}: {entry['error']}", "bad")
    return Line("delivered", f"to {target}")


def _invocation(entry: Entry) -> Line:
    function, response = entry["function"], entry["response"]
    if not entry["ok"]:
        return Line("failed", f"{function}: {response}", "bad")
    if "decision" not in response:
        did = ", ".join(f"{what} {count}" for what, count in response.items() if count)
        return Line("reconciled", f"{did} ({function}, {entry['duration_ms']:.0f} ms)")
    reasons = "; ".join(response["reasons"])
    return Line(
        "decision",
        f"{response['decision']}, because: {reasons} ({function}, {entry['duration_ms']:.0f} ms)",
        "bold",
    )


def _ledger(entry: Entry) -> Line | None:
    """Tell how an incident's row moves: who claims it, and what is written before it is done."""
    request = entry["request"]
    if entry["operation"] == "UpdateItem":
        incident = request["Key"]["pk"]["S"].replace("#", " ")
        if entry["error"]:
            return Line("ledger", f"{incident} not claimed: {entry['error']}")
        return Line("ledger", f"{incident} claimed, news in its inbox")
    if entry["operation"] != "TransactWriteItems":
        return None
    for item in request["TransactItems"]:
        incident = item.get("Put", {}).get("Item", {}).get("incident", {}).get("M", {})
        if "state" in incident:
            state = incident["state"]["M"]["name"]["S"]
            if not (outbox := [effect["S"] for effect in incident["outbox"]["L"]]):
                return Line("ledger", f"{state}, nothing left to do")
            newest = incident["notes"]["L"][-1]["M"]["text"]["S"]
            return Line("ledger", f"{newest}. To do: {', '.join(outbox)}")
    return None


def _change(entry: Entry) -> Line | None:
    """Tell what a runbook changes, and as whom."""
    *_, role, session = entry["principal"].split("/") if "/" in entry["principal"] else ("", "")
    if not session.startswith("Automation-") or entry["operation"].startswith(READING):
        return None
    call = f"{entry['service']}:{entry['operation']} as {role}"
    return (
        Line("change", f"{call}: {entry['error']}", "bad")
        if entry["error"]
        else Line("change", call, "change")
    )


def _ops_item(entry: Entry) -> Line:
    item = entry["ops_item_id"]
    if entry["change"] == "Create":
        return Line("OpsItem", f"{item} opened, severity {entry['severity']}: {entry['title']}", "change")
    return Line("OpsItem", f"{item} is {entry['status']}", "good" if entry["status"] == "Resolved" else None)


def _execution(entry: Entry) -> Line | None:
    document, status = entry["document"], entry["status"]
    if entry["stand_in"]:
        document = f"{document} (a stand-in for AWS's own)"
    if status not in ENDED and status != "InProgress":
        return Line("runbook", f"{document} is {status}")
    if status == "InProgress" and entry["parent"]:
        return Line("runbook", f"{document}, for a step of {entry['parent']}, as {entry['execution_id']}")
    if status == "InProgress":
        attempt = entry["parameters"].get("Attempt", ["?"])[0]
        return Line("runbook", f"{document}, attempt {attempt}, as {entry['execution_id']}")
    if status != "Success":
        return Line("outcome", f"{document} ended in {status}: {entry['failure']}", "bad")
    if "Conclude.Outcome" not in entry["outputs"]:
        return Line("runbook", f"{document} ended in {status}")
    outcome, changes = (entry["outputs"].get(f"Conclude.{name}", [""])[0] for name in ("Outcome", "Changes"))
    return Line("outcome", f"{outcome}. {changes}", "good")


def _step(entry: Entry) -> Line | None:
    if entry["failure"]:
        return Line("step", f"{entry['step']} {entry['status']}: {entry['failure']}", "bad")
    if entry["status"] != "Success":
        return None
    if entry["step"] == "Verify":
        return Line("verified", "Verify read the resource back and found it as it should be", "good")
    return Line("step", entry["step"])
