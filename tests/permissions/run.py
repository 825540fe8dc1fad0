"""What a run of the tests has seen of the template's roles."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.permissions.proof import Proof


@dataclass(frozen=True)
class Run:
    """What was seen, and whether that is everything."""

    proof: Proof
    incomplete: str
    """Why the run says nothing about what nobody does; empty if it does."""
