"""The account under test, seen through its AWS APIs and the local cloud's journal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from localcloud import clients, clock, journal
from localcloud.config.evaluations import config, evaluations_of
from localcloud.deploy import Stack
from localcloud.functions import stop_all
from localcloud.settings import settings

from .config_events import Event

WAIT_SECONDS = 60.0
RUNBOOK = "Mend-CloseAdminPorts"
APPROVE_AND_RUN = "Mend-ApproveAndRun"
RULE = "mend-dev-restricted-ssh"
"""One of the stack's own Config rules: what it finds, Config keeps; of other rules it knows nothing."""
SWITCHES = "/mend/dev/"
FINAL = {"Success", "Failed", "TimedOut", "Cancelled"}

SSH_TO_THE_WORLD = ("tcp", 22, 22, "0.0.0.0/0", "SSH, for now")

Rule = tuple[str, int, int, str, str]
"""Protocol, first and last port, source, description."""


def client(service: str) -> Any:
    """Return a client of the cloud that runs now."""
    return _client(service, settings.endpoint_url)


@cache
def _client(service: str, endpoint_url: str) -> Any:
    return clients.client(service)


@dataclass
class Account:
    """The account of one test, which sees the journal from its own beginning."""

    stack: Stack
    began: int = field(default_factory=lambda: journal.record("mark")["seq"])

    # -- the journal

    def journal(self, kind: str, **fields: Any) -> list[journal.Entry]:
        """Return what has happened of this kind, with these fields."""
        return [e for e in journal.entries(self.began, kind) if fields.items() <= e.items()]

    def wait_until(self, condition: Callable[[], Any], what: str, on: str | None = None) -> Any:
        """Wait until the condition holds, and return what it returns.

        It is looked at whenever something has happened, or only when something of the kind `on` has.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        seen = self.began
        while not (result := condition()):
            remaining = deadline - time.monotonic()
            news: list[journal.Entry] = []
            while remaining > 0 and not news:
                entries = journal.wait(seen, remaining)
                seen = entries[-1]["seq"] if entries else seen
                news = [e for e in entries if _is_news(e, on)]
                remaining = deadline - time.monotonic()
            assert news, f"In vain: {what}. {self._story()}"
        return result

    def _story(self) -> str:
        told = ("invocation", "execution", "ops-item", "notification")
        lines = [
            f"{e['at']} {e['kind']} {e.get('response') or e.get('status') or e.get('subject')}"
            for e in journal.entries(self.began)
            if e["kind"] in told
        ]
        return "\n".join(["What happened:", *lines])

    def calls_by_functions(self, function: str | None = None) -> list[journal.Entry]:
        """Return the API calls that Mend's functions, or one of them, have made, in their order."""
        names = [self.stack.functions[function]] if function else self.stack.functions.values()
        return [c for c in self.journal("api-call") if c["principal"].rsplit("/", 1)[-1] in names]

    def operations(self, function: str | None = None) -> list[str]:
        """Return the names of these calls."""
        return [call["operation"] for call in self.calls_by_functions(function)]

    def starts(self, group_id: str) -> list[dict[str, Any]]:
        """Return the requests to start a runbook for a group, whoever made them."""
        calls = self.journal("api-call", operation="StartAutomationExecution")
        requests = [call["request"] for call in calls]
        return [r for r in requests if group_id in r["Parameters"].get("SecurityGroupId", [])]

    # -- security groups

    def open_group(self, *rules: Rule) -> str:
        """Create a security group with these inbound rules, by default one that lets the world in to SSH."""
        ec2 = client("ec2")
        group = ec2.create_security_group(GroupName=f"test-{time.monotonic_ns()}", Description="A test's")
        group_id = group["GroupId"]
        self.add_rules(group_id, *(rules or [SSH_TO_THE_WORLD]))
        return group_id

    def add_rules(self, group_id: str, *rules: Rule) -> None:
        """Add inbound rules to a group."""
        client("ec2").authorize_security_group_ingress(
            GroupId=group_id, IpPermissions=[_permission(rule) for rule in rules]
        )

    def rules(self, group_id: str) -> set[Rule]:
        """Return the inbound rules of a group."""
        filters = [{"Name": "group-id", "Values": [group_id]}]
        found = client("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        return {
            (
                rule["IpProtocol"],
                rule["FromPort"],
                rule["ToPort"],
                rule.get("CidrIpv4") or rule.get("CidrIpv6"),
                rule.get("Description", ""),
            )
            for rule in found
            if not rule["IsEgress"]
        }

    # -- events

    def deliver(self, event: Event, copies: int = 1) -> list[Event]:
        """Put the event on the bus, so many times at once, and return the answers of the function.

        The bus gives each copy an envelope of its own.
        """
        return self.answers(self.put(event, copies))

    def put(self, event: Event, copies: int = 1) -> list[str]:
        """Put the event on the bus, so many times at once, and return the ids of the events."""
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Time": datetime.fromisoformat(event["time"]),
        }
        ids = []
        while len(ids) < copies:
            batch = [entry] * min(10, copies - len(ids))
            put = client("events").put_events(Entries=batch)
            assert put["FailedEntryCount"] == 0, put
            ids += [accepted["EventId"] for accepted in put["Entries"]]
        return ids

    def answers(self, event_ids: Iterable[str]) -> list[Any]:
        """Wait for the function's answers to these events, each without an error, and return them."""
        ids = set(event_ids)

        def all_answered() -> dict[str, Any] | None:
            found = {
                e["payload"]["id"]: e["response"]
                for e in self.journal("invocation", ok=True)
                if isinstance(e["payload"], dict) and e["payload"].get("id") in ids
            }
            return found if found.keys() == ids else None

        return list(self.wait_until(all_answered, f"answers to {len(ids)} events").values())

    def outcome_answer(self, execution_id: str) -> Any:
        """Wait for what automation-outcome answers to the end of an execution."""

        def answers() -> list[Any]:
            invocations = self.journal(
                "invocation", function=self.stack.functions["automation-outcome"], ok=True
            )
            return [
                e["response"] for e in invocations if e["payload"]["detail"]["ExecutionId"] == execution_id
            ]

        return self.wait_until(answers, f"an answer to the end of {execution_id}")[0]

    def invoke(self, function: str, event: Any) -> Any:
        """Invoke a function as `aws lambda invoke` does, and return its answer; an error is a failure."""
        answer = self.try_invoke(function, event)
        assert set(answer) == {"decision", "reasons", "incident", "ops_item", "execution"}, answer
        return answer

    def try_invoke(self, function: str, event: Any) -> Any:
        """Invoke a function as `aws lambda invoke` does, and return its answer or its error."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = client("lambda").invoke(FunctionName=self.stack.functions[function], Payload=payload)
        return json.loads(answer["Payload"].read())

    # -- what came of them

    def rows(self, group_id: str) -> dict[str, dict[str, Any]]:
        """Return what the ledger holds about a group, by sort key, except before-states."""
        found = {}
        for item in self.ledger():
            if _mentions(item, group_id) and not item["pk"].startswith("execution#"):
                found[item["sk"]] = item
        return found

    def ledger(self) -> list[dict[str, Any]]:
        """Return all items of the ledger."""
        pages = (
            client("dynamodb").get_paginator("scan").paginate(TableName=self.stack.outputs["LedgerTableName"])
        )
        items = [item for page in pages for item in page["Items"]]
        return [plain(item) for item in items]

    def holds(self, incident_id: str) -> list[dict[str, Any]]:
        """Return the resources that an incident holds."""
        return [item for item in self.ledger() if item["sk"] == "hold" and item["incident"] == incident_id]

    def settled(self, group_id: str, state: str, generation: int = 1) -> dict[str, Any]:
        """Wait until the incident of a group is in this state and nothing is left to do; return the row."""

        def there() -> dict[str, Any] | None:
            # An invocation settles the row before it ends.
            row = self.rows(group_id).get("current")
            if not row or not row["settled"] or row["incident"]["generation"] != generation:
                return None
            return row if row["incident"]["state"]["name"] == state else None

        what = f"incident {generation} of {group_id} to be {state} and settled"
        return self.wait_until(there, what, on="invocation")

    def ops_items(self, group_id: str) -> list[dict[str, Any]]:
        """Return the OpsItems about a group, the oldest first."""
        ssm = client("ssm")
        filters = [{"Key": "ResourceId", "Values": [group_id], "Operator": "Contains"}]
        summaries = ssm.describe_ops_items(OpsItemFilters=filters)["OpsItemSummaries"]
        return [ssm.get_ops_item(OpsItemId=s["OpsItemId"])["OpsItem"] for s in reversed(summaries)]

    def ops_item(self, group_id: str) -> dict[str, Any]:
        """Return the one OpsItem about a group."""
        (item,) = self.ops_items(group_id)
        return item

    def executions(self, group_id: str, document: str = RUNBOOK) -> list[dict[str, Any]]:
        """Return the executions of a runbook for a group, the oldest first."""
        ssm = client("ssm")
        filters = [{"Key": "DocumentNamePrefix", "Values": [document]}]
        pages = ssm.get_paginator("describe_automation_executions").paginate(Filters=filters)
        ids = [e["AutomationExecutionId"] for page in pages for e in page["AutomationExecutionMetadataList"]]
        found = [
            ssm.get_automation_execution(AutomationExecutionId=id_)["AutomationExecution"] for id_ in ids
        ]
        return [e for e in reversed(found) if group_id in e["Parameters"].get("SecurityGroupId", [])]

    def execution(self, group_id: str) -> dict[str, Any]:
        """Return the one execution for a group."""
        (execution,) = self.executions(group_id)
        return execution

    def run(self, document: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Start a runbook by hand and return the execution when it has ended."""
        ssm = client("ssm")
        started = ssm.start_automation_execution(
            DocumentName=document, Parameters={name: [value] for name, value in parameters.items()}
        )
        return self.ended(started["AutomationExecutionId"])

    def ended(self, execution_id: str) -> dict[str, Any]:
        """Wait for the end of an execution and return it."""

        def there() -> bool:
            executions = self.journal("execution", execution_id=execution_id)
            return any(e["status"] in FINAL for e in executions)

        self.wait_until(there, f"the end of {execution_id}")
        answer = client("ssm").get_automation_execution(AutomationExecutionId=execution_id)
        return answer["AutomationExecution"]

    def notifications(self, group_id: str) -> list[journal.Entry]:
        """Return what people were told about a group, the oldest first."""
        return [e for e in self.people_are_told() if group_id in e["message"]["email"]]

    def people_are_told(self, change: str | None = None) -> list[journal.Entry]:
        """Return all that people were told, or what they were told about this change, the oldest first."""
        told = self.journal("notification", topic_arn=self.stack.outputs["NotificationTopicArn"])
        return [e for e in told if change in (None, e["attributes"]["change"])]

    def told(self, group_id: str) -> list[str]:
        """Return which changes people were told about, in their order."""
        return [e["attributes"]["change"] for e in self.notifications(group_id)]

    def mend_events(self, group_id: str) -> list[Event]:
        """Return the events about a group on Mend's own bus, the oldest first."""
        events = [e["event"] for e in self.journal("event", bus=self.stack.outputs["EventBusName"])]
        return [event for event in events if event["detail"]["resource"]["id"] == group_id]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Take all messages out of the dead-letter queue; their bodies are parsed."""
        sqs, url = client("sqs"), self.stack.outputs["DeadLetterQueueUrl"]
        letters = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                letters.append(json.loads(message["Body"]))
        return letters

    def assert_untouched(self, group_id: str, *rules: Rule) -> None:
        """Fail if a runbook was started for a group, or its rules are not these (by default the open one)."""
        assert self.executions(group_id) == []
        assert "hold" not in self.rows(group_id), "no attempt holds the group"
        assert self.rules(group_id) == set(rules or [SSH_TO_THE_WORLD])

    # -- switches, and the time

    def switch(self, name: str, value: str | None) -> None:
        """Set one of the operators' parameters under `/mend/dev/`, or take it away, so that it holds at once.

        `reconcile` hears of it by the event. Another function may believe what it has read for 20 seconds, so
        no process stays warm.
        """
        stop_all()
        seen = Account(self.stack)
        if value is None:
            client("ssm").delete_parameter(Name=f"{SWITCHES}{name}")
        else:
            client("ssm").put_parameter(Name=f"{SWITCHES}{name}", Value=value, Type="String", Overwrite=True)
        seen.wait_until_heard(name)

    def wait_until_heard(self, switch: str) -> None:
        """Wait until `reconcile` has run because this parameter has changed.

        It would answer what a test breaks next before the test's event does.
        """

        def heard() -> bool:
            return any(d["name"] == f"{SWITCHES}{switch}" for d in self.has_woken("Parameter Store Change"))

        self.wait_until(heard, f"reconcile to hear of {switch}", on="invocation")

    def has_woken(self, detail_type: str) -> list[dict[str, Any]]:
        """Return the details of the events of this kind for which `reconcile` has run."""
        runs = self.journal("invocation", function=self.stack.functions["reconcile"], ok=True)
        # What a test sends is no event.
        events = [run["payload"] for run in runs if isinstance(run["payload"], dict)]
        return [event["detail"] for event in events if event.get("detail-type") == detail_type]

    def reconcile(self) -> dict[str, Any]:
        """Run `reconcile`, and return what it did; that it could not look at something is a failure."""

        def ran() -> dict[str, Any] | None:
            answer = self.try_invoke("reconcile", {})
            # A switch or a calendar may have woken another run, and there is one at a time.
            return None if answer["elsewhere"] else answer

        answer = self.wait_until(ran, "a run of reconcile", on="invocation")
        assert answer["complete"], answer
        assert answer["failures"] == []
        return answer

    def later(self, **by: float) -> datetime:
        """Move the clock by so many hours, days and so on, have `reconcile` run then, and return the time."""
        now = clock.forward(timedelta(**by))
        self.reconcile()
        return now


def forget_everything(stack: Stack) -> None:
    """Leave an empty ledger, nothing for Config to complain about, and only a released kill switch."""
    rules = evaluations_of(config())
    for rule in config().config_rules:
        rules.forget(rule)
    account = Account(stack)
    _empty_ledger(account)
    pages = client("ssm").get_paginator("get_parameters_by_path").paginate(Path=SWITCHES, Recursive=True)
    switches = {p["Name"].removeprefix(SWITCHES): p["Value"] for page in pages for p in page["Parameters"]}
    changes: dict[str, str | None] = {name: None for name in switches if name != "kill-switch"}
    if switches.get("kill-switch") != "released":
        changes["kill-switch"] = "released"
    for name, value in changes.items():
        account.switch(name, value)
    if changes:
        _empty_ledger(account)


def forget_budgets(stack: Stack) -> None:
    """Let no start or OpsItem of before count, and none keep the next one at a distance."""
    _empty_ledger(Account(stack), "budget#", "tally#")


def _empty_ledger(account: Account, *beginnings: str) -> None:
    table = account.stack.outputs["LedgerTableName"]
    for item in account.ledger():
        if item["pk"].startswith(beginnings or ""):
            key = {name: {"S": item[name]} for name in ("pk", "sk")}
            client("dynamodb").delete_item(TableName=table, Key=key)


def _is_news(entry: journal.Entry, kind: str | None) -> bool:
    """Say whether an entry is worth another look; what the test itself asks the account is not."""
    if kind:
        return entry["kind"] == kind
    return not entry.get("principal", "").endswith(":root")


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item of DynamoDB with plain values."""
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def _permission(rule: Rule) -> dict[str, Any]:
    protocol, first, last, source, description = rule
    ranges, address = ("Ipv6Ranges", "CidrIpv6") if ":" in source else ("IpRanges", "CidrIp")
    return {
        "IpProtocol": protocol,
        "FromPort": first,
        "ToPort": last,
        ranges: [{address: source, "Description": description}],
    }


def _mentions(item: Any, text: str) -> bool:
    if isinstance(item, dict):
        return any(_mentions(value, text) for value in item.values())
    if isinstance(item, list):
        return any(_mentions(value, text) for value in item)
    return item == text
