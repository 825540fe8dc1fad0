"""The journal: everything that happened in the local cloud, in order.

The demo prints it, the tests assert on it, and `GET /_local/journal` serves it.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

CAPACITY = 100_000

Entry = dict[str, Any]

_changed = threading.Condition()
_entries: deque[Entry] = deque(maxlen=CAPACITY)
_last_seq = 0


def record(kind: str, **fields: Any) -> Entry:
    """Append an entry of this kind; it gets the next `seq` and the time `at`."""
    global _last_seq
    fields = json.loads(json.dumps(fields, default=_plain))
    with _changed:
        _last_seq += 1
        entry = {"seq": _last_seq, "at": _now(), "kind": kind, **fields}
        _entries.append(entry)
        _changed.notify_all()
    return entry


def entries(after: int = 0, kind: str | None = None) -> list[Entry]:
    """Return the entries whose `seq` is greater than `after`, oldest first."""
    with _changed:
        return [e for e in _since(after) if kind is None or e["kind"] == kind]


def wait(after: int = 0, seconds: float = 0.0) -> list[Entry]:
    """Return the entries after `after`; if there are none yet, wait for the first one up to `seconds`."""
    deadline = time.monotonic() + seconds
    with _changed:
        while not (found := _since(after)):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            _changed.wait(remaining)
        return found


def clear() -> None:
    """Forget all entries. Sequence numbers go on, so that a reader's `after` stays valid."""
    with _changed:
        _entries.clear()


def _since(after: int) -> list[Entry]:
    missing = _last_seq - after
    if missing <= 0:
        return []
    found = list(itertools.islice(reversed(_entries), missing))
    found.reverse()
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    """Return a value that JSON does not know in a form that it does."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return value.isoformat()
        case Mapping():
            return dict(value)
        case set():
            return sorted(value)
    return str(value)
