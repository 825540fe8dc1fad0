"""What an action is: checks of its inputs when the document is created, and its work when a step runs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from localcloud import clock
from localcloud.automation.failures import StepTimedOut
from localcloud.automation.interpolation import Scope
from localcloud.automation.interruption import Interruption
from localcloud.automation.roles import AssumedRole

TIMED_OUT = "The step did not finish within its time-out"


@dataclass
class Result:
    """What a successful action gives back."""

    payload: Any = None
    """The JSON that the selectors of the step's declared outputs read."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """Outputs that the action has without declaring them."""
    next_step: str | None = None
    """The step that a branch chose, or to which a loop led."""
    leaves_loop: bool = False
    """Whether a step of the loop led out of it."""


class ChildExecutions(Protocol):
    """The executions that a step has started."""

    def ended(self, execution_id: str) -> bool:
        """Say whether a child has ended."""

    def cancel(self, execution_id: str) -> None:
        """Stop a child, because the step that waits for it stops."""


class Awaited(Protocol):
    """What a waiting step waits for, besides its time-out."""

    @property
    def over(self) -> bool:
        """Whether the wait has ended."""


@dataclass
class StepContext:
    """What an action may use while its step runs."""

    role: AssumedRole
    scope: Scope
    interruption: Interruption
    children: ChildExecutions
    begin_wait: Callable[[Awaited | None, dict[str, Any]], None]
    """Tell the world that the step waits, for what and with which outputs; or, with None, no more."""
    deadline: float
    """The moment, by the monotonic clock, at which the work of this attempt has timed out."""
    latest: datetime
    """The moment, by the cloud's clock, at which its waits have."""

    def remaining(self) -> float:
        """Return the seconds that are left for work; with none left, the attempt has timed out."""
        self.interruption.check()
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise StepTimedOut(TIMED_OUT)
        return left

    def wait(self, seconds: float) -> None:
        """Wait, unless the time-out or an interruption comes first."""
        self.wait_until(clock.now() + timedelta(seconds=seconds))

    def wait_until(self, moment: datetime, happened: Callable[[], bool] = lambda: False) -> None:
        """Wait for a moment or an event, unless the time-out or an interruption comes first."""
        if (
            not self.interruption.wait_until(min(moment, self.latest), happened)
            and clock.now() >= self.latest
        ):
            raise StepTimedOut(TIMED_OUT)

    def wait_for(
        self, awaited: Awaited, outputs: dict[str, Any], tell: Callable[[], None] = lambda: None
    ) -> None:
        """Wait, in status ``Waiting``, for a signal, unless the time-out or an interruption comes first.

        `tell` asks for the signal; whoever answers at once is heard.
        """
        self.begin_wait(awaited, outputs)
        tell()
        self.wait_until(self.latest, lambda: awaited.over)
        self.begin_wait(None, outputs)


class Action:
    """An action of Automation."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    """The outputs that it has without declaring them."""
    declares_outputs = False
    default_timeout: float = 3600
    longest_timeout: float | None = None
    waits = False
    """Whether AWS counts executions with this action as waiting ones."""

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Yield what is wrong with the inputs of a step, references not yet resolved."""
        for name in sorted(self.required - inputs.keys()):
            yield f"the input {name} is missing"
        for name in sorted(inputs.keys() - self.required - self.optional):
            yield f"the input {name} is unknown or not supported locally"

    def targets(self, inputs: dict[str, Any]) -> list[str]:
        """Return the steps that the inputs name."""
        return []

    def falls_through(self, inputs: dict[str, Any]) -> bool:
        """Say whether the step after this one can come next without being named by the inputs."""
        return True

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Do the work; a StepFailure says why it could not be done."""
        raise NotImplementedError
