"""What a step in status ``Waiting`` waits for, and how a signal answers it."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_ASSUMED_ROLE = re.compile(r"arn:[\w-]+:sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")
_IDENTITY = re.compile(r"arn:[\w-]+:iam::(?P<account>\d{12}):(?P<kind>user|role)/(?:.*/)?(?P<name>[^/]+)")


class NotWaitedFor(Exception):
    """The signal is none that the step waits for."""


@dataclass
class Pause:
    """A step that waits to be resumed."""

    resumed: bool = False

    @property
    def over(self) -> bool:
        """Whether the wait has ended."""
        return self.resumed


@dataclass
class Approval:
    """A step that waits for people to decide."""

    approvers: list[str]
    needed: int
    decisions: list[dict[str, str]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether the wait has ended: with enough approvals, or with one rejection."""
        return self.status != "Waiting"

    @property
    def status(self) -> str:
        """The ``ApprovalStatus``."""
        decided = [decision["Decision"] for decision in self.decisions]
        if "Reject" in decided:
            return "Rejected"
        return "Approved" if len(decided) >= self.needed else "Waiting"

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the step."""
        return {"ApprovalStatus": self.status, "ApproverDecisions": list(self.decisions)}

    def decide(self, caller: str, decision: str, comment: str | None) -> None:
        """Take an approver's decision."""
        if not any(is_approver(approver, caller) for approver in self.approvers):
            raise NotWaitedFor(f"{caller} is not among the approvers")
        if any(decided["Approver"] == caller for decided in self.decisions):
            raise NotWaitedFor(f"{caller} has decided already")
        self.decisions.append(
            {
                "Approver": caller,
                "Decision": decision,
                "ApprovalDecisionTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                **({"Comment": comment} if comment else {}),
            }
        )


@dataclass
class NextStep:
    """An execution in mode ``Interactive`` that waits for a person to start a step."""

    offered: list[str]
    chosen: str | None = None

    @property
    def over(self) -> bool:
        """Whether the wait has ended."""
        return self.chosen is not None


def is_approver(approver: str, caller: str) -> bool:
    """Say whether an approver (a user's name, or the ARN of a user, role or role session) is the caller."""
    if approver == caller:
        return True
    user, session = _IDENTITY.fullmatch(caller), _ASSUMED_ROLE.fullmatch(caller)
    if user and approver == user["name"]:
        return True
    role = _IDENTITY.fullmatch(approver)
    return bool(
        role
        and session
        and role["kind"] == "role"
        and (role["account"], role["name"]) == (session["account"], session["role"])
    )
