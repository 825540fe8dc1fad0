"""The page about permissions: for every role what it may do, on what, and which calls need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from localcloud.permissions.grants import (
    Grant,
    Template,
    as_list,
    readable,
    readable_condition,
    roles,
)
from localcloud.permissions.proof import Proof, UnusedGrant, Use

INTRODUCTION = """\
<!-- Made by `make permissions` from template.yaml and from what the tests saw. Do not edit. -->

# Permissions

What each role of Mend may do, on what, and which call needs it. `make permissions` writes this page from
`template.yaml` and from the calls that functions and runbooks made while the tests ran. The tests fail if a
role does not allow a call that was made, if it allows one that nobody made (except for what is marked *not
seen* or *not always seen*, with the reason), and if this page is out of date. The local cloud decides as IAM
does, by the role's own policies and by those of topics, queues, buses and keys.

How to read it:

- **On** shows the end of an ARN after the service's name; partition, Region and account are the stack's own.
  A name such as `LedgerTable` is a resource of the template. `*` stands where AWS knows no resources.
- **Only if** is the statement's condition.
- **Needed by** names the steps of a runbook, or the operations that a function calls. An operation may need
  more than the action of its name: a transaction what each of its parts needs, a start the right to lend a
  role, and what reaches encrypted data the right to use its key.
- No role has wildcards in its actions, managed policies, or statements that deny.
"""


def page(template: Template, proof: Proof, unused: list[UnusedGrant]) -> str:
    """Return the whole page."""
    sections = [INTRODUCTION]
    for kind, principal in _KINDS.items():
        found = {name: role for name, role in roles(template).items() if principal in _trusted(role)}
        if found:
            sections.append(f"## {kind}\n")
            sections += [_role(name, role, proof, unused) for name, role in found.items()]
    sections += ["## Policies of resources\n", *_resource_policies(template)]
    return "\n".join(sections)


_KINDS = {
    "Functions": "lambda.amazonaws.com",
    "Runbooks": "ssm.amazonaws.com",
    "Schedules": "scheduler.amazonaws.com",
}


def _trusted(role: dict[str, Any]) -> list[str]:
    statements = role["AssumeRolePolicyDocument"]["Statement"]
    return [service for statement in statements for service in as_list(statement["Principal"]["Service"])]


def _role(name: str, role: dict[str, Any], proof: Proof, unused: list[UnusedGrant]) -> str:
    lines = [f"### {name}", "", role["Description"], "", *_trust(role), ""]
    lines += ["| What for | Action | On | Only if | Needed by |", "| --- | --- | --- | --- | --- |"]
    own = [grant for grant in proof.grants if grant.role == name]
    for sid, statement in groupby(own, key=lambda grant: (grant.policy, grant.sid)):
        title = _sentence(sid[1])
        for action, same_action in groupby(statement, key=lambda grant: grant.action):
            for needed, same_need in groupby(same_action, key=lambda g: _needed_by(g, proof, unused)):
                granted = list(same_need)
                on = ", ".join(f"`{grant.resource}`" for grant in granted)
                condition = f"`{granted[0].condition}`" if granted[0].condition else ""
                lines.append(f"| {title} | `{action}` | {on} | {condition} | {needed} |")
                title = ""
    return "\n".join([*lines, ""])


def _trust(role: dict[str, Any]) -> Iterator[str]:
    for statement in role["AssumeRolePolicyDocument"]["Statement"]:
        who = ", ".join(f"`{service}`" for service in as_list(statement["Principal"]["Service"]))
        condition = readable_condition(statement.get("Condition") or {})
        yield f"Taken on by {who}" + (f", only if `{condition}`." if condition else ".")


def _sentence(sid: str) -> str:
    """Return a statement's name as words: `KeepTheLedger` is "keep the ledger"."""
    return " ".join(re.findall(r"[A-Z][a-z]*", sid)).lower()


def _needed_by(grant: Grant, proof: Proof, unused: list[UnusedGrant]) -> str:
    entry = next((entry for entry in unused if entry.covers(grant)), None)
    if entry and entry.sometimes:
        return f"*not always seen:* {entry.reason}"
    if uses := {use for use in proof.uses_of(grant) if not _is_chance(use, grant.role, unused)}:
        return "; ".join(_uses(uses))
    return f"*not seen:* {entry.reason if entry else 'nobody knows why'}"


def _is_chance(use: Use, role: str, unused: list[UnusedGrant]) -> bool:
    """Say whether it depends on chance if the role is seen to call the operation; the page must not.

    An exception for some resources says nothing about calls that are about the others.
    """
    return any(
        e.sometimes and e.role == role and use.operation in e.actions and not e.resources for e in unused
    )


def _uses(uses: set[Use]) -> Iterator[str]:
    """Yield for each runbook its steps, and for functions the operations."""
    ordered = sorted(uses, key=lambda use: (use.by if use.step else "", use.step, use.operation))
    for by, of_one in groupby(ordered, key=lambda use: use.by if use.step else ""):
        calls = list(of_one)
        if by:
            steps = dict.fromkeys(call.step for call in calls)
            yield f"{by}: {', '.join(steps)}"
        else:
            yield ", ".join(dict.fromkeys(_operation(call.operation) for call in calls))


def _operation(operation: str) -> str:
    """Write operations of an API as code; the others are said in words."""
    return operation if " " in operation else f"`{operation}`"


def _resource_policies(template: Template) -> Iterator[str]:
    for name, resource in template["Resources"].items():
        properties = resource["Properties"]
        match resource["Type"]:
            case "AWS::KMS::Key":
                yield _resource_policy(name, properties["KeyPolicy"]["Statement"])
            case "AWS::SNS::TopicPolicy":
                topics = ", ".join(readable(topic) for topic in properties["Topics"])
                yield _resource_policy(topics, properties["PolicyDocument"]["Statement"])
            case "AWS::SQS::QueuePolicy":
                queues = ", ".join(readable(queue) for queue in properties["Queues"])
                yield _resource_policy(queues, properties["PolicyDocument"]["Statement"])
            case "AWS::Events::EventBusPolicy":
                bus = readable(properties["EventBusName"]).removesuffix(".Name")
                yield _resource_policy(bus, [{"Sid": properties["StatementId"], **properties["Statement"]}])


def _resource_policy(name: str, statements: list[dict[str, Any]]) -> str:
    lines = [
        f"### {name}",
        "",
        "| What for | Effect | Who | Action | Only if |",
        "| --- | --- | --- | --- | --- |",
    ]
    for statement in statements:
        actions = ", ".join(f"`{action}`" for action in as_list(statement["Action"]))
        condition = readable_condition(statement.get("Condition") or {})
        who = _who(statement["Principal"])
        cells = [
            _sentence(statement["Sid"]),
            statement["Effect"],
            who,
            actions,
            condition and f"`{condition}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _who(principal: Any) -> str:
    if principal == "*":
        return "everybody"
    names = [readable(name) for listed in principal.values() for name in as_list(listed)]
    return ", ".join(f"`{name}`" for name in names)
