"""How a step ends when it does not succeed."""

_PHRASES = {
    "InputValidation": "Step fails when it is validating and resolving the step inputs",
    "Invocation": "Step fails when it is Execute/Cancelling action",
    "PostVerification": "Step fails when it is verifying the output of the action",
}


class StepFailure(Exception):
    """A step failed; the stage and the type are those of AWS's ``FailureDetails``."""

    status = "Failed"

    def __init__(self, cause: str, *, stage: str = "Invocation", kind: str = "Action") -> None:
        super().__init__(cause)
        self.stage = stage
        self.kind = kind

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


class Cancelled(Exception):
    """A person stopped the execution while a step ran."""


class Abandoned(Exception):
    """The cloud that the execution belongs to is gone: it ends without a trace."""
