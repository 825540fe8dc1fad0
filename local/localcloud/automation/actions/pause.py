"""``aws:pause``: wait for the signal ``Resume``."""

from typing import Any

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.waiting import Pause

WEEK_SECONDS = 604_800


class PauseExecution(Action):
    """``aws:pause``."""

    default_timeout = WEEK_SECONDS
    waits = True

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Wait."""
        context.wait_for(Pause(), {})
        return Result()
