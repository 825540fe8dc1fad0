"""The inbound rules of a security group, as people compare them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from demo.console import Console


@dataclass(frozen=True, order=True)
class Rule:
    """One rule: whom it lets in to which ports."""

    protocol: str
    first: int
    last: int
    source: str
    description: str = ""

    @property
    def ports(self) -> str:
        """The protocol with its ports."""
        bounds = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol} {bounds}"

    def __str__(self) -> str:
        return f"{self.ports} from {self.source}{f' ({self.description})' if self.description else ''}"


def inbound_rules(ec2: Any, group_id: str) -> list[Rule]:
    """Return the group's inbound rules as EC2 describes them, sorted."""
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )
    rules = [rule for page in pages for rule in page["SecurityGroupRules"]]
    return sorted(rule_of(rule) for rule in rules if not rule["IsEgress"])


def rule_of(described: dict[str, Any]) -> Rule:
    """Return a rule that EC2 describes."""
    return Rule(
        described["IpProtocol"],
        described["FromPort"],
        described["ToPort"],
        described.get("CidrIpv4") or described.get("CidrIpv6") or described["ReferencedGroupInfo"]["GroupId"],
        described.get("Description", ""),
    )


def show_rules(console: Console, rules: Iterable[Rule], before: Iterable[Rule] | None = None) -> None:
    """Print rules; compared with those before, if there are any."""
    rules = set(rules)
    known = rules if before is None else set(before)
    styles = {"-": ("bad",), "+": ("good",), " ": ()}
    marked = [
        (" " if rule in rules & known else "+" if rule in rules else "-", rule)
        for rule in sorted(rules | known)
    ]
    console.rows(
        [(mark, rule.ports, rule.source, rule.description) for mark, rule in marked],
        [styles[mark] for mark, _ in marked],
    )
