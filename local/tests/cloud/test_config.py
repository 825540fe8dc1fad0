"""AWS Config: rules, what they found, and that events and API agree."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client
from localcloud.server import LocalCloud

GROUP = "AWS::EC2::SecurityGroup"
NOW = datetime(2026, 11, 24, 5, 5, 50, 123_000, tzinfo=UTC)
RULE = "restricted-ssh"
SERVICE_RULES = "arn:aws:config:eu-central-1:123456789012:config-rule/aws-service-rule"


@pytest.fixture
def cloud(binaries: Path) -> Iterator[LocalCloud]:
    """A local cloud of its own for each test: what a rule found stays."""
    with LocalCloud(binaries=binaries) as running:
        yield running


@pytest.fixture
def config(cloud: LocalCloud) -> Any:
    """AWS Config with one rule."""
    config = client("config")
    put_rule(config, RULE)
    return config


def put_rule(config: Any, name: str) -> None:
    source = {"Owner": "AWS", "SourceIdentifier": "INCOMING_SSH_DISABLED"}
    config.put_config_rule(ConfigRule={"ConfigRuleName": name, "Source": source})


def error_of(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


def put(config: Any, *evaluations: tuple[str, str, datetime], rule: str = RULE, **extra: Any) -> None:
    (described,) = config.describe_config_rules(ConfigRuleNames=[rule])["ConfigRules"]
    config.put_evaluations(
        ResultToken=described["ConfigRuleArn"],
        Evaluations=[
            {
                "ComplianceResourceType": GROUP,
                "ComplianceResourceId": resource,
                "ComplianceType": compliance_type,
                "OrderingTimestamp": at,
                **extra,
            }
            for resource, compliance_type, at in evaluations
        ],
    )


def found(config: Any, rule: str = RULE, **parameters: Any) -> list[tuple[str, str]]:
    results = config.get_compliance_details_by_config_rule(ConfigRuleName=rule, **parameters)
    return [
        (
            result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ResourceId"],
            result["ComplianceType"],
        )
        for result in results["EvaluationResults"]
    ]


def change(resource: str, compliance_type: str, at: str, rule: str = RULE, **detail: Any) -> dict[str, Any]:
    qualifier = {"configRuleName": rule, "resourceType": GROUP, "resourceId": resource}
    return {
        "Source": "aws.config",
        "DetailType": "Config Rules Compliance Change",
        "Detail": json.dumps(
            {
                "resourceId": resource,
                "awsRegion": "eu-central-1",
                "awsAccountId": "123456789012",
                "configRuleName": rule,
                "configRuleARN": f"{SERVICE_RULES}/config-conforms.amazonaws.com/{rule}-id",
                "messageType": "ComplianceChangeNotification",
                "resourceType": GROUP,
                "newEvaluationResult": {
                    "evaluationResultIdentifier": {
                        "evaluationResultQualifier": qualifier,
                        "orderingTimestamp": at,
                    },
                    "complianceType": compliance_type,
                    "resultRecordedTime": "2026-11-24T06:00:00.000Z",
                    "configRuleInvokedTime": "2026-11-24T05:59:00.000Z",
                    "annotation": "open to the world",
                },
                **detail,
            }
        ),
    }


def test_a_result_has_all_its_times(config: Any):
    put(config, ("sg-1", "NON_COMPLIANT", NOW), Annotation="open")
    (result,) = config.get_compliance_details_by_resource(ResourceType=GROUP, ResourceId="sg-1")[
        "EvaluationResults"
    ]
    assert result["EvaluationResultIdentifier"] == {
        "EvaluationResultQualifier": {
            "ConfigRuleName": RULE,
            "ResourceType": GROUP,
            "ResourceId": "sg-1",
            "EvaluationMode": "DETECTIVE",
        },
        "OrderingTimestamp": NOW,
    }
    assert (result["ComplianceType"], result["Annotation"]) == ("NON_COMPLIANT", "open")
    assert abs(result["ResultRecordedTime"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(result["ConfigRuleInvokedTime"] - datetime.now(UTC)) < timedelta(minutes=1)


def test_results_are_filtered_and_paged(config: Any):
    put(config, *((f"sg-{n:02}", "NON_COMPLIANT" if n < 23 else "COMPLIANT", NOW) for n in range(25)))
    ask = config.get_compliance_details_by_config_rule
    sizes = []
    token: dict[str, str] = {}
    while True:
        answer = ask(ConfigRuleName=RULE, ComplianceTypes=["NON_COMPLIANT"], **token)
        sizes.append(len(answer["EvaluationResults"]))
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert sizes == [10, 10, 3]
    assert len(found(config, Limit=100)) == 25
    assert len(found(config, Limit=0)) == 10
    assert found(config, ComplianceTypes=["COMPLIANT"]) == [("sg-23", "COMPLIANT"), ("sg-24", "COMPLIANT")]
    assert error_of(ask, ConfigRuleName=RULE, NextToken="x") == "InvalidNextTokenException"
    assert error_of(ask, ConfigRuleName="absent") == "NoSuchConfigRuleException"
    insufficient = ["INSUFFICIENT_DATA"]
    assert (
        error_of(ask, ConfigRuleName=RULE, ComplianceTypes=insufficient) == "InvalidParameterValueException"
    )


def test_a_resource_has_the_results_of_all_rules(config: Any):
    names = [f"rule-{n:02}" for n in range(12)]
    for name in names:
        put_rule(config, name)
        put(config, ("sg-1", "NON_COMPLIANT", NOW), ("sg-2", "COMPLIANT", NOW), rule=name)
    pages = config.get_paginator("get_compliance_details_by_resource").paginate(
        ResourceType=GROUP, ResourceId="sg-1", ComplianceTypes=["NON_COMPLIANT"]
    )
    results = [page["EvaluationResults"] for page in pages]
    assert [len(page) for page in results] == [10, 2]
    assert [
        result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ConfigRuleName"]
        for page in results
        for result in page
    ] == names
    ask = config.get_compliance_details_by_resource
    assert ask(ResourceType=GROUP, ResourceId="sg-3")["EvaluationResults"] == []
    for wrong in ({}, {"ResourceType": GROUP}, {"ResourceType": GROUP, "ResourceId": "x", "NextToken": "y"}):
        assert error_of(ask, **wrong) == "InvalidParameterValueException"


def test_rules_are_paged_and_say_whether_they_are_kept(config: Any):
    for n in range(30):
        put_rule(config, f"rule-{n:02}")
    assert [
        len(page["ConfigRules"]) for page in config.get_paginator("describe_config_rules").paginate()
    ] == [25, 6]
    (rule,) = config.describe_config_rules(ConfigRuleNames=["rule-07"])["ConfigRules"]
    assert rule["ConfigRuleState"] == "ACTIVE"
    assert rule["Source"] == {"Owner": "AWS", "SourceIdentifier": "INCOMING_SSH_DISABLED"}
    proactive = {"EvaluationMode": "PROACTIVE"}
    assert config.describe_config_rules(Filters=proactive)["ConfigRules"] == []
    assert error_of(config.describe_config_rules, ConfigRuleNames=["absent"]) == "NoSuchConfigRuleException"
    assert error_of(config.describe_config_rules, NextToken="x") == "InvalidNextTokenException"
    put(config, *((f"sg-{n:02}", "NON_COMPLIANT", NOW) for n in range(26)), rule="rule-00")
    put(config, ("sg-1", "COMPLIANT", NOW), rule="rule-01")
    names = ["rule-00", "rule-01", "rule-02"]
    compliance = config.describe_compliance_by_config_rule(ConfigRuleNames=names)["ComplianceByConfigRules"]
    assert [entry["Compliance"] for entry in compliance] == [
        {
            "ComplianceType": "NON_COMPLIANT",
            "ComplianceContributorCount": {"CappedCount": 25, "CapExceeded": True},
        },
        {"ComplianceType": "COMPLIANT"},
        {"ComplianceType": "INSUFFICIENT_DATA"},
    ]
    (broken,) = config.describe_compliance_by_config_rule(ComplianceTypes=["NON_COMPLIANT"])[
        "ComplianceByConfigRules"
    ]
    assert broken["ConfigRuleName"] == "rule-00"


def test_what_is_new_is_told_by_an_event(config: Any, watch: Any):
    put(config, ("sg-1", "NON_COMPLIANT", NOW))
    put(config, ("sg-1", "NON_COMPLIANT", NOW + timedelta(hours=1)))
    put(config, ("sg-1", "COMPLIANT", NOW + timedelta(hours=2)))
    first, second = (entry["event"]["detail"] for entry in watch.entries("event"))
    assert "oldEvaluationResult" not in first
    assert first["newEvaluationResult"]["complianceType"] == "NON_COMPLIANT"
    identifier = second["oldEvaluationResult"]["evaluationResultIdentifier"]
    assert identifier["orderingTimestamp"] == "2026-11-24T06:05:50.123Z"
    assert second["newEvaluationResult"]["complianceType"] == "COMPLIANT"
    (rule,) = config.describe_config_rules()["ConfigRules"]
    assert second["configRuleARN"] == rule["ConfigRuleArn"]
    assert (second["resourceType"], second["resourceId"]) == (GROUP, "sg-1")


def test_an_event_is_remembered(config: Any):
    events = client("events")
    events.put_events(
        Entries=[
            change("sg-1", "NON_COMPLIANT", "2026-11-24T05:05:50.000Z"),
            change("sg-2", "NON_COMPLIANT", "2026-11-24T05:05:50.000Z", rule="of-a-pack"),
        ]
    )
    assert found(config) == [("sg-1", "NON_COMPLIANT")]
    (result,) = config.get_compliance_details_by_config_rule(ConfigRuleName="of-a-pack")["EvaluationResults"]
    assert result["ResultRecordedTime"] == datetime(2026, 11, 24, 6, tzinfo=UTC)
    assert result["Annotation"] == "open to the world"
    (rule,) = config.describe_config_rules(ConfigRuleNames=["of-a-pack"])["ConfigRules"]
    assert rule["CreatedBy"] == "config-conforms.amazonaws.com"


def test_what_comes_late_changes_nothing(config: Any):
    events = client("events")
    events.put_events(Entries=[change("sg-1", "COMPLIANT", "2026-11-24T07:00:00.000Z")])
    events.put_events(Entries=[change("sg-1", "NON_COMPLIANT", "2026-11-24T06:00:00.000Z")])
    put(config, ("sg-1", "NON_COMPLIANT", NOW))
    assert found(config) == [("sg-1", "COMPLIANT")]


def test_an_event_of_another_account_or_of_no_shape_is_not_remembered(config: Any):
    at = "2026-11-24T07:00:00.000Z"
    client("events").put_events(
        Entries=[
            change("sg-1", "NON_COMPLIANT", at, awsAccountId="999999999999"),
            change("sg-2", "NON_COMPLIANT", at, awsRegion="us-east-1"),
            change("sg-3", "NON_COMPLIANT", "yesterday"),
            change("sg-4", "NON_COMPLIANT", at, newEvaluationResult="none"),
        ]
    )
    assert found(config) == []


def test_a_lost_event_is_known_to_the_api_only(cloud: LocalCloud, config: Any, watch: Any):
    cloud.record_evaluation(RULE, GROUP, "sg-1", "NON_COMPLIANT", at=NOW)

    def post(**body: Any) -> None:
        url = f"{cloud.endpoint_url}/_local/config/evaluations"
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode())).close()

    lost = {"rule": RULE, "resource_type": GROUP, "resource_id": "sg-2", "compliance_type": "NON_COMPLIANT"}
    post(**lost)
    assert found(config) == [("sg-1", "NON_COMPLIANT"), ("sg-2", "NON_COMPLIANT")]
    assert watch.entries("event") == []
    for wrong in ({"rule": "absent"}, {"compliance_type": "BROKEN"}, {"at": "yesterday"}, {"since": "x"}):
        with pytest.raises(HTTPError) as error:
            post(**{**lost, **wrong})
        assert error.value.code == 400


def test_a_token_names_the_rule(config: Any):
    evaluation = {
        "ComplianceResourceType": GROUP,
        "ComplianceResourceId": "sg-1",
        "ComplianceType": "NON_COMPLIANT",
        "OrderingTimestamp": NOW,
    }
    put(config, ("sg-1", "COMPLIANT", NOW - timedelta(hours=1)))
    (known,) = config.get_compliance_details_by_config_rule(ConfigRuleName=RULE)["EvaluationResults"]
    config.put_evaluations(Evaluations=[evaluation], ResultToken="any", TestMode=True)
    assert found(config) == [("sg-1", "COMPLIANT")]
    config.put_evaluations(Evaluations=[evaluation], ResultToken=known["ResultToken"])
    assert found(config) == [("sg-1", "NON_COMPLIANT")]
    put_again = config.put_evaluations
    assert error_of(put_again, Evaluations=[evaluation], ResultToken="any") == "InvalidResultTokenException"
    evaluation["ComplianceType"] = "INSUFFICIENT_DATA"
    token = known["ResultToken"]
    assert (
        error_of(put_again, Evaluations=[evaluation], ResultToken=token) == "InvalidParameterValueException"
    )


def test_a_rule_that_is_deleted_takes_its_results_along(config: Any):
    put(config, ("sg-1", "NON_COMPLIANT", NOW))
    config.delete_config_rule(ConfigRuleName=RULE)
    assert (
        config.get_compliance_details_by_resource(ResourceType=GROUP, ResourceId="sg-1")["EvaluationResults"]
        == []
    )
    put_rule(config, RULE)
    assert found(config) == []
