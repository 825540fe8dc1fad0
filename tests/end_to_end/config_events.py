"""Events of AWS Config, made from the samples that developers use."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[2] / "events"

Event = dict[str, Any]

_last_look = datetime.min.replace(tzinfo=UTC)


def forget_looks() -> None:
    """Begin anew: another cloud's clock may have been moved."""
    global _last_look
    _last_look = datetime.min.replace(tzinfo=UTC)


def sample(function: str, name: str) -> Event:
    """Read a sample as it stands."""
    return json.loads((SAMPLES / function / f"{name}.json").read_text())


def sample_names(function: str) -> list[str]:
    """Return the names of all samples of a function."""
    return sorted(path.stem for path in (SAMPLES / function).glob("*.json"))


def a_look() -> datetime:
    """Return the time of a new look of a Config rule: now, and later than every look before."""
    global _last_look
    _last_look = max(datetime.now(UTC), _last_look + timedelta(milliseconds=1))
    return _last_look


def compliance_change(
    resource_id: str,
    compliance: str = "NON_COMPLIANT",
    rule: str = "restricted-ssh",
    at: datetime | None = None,
) -> Event:
    """Return the whole event that says what a rule found at a resource, when it looked at it."""
    event = about(sample("config-compliance", "open-ssh"), resource_id, at)
    event["detail"]["configRuleName"] = rule
    event["detail"]["newEvaluationResult"]["complianceType"] = compliance
    return event


def about(event: Event, resource_id: str, at: datetime | None = None) -> Event:
    """Return the event, about another resource and as of another time."""
    event = deepcopy(event)
    look = at or a_look()
    event["time"] = look.strftime("%Y-%m-%dT%H:%M:%SZ")
    event["detail"]["resourceId"] = resource_id
    identifier = event["detail"]["newEvaluationResult"]["evaluationResultIdentifier"]
    identifier["evaluationResultQualifier"]["resourceId"] = resource_id
    identifier["orderingTimestamp"] = timestamp(look)
    event["detail"]["newEvaluationResult"]["resultRecordedTime"] = timestamp(look)
    return event


def timestamp(moment: datetime) -> str:
    """Write a time as Config does."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def changed(event: Event, path: str, value: Any) -> Event:
    """Return the event with another value at a path like `detail.resourceId`; `...` takes the field away."""
    event = deepcopy(event)
    *above, field = path.split(".")
    part = event
    for name in above:
        part = part[name]
    if value is ...:
        del part[field]
    else:
        part[field] = value
    return event
