"""Reading the local cloud's journal as it grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from localcloud import journal

from demo.checks import SceneFailed

Entry = journal.Entry


class Watch:
    """A reader of the journal, from the moment of its creation."""

    def __init__(self) -> None:
        self._seen = max((entry["seq"] for entry in journal.entries()), default=0)

    def until(self, complete: Callable[[list[Entry]], bool], what: str, seconds: float) -> Iterator[Entry]:
        """Yield entries as they come, until all that came so far are complete.

        Ends with an error when that takes too long, or when a function fails: Lambda would try it again
        only after a minute.
        """
        entries: list[Entry] = []
        deadline = time.monotonic() + seconds
        while not complete(entries):
            remaining = deadline - time.monotonic()
            arrived = journal.wait(self._seen, remaining) if remaining > 0 else []
            if not arrived:
                last = f" The last thing in the journal is {_shortly(entries[-1])}." if entries else ""
                raise SceneFailed(f"waited {seconds:.0f} s for {what}, in vain.{last}")
            for entry in arrived:
                self._seen = entry["seq"]
                entries.append(entry)
                yield entry
                if entry["kind"] == "invocation" and not entry["ok"]:
                    raise SceneFailed(f"the function {entry['function']} failed: {entry['response']}")


def _shortly(entry: Entry) -> str:
    skipped = {"seq", "at", "kind", "event", "request", "log", "payload", "message", "parameters", "outputs"}
    facts = (f"{name} {value}" for name, value in entry.items() if name not in skipped and value)
    return f"of kind {entry['kind']}: {', '.join(facts)}"
