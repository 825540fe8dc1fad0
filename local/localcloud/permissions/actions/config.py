"""AWS Config."""

from __future__ import annotations

from moto.config.models import config_backends

from localcloud.permissions.actions.operation import Place, Request, on, on_anything
from localcloud.settings import ACCOUNT_ID


def _rule(request: Request, place: Place) -> str:
    """Rules are called by name, and known to IAM by an id that AWS Config gives them."""
    rule = config_backends[ACCOUNT_ID][place.region].config_rules.get(request["ConfigRuleName"])
    return rule.config_rule_arn if rule else place.arn("config", "config-rule/unknown")


OPERATIONS = {
    "DescribeComplianceByConfigRule": on_anything("config:DescribeComplianceByConfigRule"),
    "DescribeConfigRules": on_anything("config:DescribeConfigRules"),
    "GetComplianceDetailsByConfigRule": on("config:GetComplianceDetailsByConfigRule", _rule),
    "GetComplianceDetailsByResource": on_anything("config:GetComplianceDetailsByResource"),
}
