"""Every function: its name, environment, role, logs, and what becomes of an event that it fails on."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DAY = 24 * 60 * 60
FIRST_RETRY = 60
"""Seconds after which Lambda repeats a failed asynchronous invocation."""
SECOND_RETRY = 120
"""Seconds from the first repetition to the second."""
RECONCILE_INTERVAL = 300
"""Seconds from one run of reconcile to the next."""
LEASE_MARGIN = 5
"""Seconds that a lease in the ledger outlasts the function's time-out."""


def test_a_function_is_named_like_its_folder_and_cargo_package(source):
    folders = set()
    for name, function in source["Resources"].items():
        if function["Type"] != "AWS::Serverless::Function":
            continue
        folder = ROOT / function["Properties"]["CodeUri"]
        folders.add(folder)
        package = tomllib.loads((folder / "Cargo.toml").read_text())["package"]["name"]
        assert package == folder.name
        assert name == "".join(word.capitalize() for word in package.split("-")) + "Function"
        assert function["Properties"]["FunctionName"] == {"Fn::Sub": f"mend-${{Environment}}-{package}"}
        assert function["Metadata"] == {"BuildMethod": "rust-cargolambda"}
    assert folders == {path.parent for path in ROOT.glob("functions/*/Cargo.toml")}


def test_the_environment_is_complete(deployment):
    for name, function in deployment.of_type("AWS::Lambda::Function").items():
        properties = function["Properties"]
        variables = dict(properties["Environment"]["Variables"])
        assert variables.pop("POWERTOOLS_SERVICE_NAME") == properties["FunctionName"].removeprefix(
            "mend-dev-"
        ), name
        if name == "ReconcileFunction":
            assert variables.pop("MEND_NEW_INCIDENTS_PER_RUN") == "20"
        if name == "CircuitBreakerFunction":
            assert variables.pop("MEND_BREAKER_ALARMS") == ""
        assert variables == {
            "MEND_ENVIRONMENT": "dev",
            "MEND_MODE": "observe",
            "MEND_ACCOUNT_ID": "123456789012",
            "MEND_PARTITION": "aws",
            "MEND_LEDGER_TABLE": "LedgerTable",
            "MEND_TOPIC_ARN": "NotificationTopic",
            "MEND_EVENT_BUS": "EventBus.Name",
            "MEND_AUTOMATION_ROLES": "network=NetworkAutomationRole.Arn,storage=StorageAutomationRole.Arn,"
            "encryption=EncryptionAutomationRole.Arn",
            "MEND_CHANGE_CALENDARS": "Freeze",
            "MEND_APPROVERS": "",
            "MEND_APPROVAL_TOPIC_ARN": "ApprovalTopic",
            "MEND_APPROVAL_ROLE_ARN": "ApprovalAutomationRole.Arn",
            "MEND_RUNNING_ATTEMPTS": "25",
            "MEND_STORM_THRESHOLD": "20",
            "MEND_TIMEOUT_SECONDS": str(properties["Timeout"]),
            "SSL_CERT_FILE": "/etc/pki/tls/certs/ca-bundle.crt",
        }, name


def test_a_lease_has_run_out_when_lambda_retries(deployment):
    for name, function in deployment.of_type("AWS::Lambda::Function").items():
        assert function["Properties"]["Timeout"] + LEASE_MARGIN < FIRST_RETRY, name


def test_the_architecture_is_a_choice(deploy):
    for architecture in ("x86_64", "arm64"):
        functions = deploy(Architecture=architecture).of_type("AWS::Lambda::Function")
        assert {tuple(f["Properties"]["Architectures"]) for f in functions.values()} == {(architecture,)}


def test_concurrency_is_reserved_only_when_asked_for(deploy):
    for function in deploy().of_type("AWS::Lambda::Function").values():
        assert "ReservedConcurrentExecutions" not in function["Properties"]
    for name, function in deploy(ReservedConcurrency="5").of_type("AWS::Lambda::Function").items():
        runs_at_once = 1 if name == "ReconcileFunction" else "5"
        assert function["Properties"]["ReservedConcurrentExecutions"] == runs_at_once


def test_every_function_has_a_log_group_of_its_own(deployment):
    groups = deployment.of_type("AWS::Logs::LogGroup")
    functions = deployment.of_type("AWS::Lambda::Function")
    for name, function in functions.items():
        group = groups[function["Properties"]["LoggingConfig"]["LogGroup"]]["Properties"]
        assert group["LogGroupName"] == f"/aws/lambda/{function['Properties']['FunctionName']}", name
        assert int(group["RetentionInDays"]) > 0, name
    assert len(groups) == len(functions)


def test_an_event_that_a_function_fails_on_is_retried_and_then_kept(deployment):
    configurations = {
        config["Properties"]["FunctionName"]: config["Properties"]
        for config in deployment.of_type("AWS::Lambda::EventInvokeConfig").values()
    }
    assert configurations.keys() == deployment.of_type("AWS::Lambda::Function").keys()
    for name, config in configurations.items():
        if name == "ReconcileFunction":
            continue  # it has a test of its own
        assert config["MaximumRetryAttempts"] == 2, name
        assert config["DestinationConfig"] == {"OnFailure": {"Destination": "DeadLetterQueue.Arn"}}, name


def test_no_event_is_delivered_when_it_is_too_old_to_be_acted_on(deployment):
    for config in deployment.of_type("AWS::Lambda::EventInvokeConfig").values():
        for rule in deployment.of_type("AWS::Events::Rule").values():
            retry = rule["Properties"]["Targets"][0]["RetryPolicy"]
            assert retry["MaximumEventAgeInSeconds"] + config["Properties"]["MaximumEventAgeInSeconds"] < DAY


def test_a_run_of_reconcile_that_cannot_be_begun_is_left_to_the_next(deployment):
    (schedule,) = deployment.of_type("AWS::Scheduler::Schedule").values()
    target = schedule["Properties"]["Target"]
    assert target["Arn"] == "ReconcileFunction.Arn"
    assert schedule["Properties"]["ScheduleExpression"] == "rate(5 minutes)"
    assert schedule["Properties"]["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert target["RetryPolicy"] == {
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": RECONCILE_INTERVAL,
    }
    assert "DeadLetterConfig" not in target


def test_a_switch_that_meets_another_run_of_reconcile_is_tried_again_until_the_next_on_schedule(deployment):
    (config,) = [
        config["Properties"]
        for config in deployment.of_type("AWS::Lambda::EventInvokeConfig").values()
        if config["Properties"]["FunctionName"] == "ReconcileFunction"
    ]
    assert config["MaximumRetryAttempts"] == 2
    assert config["MaximumEventAgeInSeconds"] == RECONCILE_INTERVAL
    timeout = deployment.resources["ReconcileFunction"]["Properties"]["Timeout"]
    assert FIRST_RETRY + SECOND_RETRY + 2 * timeout < RECONCILE_INTERVAL
    # Kept would be what the next run finds out anyway.
    assert not config.get("DestinationConfig")


def test_runs_of_reconcile_do_not_overlap(deployment):
    timeout = deployment.resources["ReconcileFunction"]["Properties"]["Timeout"]
    assert timeout + LEASE_MARGIN < RECONCILE_INTERVAL


def test_every_family_that_a_route_names_has_its_role(automation_roles):
    routes = [route for path in ROOT.glob("policy/*.yaml") for route in yaml.safe_load(path.read_text())]
    assert {route["role"] for route in routes} <= automation_roles.keys()
