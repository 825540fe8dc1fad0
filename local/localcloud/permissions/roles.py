"""The roles of a stack: who acts under one, and which policies it has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.iam.models import Role, iam_backends

from localcloud.settings import ACCOUNT_ID, PARTITION, REGION


@dataclass(frozen=True)
class StackRole:
    """A role that a stack has created, and the session that acts under it."""

    stack: str
    logical_id: str
    arn: str
    session: str
    session_arn: str
    policies: dict[str, str]
    """The documents of its policies by their names."""


def role_of_session(principal: str) -> StackRole | None:
    """Return the stack's role that this principal is a session of; None for anybody else."""
    kind, _, rest = principal.split(":", 5)[-1].partition("/")
    name, _, session = rest.partition("/")
    if kind != "assumed-role":
        return None
    roles = iam_backends[ACCOUNT_ID][PARTITION].roles.values()
    role = next((role for role in roles if role.name == name), None)
    return _stack_role(role, session, principal)


def role_of_arn(arn: str, session: str) -> StackRole | None:
    """Return the stack's role with this ARN, under which a service acts."""
    name = arn.rpartition("/")[2]
    principal = f"arn:{PARTITION}:sts::{ACCOUNT_ID}:assumed-role/{name}/{session}"
    return role_of_session(principal)


def _stack_role(role: Role | None, session: str, principal: str) -> StackRole | None:
    stack = _stack_of(role) if role else None
    if role is None or stack is None:
        return None
    policies = dict(_policies(role))
    return StackRole(stack, role.logical_resource_id, role.arn, session, principal, policies)


def _stack_of(role: Role) -> str | None:
    """CloudFormation writes the logical id onto what it creates."""
    logical_id = getattr(role, "logical_resource_id", None)
    if logical_id is None:
        return None
    stacks = cloudformation_backends[ACCOUNT_ID][REGION].stacks.values()
    return next((stack.name for stack in stacks if _is_in(role, logical_id, stack)), None)


def _is_in(role: Role, logical_id: str, stack: Any) -> bool:
    return stack.resource_map._parsed_resources.get(logical_id) is role


def _policies(role: Role) -> Iterator[tuple[str, str]]:
    for name, document in role.policies.items():
        yield name, document if isinstance(document, str) else json.dumps(document)
    for policy in role.managed_policies.values():
        document = next(version.document for version in policy.versions if version.is_default)
        yield policy.name, document
