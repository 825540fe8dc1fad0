"""What the template grants each role: a statement's actions and resources, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

Template = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """One action on one of the resources that a statement of a role's policy names."""

    role: str
    """The role's logical id."""
    policy: str
    sid: str
    action: str
    resource_position: int
    resource: str
    """As a reader understands it: the end of an ARN, or the logical id of what the stack creates."""
    condition: str
    """The same; empty for none."""
    holders: tuple[str, ...]
    """The roles that the policy belongs to, this one among them."""

    def __str__(self) -> str:
        return f"{self.role} may {self.action} on {self.resource} ({self.policy}: {self.sid})"


def read_template(path: Path) -> Template:
    """Return the template as it is written."""
    return yaml_parse(path.read_text())


def roles(template: Template) -> dict[str, dict[str, Any]]:
    """Return the properties of all roles by their logical ids."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    }


def runbooks(template: Template) -> set[str]:
    """Return the names of the template's documents."""
    return {
        resource["Properties"]["Name"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SSM::Document"
    }


def grants(template: Template) -> list[Grant]:
    """Return everything that the roles may do, in the order of the template."""
    return [grant for role in roles(template) for grant in _grants_of(role, template)]


def _grants_of(role: str, template: Template) -> Iterator[Grant]:
    for policy in _policies_of(role, template):
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] != "Allow" or "NotAction" in statement or "NotResource" in statement:
                raise NotImplementedError(f"The page of permissions cannot show {statement} of {role} yet.")
            for action in as_list(statement["Action"]):
                for position, resource in enumerate(as_list(statement["Resource"])):
                    yield Grant(
                        role,
                        policy["PolicyName"],
                        statement["Sid"],
                        action,
                        position,
                        readable(resource),
                        readable_condition(statement.get("Condition") or {}),
                        tuple(holder["Ref"] for holder in policy.get("Roles", [{"Ref": role}])),
                    )


def _policies_of(role: str, template: Template) -> list[dict[str, Any]]:
    resources = template["Resources"]
    if managed := resources[role]["Properties"].get("ManagedPolicyArns"):
        raise NotImplementedError(f"The page of permissions cannot show {managed} of {role} yet.")
    attached = [
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in resource["Properties"]["Roles"]
    ]
    return [*resources[role]["Properties"].get("Policies", []), *attached]


def readable_condition(condition: dict[str, dict[str, Any]]) -> str:
    """Return a condition as one line."""
    return "; ".join(
        f"{key} {operator} {' or '.join(readable(value) for value in as_list(values))}"
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def readable(node: Any) -> str:
    """Return a value of the template without what every ARN of it has: partition, Region and account."""
    match node:
        case {"Ref": name}:
            return _plain(name)
        case {"Fn::GetAtt": [name, "Arn"]}:
            return str(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::If": [_, then, otherwise]}:
            return f"{readable(then)} (or {readable(otherwise)})"
        case {"Fn::Sub": str(text)}:
            return _shortened(text)
    if isinstance(node, dict):
        raise NotImplementedError(f"The page of permissions cannot show {node} yet.")
    return str(node)


def _shortened(text: str) -> str:
    own = r"^arn:\$\{AWS::Partition\}:([a-z0-9-]+):(\$\{AWS::Region\}|\*)?:(\$\{AWS::AccountId\}|\*)?:"
    text = re.sub(own, lambda found: f"{found[1]}: ", text)
    return re.sub(r"\$\{([^}]+)\}", lambda found: _plain(found[1].removesuffix(".Arn")), text)


def _plain(name: str) -> str:
    """Return what a reference stands for: a pseudo parameter, a parameter or a resource."""
    pseudo = {"AWS::AccountId": "<account>", "AWS::Region": "<region>", "AWS::Partition": "<partition>"}
    endings = {"AWS::URLSuffix": "amazonaws.com", "Environment": "<environment>"}
    return (pseudo | endings).get(name, name)


def as_list(node: Any) -> list[Any]:
    """Return a list, also of what is written as one value."""
    return node if isinstance(node, list) else [node]
