"""Trying again as EventBridge and its Scheduler do: exponential back-off, bounded by number and by age."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud import background
from localcloud.settings import settings

DEFAULT_ATTEMPTS = 185
DEFAULT_AGE_SECONDS = 86_400
LONGEST_WAIT_SECONDS = 300.0


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
        if self.made >= int(self.policy.get("MaximumRetryAttempts", DEFAULT_ATTEMPTS)):
            return "MaximumRetryAttempts"
        if age + pause > int(self.policy.get("MaximumEventAgeInSeconds", DEFAULT_AGE_SECONDS)):
            return "MaximumEventAgeInSeconds"
        self.made += 1
        self._saved += pause * (1 - settings.wait_scale)
        background.run(attempt, after=pause * settings.wait_scale)
        return None
