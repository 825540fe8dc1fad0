"""The event "Config Rules Compliance Change": what AWS Config says when a rule has found something new.

Whoever puts such an event on the bus stands for AWS Config, so the API agrees with it from then on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.config.models import ConfigBackend, ConfigRule

from localcloud import clock
from localcloud.config.evaluations import Evaluation, config, evaluations_of
from localcloud.events.bus import publish
from localcloud.events.envelope import Event, wrap
from localcloud.settings import ACCOUNT_ID, REGION

DETAIL_TYPE = "Config Rules Compliance Change"
SOME_MANAGED_RULE = "INCOMING_SSH_DISABLED"
SERVICE_RULE = "config-rule/aws-service-rule/"


def announce(evaluation: Evaluation, before: Evaluation | None) -> None:
    """Put the event on the default bus, if the evaluation says something new."""
    if before and before.compliance_type == evaluation.compliance_type:
        return
    detail: dict[str, Any] = {
        "resourceId": evaluation.resource_id,
        "awsRegion": REGION,
        "awsAccountId": ACCOUNT_ID,
        "configRuleName": evaluation.rule,
        "recordVersion": "1.0",
        "configRuleARN": config().config_rules[evaluation.rule].config_rule_arn,
        "messageType": "ComplianceChangeNotification",
        "newEvaluationResult": _result(evaluation),
        "notificationCreationTime": _text(clock.now()),
        "resourceType": evaluation.resource_type,
    }
    if before:
        detail["oldEvaluationResult"] = _result(before)
    publish(wrap(DETAIL_TYPE, "aws.config", detail))


def remember(event: Event) -> None:
    """Record what an event says, if it is one of AWS Config about this account and Region."""
    if (event["source"], event["detail-type"]) != ("aws.config", DETAIL_TYPE):
        return
    detail = event["detail"]
    if (detail.get("awsAccountId"), detail.get("awsRegion")) != (ACCOUNT_ID, REGION):
        return
    try:
        evaluation = _evaluation(detail)
        arn = str(detail["configRuleARN"])
    except (AttributeError, KeyError, TypeError, ValueError):
        # Not an event that AWS Config sends: tests of functions put such ones on the bus.
        return
    backend = config()
    if evaluation.rule not in backend.config_rules:
        backend.config_rules[evaluation.rule] = _rule_of_event(backend, evaluation.rule, arn)
    evaluations_of(backend).record(evaluation)


def _evaluation(detail: dict[str, Any]) -> Evaluation:
    result = detail["newEvaluationResult"]
    return Evaluation(
        rule=str(detail["configRuleName"]),
        resource_type=str(detail["resourceType"]),
        resource_id=str(detail["resourceId"]),
        compliance_type=str(result["complianceType"]),
        ordering_time=datetime.fromisoformat(result["evaluationResultIdentifier"]["orderingTimestamp"]),
        recorded_time=datetime.fromisoformat(result["resultRecordedTime"]),
        invoked_time=datetime.fromisoformat(result["configRuleInvokedTime"]),
        annotation=result.get("annotation"),
    )


def _rule_of_event(backend: ConfigBackend, name: str, arn: str) -> ConfigRule:
    """Return a rule that nobody has put, but that must be there, because there is an event of it."""
    source = {"Owner": "AWS", "SourceIdentifier": SOME_MANAGED_RULE}
    rule = ConfigRule(backend.account_id, REGION, {"ConfigRuleName": name, "Source": source}, {})
    rule.description = "The local cloud knows this rule from an event only."
    rule.source.source_identifier = name.upper().replace("-", "_")
    rule.config_rule_arn, rule.config_rule_id = arn, arn.rsplit("/", 1)[-1]
    if SERVICE_RULE in arn:
        rule.created_by = arn.split(SERVICE_RULE)[1].split("/")[0]
    return rule


def _result(evaluation: Evaluation) -> dict[str, Any]:
    result = {
        "evaluationResultIdentifier": {
            "evaluationResultQualifier": {
                "configRuleName": evaluation.rule,
                "resourceType": evaluation.resource_type,
                "resourceId": evaluation.resource_id,
                "evaluationMode": "DETECTIVE",
            },
            "orderingTimestamp": _text(evaluation.ordering_time),
        },
        "complianceType": evaluation.compliance_type,
        "resultRecordedTime": _text(evaluation.recorded_time),
        "configRuleInvokedTime": _text(evaluation.invoked_time),
    }
    return {**result, "annotation": evaluation.annotation} if evaluation.annotation else result


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
