"""How a step ends when it does not succeed."""

from typing import Any

_PHRASES = {
    "InputValidation": "Step fails when it is validating and resolving the step inputs",
    "Invocation": "Step fails when it is Execute/Cancelling action",
    "PostVerification": "Step fails when it is verifying the output of the action",
}


class StepFailure(Exception):
    """A step failed; the stage and the type are those of AWS's ``FailureDetails``."""

    status = "Failed"

    def __init__(
        self,
        cause: str,
        *,
        stage: str = "Invocation",
        kind: str = "Action",
        outputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(cause)
        self.stage = stage
        self.kind = kind
        self.outputs = outputs or {}
        """What the API shows of the failed step; other steps cannot refer to it."""

    @property
    def message(self) -> str:
        """The failure message as AWS words it."""
        return (
            f"{_PHRASES[self.stage]}. {self}. Please refer to Automation Service Troubleshooting Guide "
            "for more diagnosis details."
        )


class StepTimedOut(StepFailure):
    """A step did not finish within its time-out."""

    status = "TimedOut"


class Interrupted(Exception):
    """The step ends because the execution does."""


class Cancelled(Interrupted):
    """A person stopped the execution while a step ran."""


class StepStopped(Interrupted):
    """A person stopped the step, not the execution."""


class Abandoned(Interrupted):
    """The cloud that the execution belongs to is gone: it ends without a trace."""
