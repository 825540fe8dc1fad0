"""What a run of reconcile uses when there is nothing to do, as nearly always."""

from __future__ import annotations

from localcloud.functions import stop_all

from .deployed import Mend, Unexpected, Used

FUNCTION = "reconcile"


def reconcile_idly(mend: Mend, runs: int) -> Used:
    """Have it run so many times, warm, in an account without open incidents."""
    used = Used()
    # The schedule and the released kill switch may have started a process each; one is measured.
    stop_all()
    _run(mend)
    for run in range(-1, runs):
        with mend.measured(FUNCTION, used if run >= 0 else Used()):
            _run(mend)
    return used


def _run(mend: Mend) -> None:
    answer = mend.account.try_invoke(FUNCTION, {})
    if not answer.get("complete") or answer["failures"] or answer["open"]:
        raise Unexpected(f"{FUNCTION} was to find nothing, but its answer is {answer}.")
