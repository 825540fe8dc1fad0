"""What Config rules found about resources: the latest evaluation of each by each."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from moto.config.models import ConfigBackend, config_backends

from localcloud.settings import ACCOUNT_ID, REGION


@dataclass(frozen=True)
class Evaluation:
    """One look of one rule at one resource. Times are in milliseconds, as Config's events write them."""

    rule: str
    resource_type: str
    resource_id: str
    compliance_type: str
    ordering_time: datetime
    recorded_time: datetime
    invoked_time: datetime
    annotation: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, datetime):
                moment = value.replace(tzinfo=value.tzinfo or UTC)
                object.__setattr__(
                    self, field.name, moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
                )

    def result(self, arn: str) -> dict[str, Any]:
        """Return the `EvaluationResult` of the API; the rule's ARN is the token that PutEvaluations takes."""
        qualifier = {
            "ConfigRuleName": self.rule,
            "ResourceType": self.resource_type,
            "ResourceId": self.resource_id,
            "EvaluationMode": "DETECTIVE",
        }
        result = {
            "EvaluationResultIdentifier": {
                "EvaluationResultQualifier": qualifier,
                "OrderingTimestamp": self.ordering_time,
            },
            "ComplianceType": self.compliance_type,
            "ResultRecordedTime": self.recorded_time,
            "ConfigRuleInvokedTime": self.invoked_time,
            "ResultToken": arn,
        }
        return {**result, "Annotation": self.annotation} if self.annotation else result


class Evaluations:
    """The latest evaluations of one account and Region."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str, str], Evaluation] = {}
        self._lock = threading.Lock()

    def record(self, evaluation: Evaluation) -> tuple[bool, Evaluation | None]:
        """Keep the evaluation, unless a later one is known; return whether it was kept, and the known one."""
        key = (evaluation.rule, evaluation.resource_type, evaluation.resource_id)
        with self._lock:
            known = self._latest.get(key)
            kept = known is None or known.ordering_time <= evaluation.ordering_time
            if kept:
                self._latest[key] = evaluation
            return kept, known

    def of_rule(self, rule: str) -> list[Evaluation]:
        """Return what the rule found, in a stable order."""
        with self._lock:
            return [self._latest[key] for key in sorted(self._latest) if key[0] == rule]

    def of_resource(self, resource_type: str, resource_id: str) -> list[Evaluation]:
        """Return what rules found about the resource, in a stable order."""
        with self._lock:
            return [
                self._latest[key] for key in sorted(self._latest) if key[1:] == (resource_type, resource_id)
            ]

    def forget(self, rule: str) -> None:
        """Drop everything that the rule found."""
        with self._lock:
            self._latest = {key: known for key, known in self._latest.items() if key[0] != rule}


_stores_lock = threading.Lock()


def config() -> ConfigBackend:
    """Return the AWS Config of the account's Region."""
    return config_backends[ACCOUNT_ID][REGION]


def evaluations_of(backend: ConfigBackend) -> Evaluations:
    """Return the evaluations of a backend; a reset of moto empties it, and these with it."""
    with _stores_lock:
        if "evaluations" not in vars(backend):
            backend.evaluations = Evaluations()
        return backend.evaluations
