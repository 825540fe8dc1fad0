"""The proof that roles may do what they do, and nothing else: what was seen, held against the template."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from localcloud.permissions.grants import Grant, Template, grants, roles, runbooks
from localcloud.permissions.seen import Seen

RUNBOOKS_OF_AWS = "AWS"

Key = tuple[str, str, str, str, int]


@dataclass(frozen=True)
class Use:
    """A reason for a grant: what a function or a runbook's step called."""

    by: str
    step: str
    operation: str


@dataclass(frozen=True)
class UnusedGrant:
    """A grant that is needed although nobody was seen to use it."""

    role: str
    sid: str
    reason: str
    actions: tuple[str, ...] = ()
    """Of the statement's actions these; none means all."""
    resources: tuple[str, ...] = ()
    """Of the statement's resources these, as the page shows them; none means all."""
    sometimes: bool = False
    """Whether it depends on chance, on who is faster, if somebody is seen."""

    def covers(self, grant: Grant) -> bool:
        """Say whether it speaks of the grant."""
        return (
            (self.role, self.sid) == (grant.role, grant.sid)
            and (not self.actions or grant.action in self.actions)
            and (not self.resources or grant.resource in self.resources)
        )


@dataclass(frozen=True)
class Proof:
    """What was seen of the template's roles."""

    grants: list[Grant]
    uses: dict[Key, set[Use]]
    problems: list[str]
    """What was not allowed, or could not be judged."""

    def uses_of(self, grant: Grant) -> set[Use]:
        """Return for what the role needed a grant.

        A policy of several roles is written for what they do together, so that another of them may be the one
        that needed this very resource.
        """
        if not any(self._uses_by(holder, grant) for holder in grant.holders):
            return set()
        if len(grant.holders) == 1:
            return self._uses_by(grant.role, grant)
        same = [other for other in self.grants if _statement_of(other) == _statement_of(grant)]
        return {use for other in same for use in self._uses_by(grant.role, other)}

    def unused(self) -> list[Grant]:
        """Return the grants that nobody needed."""
        return [grant for grant in self.grants if not self.uses_of(grant)]

    def _uses_by(self, role: str, grant: Grant) -> set[Use]:
        return self.uses.get((role, grant.policy, grant.sid, grant.action, grant.resource_position), set())


def prove(template: Template, seen: Iterable[Seen]) -> Proof:
    """Hold what the stacks of the template were seen to do against what it grants.

    Roles that it does not know are of the local cloud's own tests. What a test's own runbook does under a
    role of the stack must be allowed, but is no reason for a grant.
    """
    own_roles, own_runbooks = roles(template), runbooks(template)
    uses: dict[Key, set[Use]] = defaultdict(set)
    problems = set()
    for thing in seen:
        if thing.role not in own_roles:
            continue
        if thing.problem:
            doer = f"{thing.by}, step {thing.step}" if thing.step else thing.by
            problems.add(f"{thing.role} ({doer}): {thing.operation}: {thing.problem}")
        if thing.step and thing.by not in own_runbooks and not thing.by.startswith(RUNBOOKS_OF_AWS):
            continue
        for policy, sid, position in thing.allowed_by:
            key = (thing.role, policy, sid, thing.action, position)
            uses[key].add(Use(thing.by, thing.step, thing.operation))
    return Proof(grants(template), uses, sorted(problems))


def read_unused(file: Path) -> list[UnusedGrant]:
    """Read the list of exceptions; an entry may be for several roles."""
    return [
        UnusedGrant(
            role,
            entry["statement"],
            entry["reason"],
            tuple(entry.get("actions", ())),
            tuple(entry.get("resources", ())),
            entry.get("seen") == "sometimes",
        )
        for entry in yaml.safe_load(file.read_text()) or []
        for role in entry["roles"]
    ]


def _statement_of(grant: Grant) -> tuple[str, str, str, str]:
    return grant.role, grant.policy, grant.sid, grant.action
