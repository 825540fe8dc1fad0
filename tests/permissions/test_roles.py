"""The last tests of a run: roles may do what was done while the others ran, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from localcloud.permissions.grants import Template, grants
from localcloud.permissions.page import page
from localcloud.permissions.proof import UnusedGrant

from .run import Run

PAGE = Path(__file__).resolve().parents[2] / "docs/permissions.md"
CELLS_OF_A_GRANT = 5
OUT_OF_DATE = "docs/permissions.md is out of date: run all Python tests, then make permissions"


def listed(things: list[str]) -> str:
    return "\n".join(f"- {thing}" for thing in things)


def test_every_call_that_was_made_is_allowed(run: Run):
    assert not run.proof.problems, (
        "Roles of the template do not allow calls that were made while the tests ran. Allow them in"
        f" template.yaml, or do not make them:\n{listed(run.proof.problems)}"
    )


def test_everything_that_is_allowed_is_used(run: Run, unused: list[UnusedGrant]):
    if run.incomplete:
        pytest.skip(f"says nothing about what nobody uses: {run.incomplete}")
    idle = [str(g) for g in run.proof.unused() if not any(entry.covers(g) for entry in unused)]
    assert not idle, (
        "The template allows what none of the tests needs. Take it away, test what needs it, or say in"
        f" tests/permissions/unused.yaml why it must be allowed:\n{listed(idle)}"
    )


def test_no_exception_is_out_of_date(run: Run, unused: list[UnusedGrant]):
    used = [
        f"{entry.sid} of {entry.role}: {grant}"
        for entry in unused
        for grant in run.proof.grants
        if entry.covers(grant) and run.proof.uses_of(grant) and not entry.sometimes
    ]
    assert not used, f"Exceptions in tests/permissions/unused.yaml that are used after all:\n{listed(used)}"


def test_every_exception_is_for_something_that_the_template_grants(
    template: Template, unused: list[UnusedGrant]
):
    for entry in unused:
        covered = [grant for grant in grants(template) if entry.covers(grant)]
        assert covered, f"{entry} covers nothing"
        assert set(entry.actions) <= {grant.action for grant in covered}, entry
        assert set(entry.resources) <= {grant.resource for grant in covered}, entry


def test_a_statement_is_named_once_per_role(template: Template):
    """A reader finds it by its name, and so do the exceptions."""
    places = {(grant.role, grant.sid, grant.policy) for grant in grants(template)}
    assert len(places) == len({(role, sid) for role, sid, _ in places})


def test_the_page_says_what_the_template_says(run: Run, template: Template, unused: list[UnusedGrant]):
    now = page(template, run.proof, unused)
    assert lines(PAGE.read_text()) == lines(now), OUT_OF_DATE


def test_the_page_names_every_need(run: Run, template: Template, unused: list[UnusedGrant]):
    """It may name more than this run has seen: some needs are seen by chance, depending on who is faster."""
    if run.incomplete:
        pytest.skip(f"does not compare who needs what: {run.incomplete}")
    now, written = needs(page(template, run.proof, unused)), needs(PAGE.read_text())
    unnamed = [f"{of}: {', '.join(found - written[of])}" for of, found in now.items() if found - written[of]]
    assert not unnamed, f"{OUT_OF_DATE}. It does not name:\n{listed(unnamed)}"


def lines(text: str) -> list[str]:
    """Return the page's lines; of the roles' tables only action, resource and condition.

    Resources share a line if the same calls need them, so they are told apart here.
    """
    found: list[str] = []
    for line in text.splitlines():
        cells = cells_of_a_grant(line)
        found += [f"{cells[1]} {name} {cells[3]}" for name in cells[2].split(", ")] if cells else [line]
    return found


def needs(text: str) -> dict[str, set[str]]:
    """Return who needs a role's action on a resource, by all three."""
    found: dict[str, set[str]] = defaultdict(set)
    role = ""
    for line in text.splitlines():
        role = line.removeprefix("### ") if line.startswith("### ") else role
        if cells := cells_of_a_grant(line):
            for name in cells[2].split(", "):
                found[f"{role} {cells[1]} {name}"] |= set(users(cells[4]))
    return found


def users(cell: str) -> Iterator[str]:
    """Yield the operations of a function, or the steps of runbooks, each with its runbook."""
    if cell.startswith("*"):
        yield cell
        return
    for part in cell.split("; "):
        runbook, _, names = part.rpartition(": ")
        yield from (f"{runbook} {name}" for name in names.split(", "))


def cells_of_a_grant(line: str) -> list[str] | None:
    """Return the cells of a line about a grant."""
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    return cells if len(cells) == CELLS_OF_A_GRANT else None
