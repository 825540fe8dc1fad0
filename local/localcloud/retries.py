"""Trying again as EventBridge and its Scheduler do: exponential back-off, bounded by number and by age."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from localcloud import background
from localcloud.settings import settings

LIMITS = {"MaximumRetryAttempts": (0, 185), "MaximumEventAgeInSeconds": (60, 86_400)}
"""What a policy may say; where it says nothing, the greater value holds."""
LONGEST_WAIT_SECONDS = 300.0


def violations(policy: dict[str, Any] | None) -> Iterator[str]:
    """Say what is wrong with a `RetryPolicy`."""
    for name, value in (policy or {}).items():
        least, most = LIMITS.get(name, (0, -1))
        if value is not None and not least <= int(value) <= most:
            yield f"{name} must be between {least} and {most}, not {value}"


@dataclass
class Retries:
    """The retries of one delivery, under the `RetryPolicy` of its target."""

    policy: dict[str, Any]
    made: int = 0
    _saved: float = 0.0
    """What `wait_scale` has shortened the waits by: the age is judged as if they had been whole."""
    _started: float = field(default_factory=time.time)

    def again(self, attempt: Callable[[], None]) -> str | None:
        """Make the attempt later and return None, or return the condition of the policy that is exhausted."""
        pause = random.uniform(0.5, 1.0) * min(2.0**self.made, LONGEST_WAIT_SECONDS)
        age = time.time() - self._started + self._saved
        if self.made >= self._limit("MaximumRetryAttempts"):
            return "MaximumRetryAttempts"
        if age + pause > self._limit("MaximumEventAgeInSeconds"):
            return "MaximumEventAgeInSeconds"
        self.made += 1
        self._saved += pause * (1 - settings.wait_scale)
        background.run(attempt, after=pause * settings.wait_scale)
        return None

    def _limit(self, name: str) -> int:
        value = self.policy.get(name)
        return LIMITS[name][1] if value is None else int(value)
