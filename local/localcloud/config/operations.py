"""The API operations of AWS Config that are about rules and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from moto.config.models import ConfigBackend, ConfigRule
from moto.config.responses import ConfigResponse

from localcloud import clock
from localcloud.config import change_events
from localcloud.config.evaluations import Evaluation, evaluations_of
from localcloud.errors import ServiceError
from localcloud.model import operation, service_model
from localcloud.paging import UnknownToken, page

RULES_OF_A_PAGE = 25
RESULTS_OF_A_PAGE = 10
MOST_CONTRIBUTORS = 25

Request = dict[str, Any]


@operation("DescribeConfigRules")
def describe_config_rules(response: ConfigResponse, request: Request) -> dict[str, Any]:
    """Describe the rules, page by page; all of them are detective."""
    rules = _rules(response.config_backend, request.get("ConfigRuleNames"))
    if request.get("Filters", {}).get("EvaluationMode") == "PROACTIVE":
        rules = []
    shown, token = _page(rules, request, RULES_OF_A_PAGE)
    return _answer("ConfigRules", [_description(rule) for rule in shown], token)


@operation("PutEvaluations")
def put_evaluations(response: ConfigResponse, request: Request) -> dict[str, Any]:
    """Record what a rule found, and tell of what is new; the token is the rule's ARN, as results have it."""
    if request.get("TestMode"):
        return {"FailedEvaluations": []}
    backend = response.config_backend
    rule = next(
        (rule for rule in backend.config_rules.values() if rule.config_rule_arn == request["ResultToken"]),
        None,
    )
    if rule is None:
        raise ServiceError("InvalidResultTokenException", "The resultToken provided is invalid")
    given = request.get("Evaluations", [])
    if any(evaluation["ComplianceType"] == "INSUFFICIENT_DATA" for evaluation in given):
        raise _invalid("PutEvaluations does not take the compliance type INSUFFICIENT_DATA")
    now = clock.now()
    for evaluation in given:
        found = Evaluation(
            rule.config_rule_name,
            evaluation["ComplianceResourceType"],
            evaluation["ComplianceResourceId"],
            evaluation["ComplianceType"],
            datetime.fromtimestamp(evaluation["OrderingTimestamp"], UTC),
            now,
            now,
            evaluation.get("Annotation"),
        )
        kept, before = evaluations_of(backend).record(found)
        if kept:
            change_events.announce(found, before)
    return {"FailedEvaluations": []}


@operation("DescribeComplianceByConfigRule")
def describe_compliance_by_config_rule(response: ConfigResponse, request: Request) -> dict[str, Any]:
    """Say of each rule whether any resource breaks it."""
    backend = response.config_backend
    found = [_compliance(backend, rule) for rule in _rules(backend, request.get("ConfigRuleNames"))]
    wanted = request.get("ComplianceTypes")
    shown, token = _page(
        [entry for entry in found if not wanted or entry["Compliance"]["ComplianceType"] in wanted],
        request,
        RULES_OF_A_PAGE,
    )
    return _answer("ComplianceByConfigRules", shown, token)


@operation("GetComplianceDetailsByConfigRule")
def get_compliance_details_by_config_rule(response: ConfigResponse, request: Request) -> dict[str, Any]:
    """Return what a rule found, page by page."""
    backend = response.config_backend
    (rule,) = _rules(backend, [request["ConfigRuleName"]])
    found = _filtered(evaluations_of(backend).of_rule(rule.config_rule_name), request)
    shown, token = _page(found, request, request.get("Limit") or RESULTS_OF_A_PAGE)
    return _answer("EvaluationResults", _results(backend, shown), token)


@operation("GetComplianceDetailsByResource")
def get_compliance_details_by_resource(response: ConfigResponse, request: Request) -> dict[str, Any]:
    """Return what rules found about a resource, page by page."""
    if not request.keys() >= {"ResourceType", "ResourceId"}:
        raise _invalid(
            "A ResourceType and a ResourceId are needed; the local cloud has no ResourceEvaluationId"
        )
    backend = response.config_backend
    found = evaluations_of(backend).of_resource(request["ResourceType"], request["ResourceId"])
    try:
        shown, token = _page(_filtered(found, request), request, RESULTS_OF_A_PAGE)
    except ServiceError as error:
        # The model of this operation has no error for that alone.
        raise _invalid(error.message) from None
    return _answer("EvaluationResults", _results(backend, shown), token)


OPERATIONS = (
    describe_config_rules,
    put_evaluations,
    describe_compliance_by_config_rule,
    get_compliance_details_by_config_rule,
    get_compliance_details_by_resource,
)


def _rules(backend: ConfigBackend, names: list[str] | None) -> list[ConfigRule]:
    for name in names or ():
        if name not in backend.config_rules:
            raise ServiceError(
                "NoSuchConfigRuleException",
                f"The ConfigRule '{name}' provided in the request is invalid. "
                "Please check the configRule name",
            )
    return [backend.config_rules[name] for name in sorted(names or backend.config_rules)]


def _description(rule: ConfigRule) -> dict[str, Any]:
    known = service_model("config").shape_for("ConfigRule").members
    # moto also shows what it keeps for itself.
    shown = {name: value for name, value in rule.to_dict().items() if name in known}
    return {**shown, "EvaluationModes": [{"Mode": "DETECTIVE"}]}


def _filtered(found: list[Evaluation], request: Request) -> list[Evaluation]:
    wanted = request.get("ComplianceTypes")
    if wanted and "INSUFFICIENT_DATA" in wanted:
        raise _invalid("INSUFFICIENT_DATA cannot be used as a ComplianceType for filtering results")
    return [evaluation for evaluation in found if not wanted or evaluation.compliance_type in wanted]


def _results(backend: ConfigBackend, found: list[Evaluation]) -> list[dict[str, Any]]:
    return [
        evaluation.result(backend.config_rules[evaluation.rule].config_rule_arn)
        for evaluation in found
        if evaluation.rule in backend.config_rules
    ]


def _compliance(backend: ConfigBackend, rule: ConfigRule) -> dict[str, Any]:
    types = [
        evaluation.compliance_type for evaluation in evaluations_of(backend).of_rule(rule.config_rule_name)
    ]
    broken = types.count("NON_COMPLIANT")
    compliance: dict[str, Any] = {"ComplianceType": "INSUFFICIENT_DATA"}
    if broken:
        compliance = {
            "ComplianceType": "NON_COMPLIANT",
            "ComplianceContributorCount": {
                "CappedCount": min(broken, MOST_CONTRIBUTORS),
                "CapExceeded": broken > MOST_CONTRIBUTORS,
            },
        }
    elif "COMPLIANT" in types:
        compliance = {"ComplianceType": "COMPLIANT"}
    return {"ConfigRuleName": rule.config_rule_name, "Compliance": compliance}


def _page(items: Sequence[Any], request: Request, size: int) -> tuple[list[Any], str | None]:
    try:
        return page(items, {"NextToken": request.get("NextToken"), "MaxResults": size})
    except UnknownToken:
        raise ServiceError("InvalidNextTokenException", "The nextToken provided is invalid") from None


def _answer(key: str, shown: list[Any], token: str | None) -> dict[str, Any]:
    return {key: shown, "NextToken": token} if token else {key: shown}


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
