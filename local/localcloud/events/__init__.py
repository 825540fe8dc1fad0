"""EventBridge as AWS runs it: patterns, scheduled rules, and deliveries that outlive the request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localcloud.events import api, scheduled_rules
from localcloud.events.bus import publish
from localcloud.events.envelope import wrap

__all__ = ["emit", "install"]


def install() -> None:
    """Replace moto's EventBridge where it differs, and let rules fire."""
    api.install()
    scheduled_rules.install()


def emit(detail_type: str, source: str, detail: dict[str, Any], resources: Iterable[str] = ()) -> None:
    """Put a service's event on the default bus, as AWS would."""
    publish(wrap(detail_type, source, detail, resources))
