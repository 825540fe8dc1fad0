"""The template as CloudFormation sees it: expanded by SAM, conditions decided, references resolved."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
Resource = dict[str, Any]
Resources = dict[str, Resource]

NO_VALUE = object()
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Region": "eu-central-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": NO_VALUE,
}


class Deployment:
    """What a deployment with these parameters would create.

    A reference to a resource reads `LogicalId`, one to its attribute `LogicalId.Attribute`.
    """

    def __init__(self, expanded: dict[str, Any], **parameters: str):
        unknown = parameters.keys() - expanded["Parameters"].keys()
        assert not unknown, f"the template has no parameter {unknown}"
        defaults = {name: str(declared["Default"]) for name, declared in expanded["Parameters"].items()}
        self._names = PSEUDO_PARAMETERS | defaults | parameters
        self._conditions = expanded["Conditions"]
        self.resources: Resources = {
            name: self._resolve(resource)
            for name, resource in expanded["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }

    def of_type(self, resource_type: str) -> Resources:
        """The resources of one type, such as `AWS::Lambda::Function`, by logical id."""
        return {name: r for name, r in self.resources.items() if r["Type"] == resource_type}

    def _holds(self, condition: str) -> bool:
        return self._resolve(self._conditions[condition])

    def _resolve(self, node: Any) -> Any:
        match node:
            case {"Ref": name}:
                return self._names.get(name, name)
            case {"Fn::GetAtt": [name, attribute]}:
                return f"{name}.{attribute}"
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)}", self._substitute, text)
            case {"Fn::If": [condition, then, otherwise]}:
                return self._resolve(then if self._holds(condition) else otherwise)
            case {"Fn::Equals": [left, right]}:
                return str(self._resolve(left)) == str(self._resolve(right))
            case {"Fn::Not": [negated]}:
                return not self._resolve(negated)
            case {"Fn::And": conditions}:
                return all(self._resolve(condition) for condition in conditions)
            case {"Condition": str(condition)} if len(node) == 1:
                return self._holds(condition)
            case dict():
                resolved = {key: self._resolve(value) for key, value in node.items()}
                return {key: value for key, value in resolved.items() if value is not NO_VALUE}
            case list():
                return [value for value in map(self._resolve, node) if value is not NO_VALUE]
        return node

    def _substitute(self, found: re.Match[str]) -> str:
        name = found[1]
        return f"${{{name[1:]}}}" if name.startswith("!") else str(self._names.get(name, name))


@pytest.fixture(scope="session")
def source() -> dict[str, Any]:
    """The template as it is written."""
    return yaml_parse((ROOT / "template.yaml").read_text())


@pytest.fixture(scope="session")
def expanded() -> dict[str, Any]:
    """The template as SAM expands it."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"  # SAM expands packaged code only

    class NoManagedPolicies:
        @staticmethod
        def load() -> dict[str, str]:
            return {}

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", PSEUDO_PARAMETERS["AWS::Region"])
        return transform(template, {}, NoManagedPolicies())


@pytest.fixture(scope="session")
def deploy(expanded) -> Callable[..., Deployment]:
    """Resolve the template for parameters other than the defaults: `deploy(Environment="prod")`."""
    return lambda **parameters: Deployment(expanded, **parameters)


@pytest.fixture(scope="session")
def deployment(deploy) -> Deployment:
    """A deployment with the defaults and what it takes to create every resource of the template."""
    return deploy(
        NotificationEmail="ops@example.com", ApprovalEmail="lee@example.com", ChangeCalendars="Freeze"
    )


Statement = dict[str, Any]
Statements = Callable[[str], list[Statement]]


@pytest.fixture(scope="session")
def statements(deployment) -> Statements:
    """Return what the role with a logical id may do, from its own policies and from those attached to it."""

    def of_role(role: str) -> list[Statement]:
        policies = list(deployment.resources[role]["Properties"].get("Policies", []))
        policies += [
            policy["Properties"]
            for policy in deployment.of_type("AWS::IAM::Policy").values()
            if role in policy["Properties"]["Roles"]
        ]
        found = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
        assert all(statement["Effect"] == "Allow" for statement in found), (
            "the tests know no denial in a role"
        )
        return found

    return of_role


@pytest.fixture(scope="session")
def allowed_actions(statements) -> Callable[[str], set[str]]:
    """Return all actions that the role with a logical id may do on something."""
    return lambda role: {
        action
        for statement in statements(role)
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }


@pytest.fixture(scope="session")
def automation_roles(deployment) -> dict[str, str]:
    """The logical ids of the roles that the functions lend to runbooks, by family."""
    (told,) = {
        function["Properties"]["Environment"]["Variables"]["MEND_AUTOMATION_ROLES"]
        for function in deployment.of_type("AWS::Lambda::Function").values()
    }
    return {
        family: role.removesuffix(".Arn") for family, role in (pair.split("=") for pair in told.split(","))
    }
