"""What the expressions of a template are worth: references, conditions and the intrinsic functions."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.template import Content
from localcloud.settings import ACCOUNT_ID, PARTITION, REGION

NO_VALUE = object()
"""What `AWS::NoValue` is worth: the property is not there."""

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""Stands in a plan for what only the deployment will tell."""

_PLACEHOLDER = re.compile(r"\$\{(!?)\s*([^}]*?)\s*\}")


def text(value: Any) -> str:
    """Return a scalar as CloudFormation writes it into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass
class Scope:
    """What names mean in one deployment of one template."""

    content: Content
    parameters: dict[str, Any]
    stack_name: str
    stack_id: str
    notification_arns: list[str]
    exported: Callable[[str], str]
    """The value of another stack's export."""
    reference: Callable[[str], Any]
    """What `Ref` to a resource answers."""
    attribute: Callable[[str, str], Any]
    """What `Fn::GetAtt` answers."""
    _conditions: dict[str, bool] = field(default_factory=dict)

    def value(self, expression: Any) -> Any:
        """Evaluate an expression and everything in it."""
        if isinstance(expression, list):
            return [value for item in expression if (value := self.value(item)) is not NO_VALUE]
        if not isinstance(expression, dict):
            return expression
        if len(expression) == 1:
            ((name, argument),) = expression.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Fn::Transform":
                raise InvalidTemplate(
                    "Fn::Transform is left in the template: only AWS::Include is supported."
                )
            if name.startswith("Fn::"):
                return self._call(name, argument)
        values = {key: self.value(item) for key, item in expression.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}

    def condition(self, name: str) -> bool:
        """Tell whether a condition of the template holds."""
        if name not in self._conditions:
            conditions = self.content.get("Conditions") or {}
            if name not in conditions:
                raise InvalidTemplate(f"Template format error: Unresolved condition dependency {name}")
            self._conditions[name] = self._holds(conditions[name])
        return self._conditions[name]

    def resources_in(self, expression: Any) -> Iterator[str]:
        """Yield the names that an expression refers to, in the branches that its conditions choose."""
        if isinstance(expression, list):
            for item in expression:
                yield from self.resources_in(item)
        if not isinstance(expression, dict):
            return
        for name, argument in expression.items():
            match name:
                case "Ref" if isinstance(argument, str):
                    yield argument
                case "Fn::GetAtt":
                    yield _attribute(argument)[0]
                case "Fn::If":
                    yield from self.resources_in(argument[1 if self.condition(argument[0]) else 2])
                case "Fn::Sub":
                    pattern, extra = argument if isinstance(argument, list) else (argument, {})
                    names = {name for literal, name in _PLACEHOLDER.findall(pattern) if not literal}
                    yield from (name.split(".")[0] for name in names - set(extra))
                    yield from self.resources_in(extra)
                case _:
                    yield from self.resources_in(argument)

    def _holds(self, expression: Any) -> bool:
        ((name, argument),) = expression.items()
        match name:
            case "Condition":
                return self.condition(argument)
            case "Fn::Equals":
                left, right = map(self.value, argument)
                return _comparable(left) == _comparable(right)
            case "Fn::Not":
                return not self._holds(argument[0])
            case "Fn::And":
                return all(self._holds(item) for item in argument)
            case "Fn::Or":
                return any(self._holds(item) for item in argument)
        raise InvalidTemplate(f"Template error: {name} is not a condition function")

    def _ref(self, name: str) -> Any:
        match name:
            case "AWS::NoValue":
                return NO_VALUE
            case "AWS::NotificationARNs":
                return self.notification_arns
        pseudo = {
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::Partition": PARTITION,
            "AWS::Region": REGION,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return self.reference(name)

    def _call(self, name: str, argument: Any) -> Any:
        match name:
            case "Fn::GetAtt":
                resource, attribute = _attribute(argument)
                return self.attribute(resource, text(self.value(attribute)))
            case "Fn::If":
                return self.value(argument[1 if self.condition(argument[0]) else 2])
            case "Fn::Sub":
                return self._substitute(argument)
        value = self.value(argument)
        if UNKNOWN in json.dumps(value, default=str):
            return UNKNOWN
        try:
            return self._of_values(name, value)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise InvalidTemplate(f"Template error: {name} cannot be applied to {value}: {error}") from None

    def _of_values(self, name: str, value: Any) -> Any:
        match name:
            case "Fn::Base64":
                return base64.b64encode(text(value).encode()).decode()
            case "Fn::Cidr":
                network = ipaddress.ip_network(value[0])
                bits = int(value[2]) if len(value) > 2 else 8
                subnets = network.subnets(new_prefix=network.max_prefixlen - bits)
                return [str(next(subnets)) for _ in range(int(value[1]))]
            case "Fn::FindInMap":
                return self._mapped(*value)
            case "Fn::GetAZs":
                return [f"{value or REGION}{zone}" for zone in "abc"]
            case "Fn::ImportValue":
                return self.exported(text(value))
            case "Fn::Join":
                return text(value[0]).join(text(item) for item in value[1])
            case "Fn::Length":
                return len(value)
            case "Fn::Select":
                return value[1][int(value[0])]
            case "Fn::Split":
                return text(value[1]).split(value[0])
            case "Fn::ToJsonString":
                return json.dumps(value, separators=(",", ":"))
        raise InvalidTemplate(f"Template error: {name} is not a function that the local cloud knows")

    def _mapped(self, name: str, first: Any, second: Any, options: dict[str, Any] | None = None) -> Any:
        mapping = (self.content.get("Mappings") or {}).get(name)
        found = (mapping or {}).get(text(first), {}).get(text(second))
        if found is None and options:
            return options["DefaultValue"]
        if found is None:
            raise InvalidTemplate(
                f"Template error: Unable to get mapping for {name}::{text(first)}::{text(second)}"
            )
        return found

    def _substitute(self, argument: Any) -> str:
        pattern, extra = argument if isinstance(argument, list) else (argument, {})

        def replaced(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in extra:
                return text(self.value(extra[name]))
            resource, dot, attribute = name.partition(".")
            return text(self.attribute(resource, attribute) if dot else self._ref(name))

        return _PLACEHOLDER.sub(replaced, pattern)


def _attribute(argument: Any) -> tuple[str, Any]:
    resource, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    return resource, attribute


def _comparable(value: Any) -> Any:
    return [_comparable(item) for item in value] if isinstance(value, list) else text(value)
