"""What a person or a test may choose: AWS's limits, and answers that AWS leaves open.

In Python, `monkeypatch.setattr(behaviour, "starts_per_second", 1)`; from outside,
`POST /_local/automation {"starts_per_second": 1}`. A new cloud, and a reset, begin with the defaults.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from localcloud.control import route

RepeatedToken = Literal["same-execution", "error"]


@dataclass
class Behaviour:
    """The choices."""

    starts_per_second: int | None = None
    """AWS allows 1 StartAutomationExecution a second; with None nobody has to wait."""
    repeated_client_token: RepeatedToken = "same-execution"
    """The answer to the same request under the same token; AWS's documentation allows either."""
    throttling_retry_seconds: int = 10
    """How long actions repeat a throttled call before the step fails; AWS's own default is not documented."""
    running: int = 100
    running_that_wait: int = 400
    """How many more may run of those that approve, pause or sleep."""
    running_rate_controlled: int = 25
    queued: int = 5_000
    queued_rate_controlled: int = 1_000

    def choose(self, **choices: Any) -> None:
        """Set some; ValueError says what cannot be chosen."""
        for name, value in choices.items():
            if name not in CHOICES:
                raise ValueError(f"Automation has no choice {name!r}, only {', '.join(CHOICES)}")
            if name == "repeated_client_token":
                if value not in get_args(RepeatedToken):
                    raise ValueError(f"{name} is one of {', '.join(get_args(RepeatedToken))}")
            elif not (isinstance(value, int) or (value is None and name == "starts_per_second")):
                raise ValueError(f"{name} is a number, not {value!r}")
        vars(self).update(choices)

    def reset(self) -> None:
        """Go back to the defaults."""
        vars(self).update(asdict(Behaviour()))


CHOICES = [field.name for field in fields(Behaviour)]

behaviour = Behaviour()


@route("GET", "automation")
def _show(**_: Any) -> dict[str, Any]:
    return asdict(behaviour)


@route("POST", "automation")
def _choose(body: dict[str, Any], **_: Any) -> dict[str, Any]:
    behaviour.choose(**body)
    return asdict(behaviour)
