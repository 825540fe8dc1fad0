"""A security group is opened to the world, and closed again; nothing is done twice, or without leave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from demo.account import ENVIRONMENT, ROOT, Account, operational_data
from demo.checks import SceneFailed
from demo.inbound_rules import Rule, inbound_rules, rule_of, show_rules
from demo.sample_event import put_events_entry
from demo.scenes import Stage
from demo.timeline import Timeline, seconds_between
from demo.watch import Entry, Watch

ROUTE = "close-admin-ports"
RUNBOOK = "Mend-CloseAdminPorts"
SAMPLE = ROOT / "events" / "config-compliance" / "open-ssh.json"
ANSWERING, CONCLUDING = "config-compliance", "automation-outcome"

WORLD, WORLD_IPV6 = "0.0.0.0/0", "::/0"
OFFICE = Rule("tcp", 22, 22, "10.20.0.0/16", "Office")
WANTED = [
    OFFICE,
    Rule("tcp", 22, 22, "2001:db8:20::/48", "Office, IPv6"),
    Rule("tcp", 443, 443, WORLD, "Website"),
    Rule("tcp", 443, 443, WORLD_IPV6, "Website"),
]
RANGE = Rule("tcp", 20, 25, WORLD, "File transfer and mail")
NARROWED = [replace(RANGE, last=21), replace(RANGE, first=23)]
OPENED = [Rule("tcp", 22, 22, source, "Opened in a hurry") for source in (WORLD, WORLD_IPV6)]

DELIVERIES = 20
LONGEST_BATCH = 10

HEALING_SECONDS = 30.0
ANSWERING_SECONDS = 30.0


def play(stage: Stage) -> None:
    """Heal a violation, deliver its event twenty times more, and only observe another one."""
    console = stage.console
    console.chapter("An AWS account on this machine")
    with stage.account("enforce") as account:
        entry, group = _heal(stage, account)
        _deliver_again(stage, account, entry, group)
        _observe(stage, account)
        console.chapter("Nothing else is left to do")
        stage.checks.equal("the dead-letter queue is empty", expected=0, found=account.dead_letters())


def _heal(stage: Stage, account: Account) -> tuple[dict[str, Any], str]:
    console, checks, ec2 = stage.console, stage.checks, account.client("ec2")

    console.chapter("Somebody opens port 22 to the world")
    bastion = _create_group(ec2, "bastion")
    from_bastion = Rule("tcp", 22, 22, bastion)
    group = _create_group(ec2, "web", [*WANTED, RANGE, from_bastion])
    console.say(f"Created the security group {group} for a website, with an old port range open too wide.")
    _authorize(ec2, group, OPENED)
    console.say("Opened tcp 22 to the world, IPv4 and IPv6. Its inbound rules are now:")
    before = inbound_rules(ec2, group)
    show_rules(console, before)
    checks.equal(
        "the group is open to the world, beside rules that must survive",
        expected=sorted([*WANTED, RANGE, from_bastion, *OPENED]),
        found=before,
    )
    checks.conclude()

    console.chapter("AWS Config notices, and Mend answers")
    entry = put_events_entry(SAMPLE, group, datetime.now(UTC))
    watch, timeline, story = Watch(), Timeline(console), []
    _put_events(account, [entry])
    for happened in watch.until(_healed(account, group), f"{group} to be healed", HEALING_SECONDS):
        timeline.show(happened)
        story.append(happened)
        _expect_repair(happened)
    told = account.notifications(group)
    for message in told[-1:]:
        console.frame(message["subject"], message["message"]["default"])

    console.chapter("The rules afterwards")
    after = inbound_rules(ec2, group)
    show_rules(console, after, before)

    console.chapter("What the account itself says")
    checks.equal(
        "port 22 is closed to the world, 20-25 narrowed, and every other rule is as it was",
        expected=sorted([*WANTED, *NARROWED, from_bastion]),
        found=after,
    )
    items = account.ops_items(group)
    checks.equal(
        "there is one OpsItem about the group, and it is Resolved",
        expected=["Resolved"],
        found=[item["Status"] for item in items],
    )
    executions = account.executions()
    checks.equal(
        f"{RUNBOOK} ran once, repaired the group and proved it",
        expected=[(RUNBOOK, [group], "Success", ["Remediated"])],
        found=[
            (
                execution["DocumentName"],
                execution["Parameters"].get("SecurityGroupId"),
                execution["AutomationExecutionStatus"],
                execution.get("Outputs", {}).get("Conclude.Outcome"),
            )
            for execution in executions
        ],
    )
    checks.conclude()
    row = account.incident(operational_data(items[0], "mend/incident"))
    checks.equal(
        "the ledger's row is settled, the incident resolved as remediated",
        expected={"settled": True, "state": "resolved", "how": "remediated"},
        found={"settled": row.get("settled", {}).get("BOOL"), **_state(row, "how")},
    )
    kept = account.ledger_item(f"execution#{executions[0]['AutomationExecutionId']}", "before-state") or {}
    checks.equal(
        "the ledger keeps what the group was like before, so that it can be undone",
        expected=sorted([RANGE, *OPENED]),
        found=_rules_before(kept),
    )
    checks.equal(
        "people were told that it is being repaired, and that it is resolved",
        expected=["Responding", "Resolved"],
        found=[message["attributes"]["change"] for message in told],
    )
    role = account.stack.outputs["NetworkAutomationRoleArn"].rsplit("/", 1)[-1]
    checks.equal(
        "only the runbook, in its own role, changed the group",
        expected={(role, "AuthorizeSecurityGroupIngress"), (role, "RevokeSecurityGroupIngress")},
        found=_changes_of_ec2(story),
    )
    checks.conclude()
    closed, resolved = _moments(story)
    console.say(
        f"Healed: port 22 was closed {closed:.2f} s after the event,"
        f" the incident resolved after {resolved:.2f} s.",
        "bold",
        "good",
    )
    return entry, group


def _deliver_again(stage: Stage, account: Account, entry: dict[str, Any], group: str) -> None:
    console, checks = stage.console, stage.checks
    console.chapter(f"The same event, {DELIVERIES} times at once")
    before, rules = account.tally(), inbound_rules(account.client("ec2"), group)
    watch, answers = Watch(), []
    batches = [[entry] * LONGEST_BATCH] * (DELIVERIES // LONGEST_BATCH)
    with console.doing(f"Delivering it {DELIVERIES} times, in {len(batches)} calls at the same time"):
        with ThreadPoolExecutor(len(batches)) as pool:
            for _ in pool.map(lambda batch: _put_events(account, batch), batches):
                pass
        complete = _answered(account, DELIVERIES)
        for happened in watch.until(complete, f"{DELIVERIES} answers of {ANSWERING}", ANSWERING_SECONDS):
            if happened["kind"] == "invocation":
                answers.append(happened["response"])
    counts = Counter(f"{answer['decision']} ({'; '.join(answer['reasons'])})" for answer in answers)
    console.say("Answers: " + ", ".join(f"{count} times {answer}" for answer, count in counts.most_common()))
    after = account.tally()
    console.rows(
        [
            ("", "before", "after"),
            ("OpsItems", str(before.ops_items), str(after.ops_items)),
            ("executions", str(before.executions), str(after.executions)),
            ("notifications", str(before.notifications), str(after.notifications)),
        ],
        [("dim",)],
    )
    checks.equal(
        f"{DELIVERIES} invocations answered, and each ignored the event",
        expected=["ignore"] * DELIVERIES,
        found=[answer["decision"] for answer in answers],
    )
    checks.equal("no OpsItem, execution or notification was added", expected=before, found=after)
    checks.equal(
        "the rules are as they were", expected=rules, found=inbound_rules(account.client("ec2"), group)
    )
    checks.conclude()


def _observe(stage: Stage, account: Account) -> None:
    console, checks = stage.console, stage.checks
    ec2, ssm = account.client("ec2"), account.client("ssm")
    console.chapter("Another violation, while the route only observes")
    switch = f"/mend/{ENVIRONMENT}/mode/{ROUTE}"
    ssm.put_parameter(Name=switch, Value="observe", Type="String")
    console.say(f"Set the operators' switch {switch} to observe.")
    _start_afresh(account)
    console.say(
        "A warm function holds switches for 25 s. So as not to wait, its memory size was changed: that makes"
        " Lambda start new instances, which read the switches anew."
    )
    before = account.tally()
    group = _create_group(ec2, "database", [OFFICE, *OPENED])
    console.say(f"Created the security group {group}, open to the world too.")
    rules = inbound_rules(ec2, group)
    watch, timeline = Watch(), Timeline(console)
    _put_events(account, [put_events_entry(SAMPLE, group, datetime.now(UTC))])
    for happened in watch.until(_answered(account, 1), f"the answer of {ANSWERING}", ANSWERING_SECONDS):
        timeline.show(happened)

    items = account.ops_items(group)
    if not items:
        raise SceneFailed(f"the plan is missing: OpsCenter holds no OpsItem of Mend's about {group}")
    plan = operational_data(items[0], "mend/plan") or {}
    console.blank()
    console.say(f"The plan, as it stands in the OpsItem {items[0]['OpsItemId']}:")
    console.rows(
        [
            ("document", str(plan.get("runbook"))),
            ("version", str(plan.get("version"))),
            *[("parameter", f"{name} {value}") for name, value in plan.get("parameters", {}).items()],
            ("role", str(plan.get("role"))),
        ]
    )
    checks.equal(
        "the OpsItem has the whole plan: document, its version, parameters and role",
        expected={
            "runbook": RUNBOOK,
            "version": ssm.describe_document(Name=RUNBOOK)["Document"]["DocumentVersion"],
            "role": account.stack.outputs["NetworkAutomationRoleArn"],
            "parameters": {"SecurityGroupId": group},
        },
        found=plan,
    )
    checks.equal(
        "there is one OpsItem about the group, Open, and Mend says that it observes",
        expected=[("Open", "observed")],
        found=[(item["Status"], operational_data(item, "mend/state")) for item in items],
    )
    checks.equal(
        "the reason is the operators' switch",
        expected=True,
        found="mode observe: the route's switch says so" in operational_data(items[0], "mend/timeline"),
    )
    row = account.incident(operational_data(items[0], "mend/incident"))
    checks.equal(
        "the ledger's row is settled, the incident observed",
        expected={"settled": True, "state": "observed"},
        found={"settled": row.get("settled", {}).get("BOOL"), **_state(row)},
    )
    checks.equal(
        "people were told once",
        expected=["Observed"],
        found=[message["attributes"]["change"] for message in account.notifications(group)],
    )
    after = account.tally()
    checks.equal("nothing was started", expected=before.executions, found=after.executions)
    checks.equal("the group is as it was", expected=rules, found=inbound_rules(ec2, group))
    checks.conclude()


def _create_group(ec2: Any, name: str, rules: list[Rule] | None = None) -> str:
    group = ec2.create_security_group(GroupName=f"demo-{name}", Description=f"Demo: {name}")["GroupId"]
    if rules:
        _authorize(ec2, group, rules)
    return group


def _authorize(ec2: Any, group: str, rules: list[Rule]) -> None:
    """Add rules; those for the same ports go into one permission, as in the console."""
    permissions: dict[tuple[str, int, int], dict[str, Any]] = {}
    for rule in rules:
        ports = (rule.protocol, rule.first, rule.last)
        permission = permissions.setdefault(
            ports, dict(zip(("IpProtocol", "FromPort", "ToPort"), ports, strict=True))
        )
        kind, name = (
            ("UserIdGroupPairs", "GroupId")
            if rule.source.startswith("sg-")
            else ("Ipv6Ranges", "CidrIpv6")
            if ":" in rule.source
            else ("IpRanges", "CidrIp")
        )
        description = {"Description": rule.description} if rule.description else {}
        permission.setdefault(kind, []).append({name: rule.source, **description})
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(permissions.values()))


def _put_events(account: Account, entries: list[dict[str, Any]]) -> None:
    answer = account.client("events").put_events(Entries=entries)
    if answer["FailedEntryCount"]:
        raise SceneFailed(f"PutEvents did not take every event: {answer['Entries']}")


def _start_afresh(account: Account) -> None:
    """Change the function's configuration, so that no instance with remembered switches is used again."""
    functions, name = account.client("lambda"), account.function_name(ANSWERING)
    memory = functions.get_function_configuration(FunctionName=name)["MemorySize"]
    functions.update_function_configuration(FunctionName=name, MemorySize=memory + 64)


