"""Policy documents: which of their statements speak of a request, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from localcloud.permissions.conditions import Context, as_texts, met
from localcloud.permissions.wildcards import arn_like, like

Principal = Literal["*"] | dict[str, list[str]]

_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}


class UnknownPolicy(Exception):
    """The document says something that this cannot judge."""


@dataclass(frozen=True)
class Check:
    """One question to IAM: may the caller do this to that?"""

    action: str
    """Such as `dynamodb:PutItem`."""
    resource: str
    """An ARN, or `*` where AWS knows no resource for the action."""
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The condition keys that come with it, in lower case."""

    @classmethod
    def of(cls, action: str, resource: str, **context: str | list[str]) -> Check:
        """Write the keys with two underscores for the colon: `kms__viaservice`."""
        keys = {key.replace("__", ":"): tuple(as_texts(value)) for key, value in context.items()}
        return cls(action, resource, tuple(keys.items()))


@dataclass(frozen=True)
class Match:
    """A statement that speaks of a request, and by which of its resources, counted from 0."""

    effect: Literal["Allow", "Deny"]
    policy: str
    sid: str
    resource_position: int


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement of a policy."""

    sid: str
    effect: Literal["Allow", "Deny"]
    actions: list[str]
    """In lower case, because they match whatever the case."""
    not_actions: list[str]
    resources: list[str]
    not_resources: list[str]
    condition: dict[str, dict[str, Any]]
    principal: Principal | None

    def matching_resources(self, check: Check, context: Context) -> list[int]:
        """Return the positions of the resources by which the statement speaks of the request."""
        action = check.action.lower()
        if self.not_actions and any(like(pattern, action) for pattern in self.not_actions):
            return []
        if self.actions and not any(like(pattern, action) for pattern in self.actions):
            return []
        if self.not_resources:
            named = any(arn_like(pattern, check.resource) for pattern in self.not_resources)
            positions = [] if named else [0]
        else:
            positions = [
                position
                for position, pattern in enumerate(self.resources)
                if arn_like(pattern, check.resource)
            ]
        return positions if positions and met(self.condition, context) else []


def matches(
    name: str,
    document: str,
    check: Check,
    context: Context,
    concerns: Callable[[Principal | None], bool] = lambda principal: principal is None,
) -> list[Match]:
    """Return the statements of a policy that speak of the request, and of a principal that `concerns` it."""
    return [
        Match(statement.effect, name, statement.sid, position)
        for statement in statements(document)
        if concerns(statement.principal)
        for position in statement.matching_resources(check, context)
    ]


@lru_cache(maxsize=1_000)
def statements(document: str) -> tuple[Statement, ...]:
    """Return the statements of a document."""
    found = json.loads(document).get("Statement", []) if document else []
    return tuple(_statement(written) for written in (found if isinstance(found, list) else [found]))


def _statement(written: dict[str, Any]) -> Statement:
    if unknown := written.keys() - _ELEMENTS:
        raise UnknownPolicy(
            f"the local cloud does not know {', '.join(sorted(unknown))} of a policy statement"
        )
    resources, not_resources = (_texts(written, name) for name in ("Resource", "NotResource"))
    if any("${" in text for text in [*resources, *not_resources]):
        raise UnknownPolicy(f"the local cloud knows no policy variables, and {resources} has one")
    return Statement(
        sid=written.get("Sid", ""),
        effect=written["Effect"],
        actions=[action.lower() for action in _texts(written, "Action")],
        not_actions=[action.lower() for action in _texts(written, "NotAction")],
        # The policies of some resources need not say that they speak of their own.
        resources=resources if "Resource" in written or not_resources else ["*"],
        not_resources=not_resources,
        condition=written.get("Condition") or {},
        principal=_principal(written.get("Principal")),
    )


def _texts(written: dict[str, Any], element: str) -> list[str]:
    return as_texts(written[element]) if element in written else []


def _principal(written: Any) -> Principal | None:
    if written is None or written == "*":
        return written
    return {kind: as_texts(names) for kind, names in written.items()}
