"""The account that a scene plays in: a local cloud of its own, with Mend deployed into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud import journal
from localcloud.clients import client
from localcloud.deploy import DeployError, Stack, deploy, wait_for_first_run
from localcloud.server import LocalCloud

from demo.checks import SceneFailed
from demo.console import Console

ROOT = Path(__file__).parents[2]
ENVIRONMENT = "dev"


@dataclass(frozen=True)
class Tally:
    """How much Mend has done so far."""

    ops_items: int
    executions: int
    notifications: int


@dataclass(frozen=True)
class Account:
    """What the AWS API, and for notifications the journal, say of the account."""

    stack: Stack

    def client(self, service: str) -> Any:
        """Return a client with the administrator's credentials."""
        return client(service)

    def function_name(self, package: str) -> str:
        """Return the name under which a cargo package's function is deployed."""
        return self.stack.functions[package]

    def ops_items(self, resource: str = "") -> list[dict[str, Any]]:
        """Return Mend's OpsItems, whole; with a resource, those about it."""
        filters = [{"Key": "Source", "Operator": "Equal", "Values": ["Mend"]}]
        if resource:
            filters.append({"Key": "ResourceId", "Operator": "Contains", "Values": [resource]})
        ssm = self.client("ssm")
        pages = ssm.get_paginator("describe_ops_items").paginate(OpsItemFilters=filters)
        ids = [summary["OpsItemId"] for page in pages for summary in page["OpsItemSummaries"]]
        return [ssm.get_ops_item(OpsItemId=id_)["OpsItem"] for id_ in ids]

    def executions(self) -> list[dict[str, Any]]:
        """Return all executions of Mend's runbooks, whole."""
        filters = [{"Key": "DocumentNamePrefix", "Values": ["Mend-"]}]
        ssm = self.client("ssm")
        pages = ssm.get_paginator("describe_automation_executions").paginate(Filters=filters)
        ids = [e["AutomationExecutionId"] for page in pages for e in page["AutomationExecutionMetadataList"]]
        return [ssm.get_automation_execution(AutomationExecutionId=id_)["AutomationExecution"] for id_ in ids]

    def ledger_item(self, pk: str, sk: str) -> dict[str, Any] | None:
        """Return an item of the ledger as it stands in DynamoDB."""
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        table = self.stack.outputs["LedgerTableName"]
        return self.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def incident(self, incident_id: str) -> dict[str, Any]:
        """Return the row of an incident; empty if there is none."""
        return self.ledger_item(f"incident#{incident_id.partition('-')[0]}", "current") or {}

    def notifications(self, resource: str = "") -> list[journal.Entry]:
        """Return what people were told, oldest first; with a resource, about it."""
        return [
            entry for entry in journal.entries(kind="notification") if resource in (entry["subject"] or "")
        ]

    def dead_letters(self) -> int:
        """Return how many events could not be handled."""
        attributes = self.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    def tally(self) -> Tally:
        """Count what Mend has done so far."""
        return Tally(len(self.ops_items()), len(self.executions()), len(self.notifications()))


@contextmanager
def open_account(console: Console, mode: str, binaries: Path) -> Iterator[Account]:
    """Start a local cloud on a free port and deploy the template; stop it at the end, whatever ends it."""
    cloud = LocalCloud(port=0, binaries=binaries)
    try:
        with console.doing("Starting a local cloud on a free port"):
            cloud.start()
        with console.doing(f"Deploying template.yaml at {cloud.endpoint_url}, in mode {mode}"):
            try:
                stack = deploy(
                    ROOT / "template.yaml", f"mend-{ENVIRONMENT}", {"Environment": ENVIRONMENT, "Mode": mode}
                )
                # What a scene shows shall be its own: its schedule and the released kill switch have it run.
                wait_for_first_run(stack.functions["reconcile"], times=2)
            except DeployError as error:
                raise SceneFailed(str(error)) from None
        console.say("Released the kill switch, as an operator does once after the first deployment.")
        yield Account(stack)
    finally:
        cloud.stop()


def operational_data(ops_item: dict[str, Any], key: str) -> Any:
    """Return a value of an OpsItem's operational data, parsed if it is JSON."""
    text = ops_item.get("OperationalData", {}).get(key, {}).get("Value")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
