"""The last tests of a run: roles may do what was done while the others ran, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from localcloud.permissions.grants import Template, grants
from localcloud.permissions.page import page
from localcloud.permissions.proof import UnusedGrant

from .run import Run

PAGE = Path(__file__).resolve().parents[2] / "docs/permissions.md"
CELLS_OF_A_GRANT = 5


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


def test_the_page_is_up_to_date(run: Run, template: Template, unused: list[UnusedGrant]):
    now, written = page(template, run.proof, unused), PAGE.read_text()
    advice = "docs/permissions.md is out of date: run all Python tests, then make permissions"
    if run.incomplete:
        # Who needs what is known only when all tests have run; the rest is in the template.
        assert without_needs(written) == without_needs(now), advice
        pytest.skip(f"does not compare who needs what: {run.incomplete}")
    assert written == now, advice


def without_needs(text: str) -> list[str]:
    """Return the page's lines; of the roles' tables only action, resource and condition.

    Resources share a line if the same calls need them, so they are told apart here.
    """
    found: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == CELLS_OF_A_GRANT:
            _, action, resources, condition, _ = cells
            found += [f"{action} {resource} {condition}" for resource in resources.split(", ")]
        else:
            found.append(line)
    return found
