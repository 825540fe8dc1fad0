"""Telling a running execution to end: a person stops it, or the cloud that it belongs to goes away."""

from collections.abc import Callable
from datetime import datetime, timedelta

from localcloud import clock
from localcloud.automation.failures import Abandoned, Cancelled, StepStopped


class Interruption:
    """The signal from whoever wants an execution, or its step, to end to the thread that runs it."""

    def __init__(self) -> None:
        self._abandoned = False
        self._cancelled = False
        self._step_stopped = False
        self.completing = False
        """Whether the execution ends after its current step."""

    def cancel(self) -> None:
        """Ask for an orderly end."""
        self._cancelled = True
        clock.wake()

    def complete(self) -> None:
        """Ask for the end after the current step."""
        self.completing = True
        clock.wake()

    def stop_step(self) -> None:
        """Ask for the end of the current step."""
        self._step_stopped = True
        clock.wake()

    def abandon(self) -> None:
        """End without a trace."""
        self._abandoned = True
        clock.wake()

    @property
    def abandoned(self) -> bool:
        """Whether the execution ends without a trace."""
        return self._abandoned

    def check(self) -> None:
        """Raise if the execution or its step shall end."""
        self.check_abandoned()
        if self._cancelled:
            raise Cancelled
        if self._step_stopped:
            raise StepStopped

    def check_abandoned(self) -> None:
        """Raise if the execution shall end without a trace."""
        if self._abandoned:
            raise Abandoned

    def wait(self, seconds: float) -> None:
        """Wait so long by the cloud's clock, and raise as soon as the execution shall end."""
        self.wait_until(clock.now() + timedelta(seconds=seconds))

    def wait_until(self, moment: datetime, happened: Callable[[], bool] = lambda: False) -> bool:
        """Wait for the moment, and say whether something has happened; its maker wakes the clock."""
        clock.wait_until(moment, lambda: self._interrupted or happened())
        self.check()
        return happened()

    def begin_cancellation(self) -> None:
        """Let the cancellation workflow run after ``Cancelled`` was raised."""
        self._cancelled = self._step_stopped = self.completing = False

    def begin_step(self) -> None:
        """Let the next step run after ``StepStopped`` was raised."""
        self._step_stopped = False

    @property
    def _interrupted(self) -> bool:
        return self._abandoned or self._cancelled or self._step_stopped
