"""Telling a running execution to end: a person cancels it, or the cloud that it belongs to goes away."""

import threading

from localcloud.automation.failures import Abandoned, Cancelled


class Interruption:
    """The signal from whoever wants an execution to end to the thread that runs it."""

    def __init__(self) -> None:
        self._signal = threading.Event()
        self._abandoned = False
        self._cancelled = False

    def cancel(self) -> None:
        """Ask for an orderly end."""
        self._cancelled = True
        self._signal.set()

    def abandon(self) -> None:
        """End without a trace."""
        self._abandoned = True
        self._signal.set()

    def check(self) -> None:
        """Raise if the execution shall end."""
        self.check_abandoned()
        if self._cancelled:
            raise Cancelled

    def check_abandoned(self) -> None:
        """Raise if the execution shall end without a trace."""
        if self._abandoned:
            raise Abandoned

    def wait(self, seconds: float) -> None:
        """Wait, and raise as soon as the execution shall end."""
        self._signal.wait(seconds)
        self.check()

    def begin_cancellation(self) -> None:
        """Let the cancellation workflow run after ``Cancelled`` was raised."""
        self._cancelled = False
        self._signal.clear()
        if self._abandoned:
            self._signal.set()
