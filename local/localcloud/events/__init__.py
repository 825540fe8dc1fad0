"""EventBridge as AWS runs it: pattern matching, and deliveries that outlive the request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localcloud.events.api import install
from localcloud.events.bus import publish
from localcloud.events.envelope import wrap

__all__ = ["emit", "install"]


def emit(detail_type: str, source: str, detail: dict[str, Any], resources: Iterable[str] = ()) -> None:
    """Put a service's event on the default bus, as AWS would."""
    publish(wrap(detail_type, source, detail, resources))
