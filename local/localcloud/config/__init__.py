"""AWS Config: moto's rules, and what they found, which moto lacks.

Nothing evaluates a rule here. What a rule found comes in through PutEvaluations, through an event that is put
on the default bus, or through the control API, for an event that never came; and all of it can be asked for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moto.config.models import ConfigBackend
from moto.config.responses import ConfigResponse

from localcloud import clock, control
from localcloud.config import change_events
from localcloud.config.evaluations import Evaluation, config, evaluations_of
from localcloud.config.operations import OPERATIONS
from localcloud.events import bus

__all__ = ["install", "record_evaluation"]

COMPLIANCE_TYPES = ("COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE")


def install() -> None:
    """Give moto's AWS Config its evaluations."""
    for method in OPERATIONS:
        setattr(ConfigResponse, method.__name__, method)
    ConfigBackend.delete_config_rule = _forgetting(ConfigBackend.delete_config_rule)
    bus.listeners.append(change_events.remember)


def record_evaluation(
    rule: str,
    resource_type: str,
    resource_id: str,
    compliance_type: str,
    at: datetime | None = None,
    annotation: str | None = None,
) -> None:
    """Let a rule have found something without telling anybody: a lost event."""
    backend = config()
    if rule not in backend.config_rules:
        raise ValueError(f"There is no Config rule {rule!r}, only {sorted(backend.config_rules)}")
    if compliance_type not in COMPLIANCE_TYPES:
        raise ValueError(f"{compliance_type!r} is none of {', '.join(COMPLIANCE_TYPES)}")
    now = clock.now()
    evaluations_of(backend).record(
        Evaluation(rule, resource_type, resource_id, compliance_type, at or now, now, now, annotation)
    )


@control.route("POST", "config/evaluations")
def _record(body: dict[str, Any], **_: Any) -> dict[str, Any]:
    at = body.pop("at", None)
    record_evaluation(**body, at=datetime.fromisoformat(at) if at else None)
    return {}


def _forgetting(delete_config_rule: Any) -> Any:
    def delete(self: ConfigBackend, rule_name: str) -> None:
        delete_config_rule(self, rule_name)
        evaluations_of(self).forget(rule_name)

    return delete
