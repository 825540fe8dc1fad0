"""The actions that call AWS and run scripts."""

import json
import threading
import time

import pytest
from localcloud.automation.behaviour import behaviour

SCRIPT_IDENTITY = "import boto3; return boto3.client('sts').get_caller_identity()['Arn']"


def api(name, service, operation, outputs=(), **inputs):
    return {
        "name": name,
        "action": "aws:executeAwsApi",
        "inputs": {"Service": service, "Api": operation, **inputs},
        "outputs": [{"Name": key, "Selector": path, "Type": kind} for key, path, kind in outputs],
    }


def watch(kind, selector, desired, **properties):
    inputs = {"Service": "ec2", "Api": "describe_vpcs", "VpcIds": ["{{ Vpc }}"]}
    inputs |= {"PropertySelector": selector, "DesiredValues": desired}
    return {"name": "Watch", "action": f"aws:{kind}AwsResourceProperty", "inputs": inputs, **properties}


@pytest.fixture(scope="module")
def vpc(automation):
    """Return a VPC."""
    return automation.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def run_with_vpc(automation, vpc):
    """Return a function that runs steps that know the VPC."""

    def run(*steps):
        return automation.run(list(steps), {"Vpc": [vpc]}, parameters={"Vpc": {"type": "String"}})

    return run


@pytest.mark.parametrize("operation", ["DescribeVpcs", "describe_vpcs"])
def test_an_api_is_called_under_the_role(run_with_vpc, vpc, wait_for_journal, operation):
    outputs = [("Cidr", "$.Vpcs[0].CidrBlock", "String"), ("Default", "$.Vpcs[0].IsDefault", "Boolean")]
    execution = run_with_vpc(api("Look", "ec2", operation, outputs, VpcIds=["{{ Vpc }}"]))

    [look] = execution["StepExecutions"]
    assert (look["Outputs"]["Cidr"], look["Outputs"]["Default"]) == (["10.0.0.0/16"], ["false"])
    assert json.loads(look["Outputs"]["OutputPayload"][0])["Vpcs"][0]["VpcId"] == vpc
    assert look["Inputs"] == {"Service": '"ec2"', "Api": f'"{operation}"', "VpcIds": f'["{vpc}"]'}
    session = f"assumed-role/mend-network/Automation-{execution['AutomationExecutionId']}"
    call = wait_for_journal(
        lambda entry: entry["kind"] == "api-call" and entry["principal"].endswith(session)
    )
    assert (call["service"], call["operation"]) == ("ec2", "DescribeVpcs")


def test_times_and_bytes_become_text(automation):
    key = automation.client("kms").create_key()["KeyMetadata"]["KeyId"]
    outputs = [("Sealed", "$.CiphertextBlob", "String")]
    steps = [
        api("Seal", "kms", "Encrypt", outputs, KeyId=key, Plaintext="secret"),
        api("Look", "kms", "DescribeKey", [("Made", "$.KeyMetadata.CreationDate", "String")], KeyId=key),
    ]

    sealed, look = automation.run(steps)["StepExecutions"]

    assert sealed["StepStatus"] == "Success"
    assert sealed["Outputs"]["Sealed"][0].isascii()
    assert look["Outputs"]["Made"][0].startswith("20")


@pytest.mark.parametrize(
    ("inputs", "message", "stage"),
    [
        (
            {"VpcIds": ["vpc-00000000"]},
            "(InvalidVpcID.NotFound) when calling the DescribeVpcs operation",
            "Invocation",
        ),
        ({"VpcIds": "{{ Vpc }}"}, "Invalid type for parameter VpcIds", "InputValidation"),
        ({"vpcIds": ["{{ Vpc }}"]}, 'Unknown parameter in input: "vpcIds"', "InputValidation"),
        ({"MaxResults": "5"}, "Invalid type for parameter MaxResults", "InputValidation"),
    ],
)
def test_a_failed_call_fails_the_step_with_its_message(run_with_vpc, inputs, message, stage):
    execution = run_with_vpc(api("Look", "ec2", "DescribeVpcs", **inputs))

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert message in execution["FailureMessage"]
    assert execution["StepExecutions"][0]["FailureDetails"]["FailureStage"] == stage


@pytest.mark.parametrize(
    ("selector", "desired", "status"),
    [
        ("$.Vpcs[0].State", ["available"], "Success"),
        ("$.Vpcs[0].State", ["pending", "available"], "Success"),
        ("$.Vpcs[0].State", ["pending"], "Failed"),
        ("$.Vpcs[0].IsDefault", ["False"], "Success"),
        ("$.Vpcs[0].IsDefault", ["false"], "Failed"),
        ("$.Vpcs[0].Missing", ["x"], "Failed"),
    ],
)
def test_an_assertion_looks_once(run_with_vpc, selector, desired, status):
    execution = run_with_vpc(watch("assert", selector, desired))

    assert execution["AutomationExecutionStatus"] == status
    if status == "Failed":
        assert "Property value assertion failed: " in execution["FailureMessage"]
        assert execution["StepExecutions"][0]["FailureDetails"]["FailureType"] == "Verification"


@pytest.mark.parametrize(
    ("selector", "desired", "message"),
    [
        ("$.Vpcs..State", ["available"], "selects several values is not supported"),
        ("$.Vpcs[0].IsDefault", [False], "writes booleans as text"),
        ("$.Vpcs[0].State", "available", "not a list"),
    ],
)
def test_an_unclear_desire_is_refused(run_with_vpc, selector, desired, message):
    with pytest.raises(Exception, match=message):
        run_with_vpc(watch("assert", selector, desired))


