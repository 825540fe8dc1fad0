"""The envelope that EventBridge puts around an event."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from localcloud.settings import ACCOUNT_ID, REGION

Event = dict[str, Any]


def wrap(
    detail_type: str,
    source: str,
    detail: dict[str, Any],
    resources: Iterable[str] = (),
    time: datetime | None = None,
) -> Event:
    """Return the whole event, with an id of its own and the account and Region of the bus."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": timestamp(time),
        "region": REGION,
        "resources": list(resources),
        "detail": detail,
    }


def timestamp(time: datetime | None = None) -> str:
    """Return a time, or now, as EventBridge writes it: in UTC, to the second."""
    return (time or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
