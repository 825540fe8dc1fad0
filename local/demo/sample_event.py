"""The sample events of `events/`, made fresh: about this resource, and as of now."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def put_events_entry(path: Path, resource_id: str, now: datetime) -> dict[str, Any]:
    """Return the sample as an entry for PutEvents.

    All its times move by the same amount, so that it was sent now; what it says of its resource it says
    of this one.
    """
    sample = json.loads(path.read_text())
    delay = now - datetime.fromisoformat(sample["time"])
    detail = _replaced(sample["detail"], sample["detail"]["resourceId"], resource_id, delay)
    return {
        "Source": sample["source"],
        "DetailType": sample["detail-type"],
        "Time": now,
        "Resources": sample["resources"],
        "Detail": json.dumps(detail),
    }


def _replaced(value: Any, old_id: str, new_id: str, delay: timedelta) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(member, old_id, new_id, delay) for name, member in value.items()}
    if isinstance(value, list):
        return [_replaced(member, old_id, new_id, delay) for member in value]
    if value == old_id:
        return new_id
    if isinstance(value, str) and TIMESTAMP.fullmatch(value):
        moved = (datetime.fromisoformat(value) + delay).astimezone(UTC)
        return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