def _answered(account: Account, count: int) -> Callable[[list[Entry]], bool]:
    """Say whether the answering function has answered so many times."""
    name = account.function_name(ANSWERING)
    return lambda entries: (
        sum(entry["kind"] == "invocation" and entry["function"] == name for entry in entries) >= count
    )


def _expect_repair(happened: Entry) -> None:
    """Raise if the entry is a decision after which nothing will be repaired."""
    if happened["kind"] != "invocation" or "decision" not in happened["response"]:
        return
    decision = happened["response"]["decision"]
    if decision not in ("respond", "resolve"):
        reasons = "; ".join(happened["response"]["reasons"])
        raise SceneFailed(f"{happened['function']} decided {decision}, because: {reasons}")


def _healed(account: Account, group: str) -> Callable[[list[Entry]], bool]:
    """Say whether Mend has told of the end, and no function is still at work."""
    functions = {account.function_name(ANSWERING), account.function_name(CONCLUDING)}

    def complete(entries: list[Entry]) -> bool:
        answered = {entry["function"] for entry in entries if entry["kind"] == "invocation"}
        resolved = any(
            entry["kind"] == "event"
            and entry["event"]["detail-type"] == "Mend Incident Resolved"
            and entry["event"]["detail"]["resource"]["id"] == group
            for entry in entries
        )
        return resolved and answered >= functions

    return complete


