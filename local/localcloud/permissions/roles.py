"""The roles of a stack: who acts under one, and which policies it has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from moto.iam.models import Role, iam_backends

from localcloud.cloudformation.stacks import store
from localcloud.settings import ACCOUNT_ID, PARTITION


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
    place = _place_of(role) if role else None
    if role is None or place is None:
        return None
    stack, logical_id = place
    return StackRole(stack, logical_id, role.arn, session, principal, dict(_policies(role)))


def _place_of(role: Role) -> tuple[str, str] | None:
    """Return the stack that has created the role, and the role's logical id in it."""
    for stack in store().stacks:
        for resource in stack.resources.values():
            if resource.type == "AWS::IAM::Role" and resource.physical_id == role.name:
                return stack.name, resource.logical_id
    return None


def _policies(role: Role) -> Iterator[tuple[str, str]]:
    for name, document in role.policies.items():
        yield name, document if isinstance(document, str) else json.dumps(document)
    for policy in role.managed_policies.values():
        document = next(version.document for version in policy.versions if version.is_default)
        yield policy.name, document