def test_a_wait_looks_until_the_property_is_as_desired(automation, vpc, wait_for_journal):
    name = automation.create(
        [watch("waitFor", "$.Vpcs[0].Tags[0].Value", ["ready"])], parameters={"Vpc": {"type": "String"}}
    )
    started = automation.start(name, Parameters={"Vpc": [vpc]})
    wait_for_journal(lambda entry: entry["kind"] == "api-call" and started in entry["principal"])
    assert automation.get(started)["AutomationExecutionStatus"] == "InProgress"

    automation.client("ec2").create_tags(Resources=[vpc], Tags=[{"Key": "state", "Value": "ready"}])

    assert automation.wait(started)["AutomationExecutionStatus"] == "Success"


def test_a_wait_in_vain_times_out_and_says_what_it_saw(run_with_vpc):
    execution = run_with_vpc(watch("waitFor", "$.Vpcs[0].State", ["gone"], timeoutSeconds=1))

    assert execution["AutomationExecutionStatus"] == "TimedOut"
    assert "last seen: $.Vpcs[0].State is available, desired is gone" in execution["FailureMessage"]


def test_a_script_gets_its_payload_and_returns_one(automation, script):
    steps = [
        script(
            "Echo", "print('log line'); return {'got': events, 'context': context}", {"a": [1, None, True]}
        ),
        script("Bare", "return events"),
    ]

    echo, bare = automation.run(steps)["StepExecutions"]

    payload = json.loads(echo["Outputs"]["OutputPayload"][0])
    assert payload == {
        "Payload": {"got": {"a": [1, None, True]}, "context": {}},
        "ExecutionLog": "log line\n",
    }
    assert bare["Outputs"]["Payload"] == ["{}"]


def test_a_script_uses_boto3_under_the_role_and_nothing_of_the_host(automation, script, monkeypatch):
    monkeypatch.setenv("MEND_SECRET", "of the host")
    steps = [script("Who", SCRIPT_IDENTITY), script("Environment", "import os; return sorted(os.environ)")]

    execution = automation.run(steps)

    who, environment = execution["StepExecutions"]
    session = f"assumed-role/mend-network/Automation-{execution['AutomationExecutionId']}"
    assert who["Outputs"]["Payload"] == [f"arn:aws:sts::123456789012:{session}"]
    names = environment["Outputs"]["Payload"]
    assert "AWS_SESSION_TOKEN" in names
    assert "MEND_SECRET" not in names


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no such group')", "ValueError: no such group"),
        ("return events['missing']", 'File "Script", line 2, in handler'),
        (
            "import sys; print('parting words'); sys.exit(3)",
            "The script ended its process. Its output: parting words",
        ),
        ("return {1, 2}", "TypeError: Object of type set is not JSON serializable"),
        ("return float('nan')", "ValueError: Out of range float values are not JSON compliant"),
        ("return 'x' * 110000", "more than 100 KB"),
        ("return list(range(101))", "101 items"),
    ],
)
def test_a_script_that_fails_says_why(automation, script, body, message):
    execution = automation.run([script("Run", body)])

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert message in execution["FailureMessage"]


def test_a_handler_that_is_not_there_is_named(automation, script):
    step = script("Run", "return 1")
    step["inputs"]["Handler"] = "other"

    assert "the script defines no function other" in automation.run([step])["FailureMessage"]


def test_a_script_that_hangs_is_ended(automation, script):
    before = time.monotonic()

    execution = automation.run([script("Run", "import time; time.sleep(60)", timeoutSeconds=1)])

    assert execution["AutomationExecutionStatus"] == "TimedOut"
    assert time.monotonic() - before < 5


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        ({"Duration": "PT0S"}, "Success"),
        ({"Duration": "P0DT0H0M1S"}, "Success"),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, "Success"),
        ({"Duration": "1 minute"}, "Failed"),
        ({"Duration": "-PT1S"}, "Failed"),
        ({"Duration": "P8D"}, "Failed"),
        ({"Timestamp": "tomorrow"}, "Failed"),
    ],
)
def test_a_sleep_takes_durations_and_moments(automation, step, inputs, status):
    assert automation.run([step("Sleep", inputs=inputs)])["AutomationExecutionStatus"] == status


def test_a_sleep_lasts_as_long_as_it_says(automation, step):
    [slept] = automation.run([step("Sleep", inputs={"Duration": "PT1S"})])["StepExecutions"]

    assert (slept["ExecutionEndTime"] - slept["ExecutionStartTime"]).total_seconds() >= 1


def test_a_runbook_of_six_steps_is_quick(automation, script, vpc):
    steps = []
    for number in range(3):
        steps.append(api(f"Look{number}", "ec2", "DescribeVpcs", VpcIds=[vpc]))
        steps.append(script(f"Think{number}", "return events", {"n": number}))

    execution = automation.run(steps)

    assert execution["AutomationExecutionStatus"] == "Success"
    took = execution["ExecutionEndTime"] - execution["ExecutionStartTime"]
    assert took.total_seconds() < 1.5


def test_an_execution_waits_while_too_many_run(automation, step, wait_for_journal, monkeypatch):
    monkeypatch.setattr(behaviour, "running_that_wait", 1)
    name = automation.create([step("Sleep", inputs={"Duration": "PT1S"})])

    first = automation.start(name)
    wait_for_journal(lambda entry: entry.get("execution_id") == first)
    second = automation.start(name)

    assert automation.get(second)["AutomationExecutionStatus"] == "Pending"
    assert automation.wait(first)["AutomationExecutionStatus"] == "Success"
    assert automation.wait(second)["AutomationExecutionStatus"] == "Success"


def test_executions_run_side_by_side(automation, step):
    name = automation.create([step("Sleep", inputs={"Duration": "PT1S"})])
    before = time.monotonic()
    threads = [threading.Thread(target=lambda: automation.wait(automation.start(name))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert time.monotonic() - before < 5