def _moments(story: list[Entry]) -> tuple[float, float]:
    """Return after how many seconds the port was closed, and the OpsItem resolved."""
    calls = (entry for entry in story if entry["kind"] == "api-call")
    closed = next(call for call in calls if call["operation"] == "RevokeSecurityGroupIngress")
    resolved = next(e for e in story if e["kind"] == "ops-item" and e["status"] == "Resolved")
    return seconds_between(story[0], closed), seconds_between(story[0], resolved)


def _changes_of_ec2(story: list[Entry]) -> set[tuple[str, str]]:
    """Return which roles made which changes in EC2."""
    return {
        (entry["principal"].split("/")[1], entry["operation"])
        for entry in story
        if entry["kind"] == "api-call"
        and entry["service"] == "ec2"
        and not entry["operation"].startswith("Describe")
    }


def _state(row: dict[str, Any], *more: str) -> dict[str, str | None]:
    state = row.get("incident", {}).get("M", {}).get("state", {}).get("M", {})
    return {"state": state.get("name", {}).get("S"), **{name: state.get(name, {}).get("S") for name in more}}


def _rules_before(kept: dict[str, Any]) -> list[Rule]:
    """Return the rules that a before-state says were there and are not any more."""
    before = json.loads(kept.get("before_state", {}).get("S") or "{}")
    return sorted(map(rule_of, before.get("Removed", [])))
