"""AWS's limits on starts and executions, and what AWS leaves open; both can be chosen."""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from localcloud import faults
from localcloud.automation.behaviour import behaviour


@pytest.fixture
def choose(automation):
    """Return a function that makes a choice over the control API, until the test ends."""

    def choose(**choices):
        url = f"{automation.endpoint_url}/_local/automation"
        with urlopen(Request(url, data=json.dumps(choices).encode(), method="POST")) as answer:
            return json.load(answer)

    yield choose
    behaviour.reset()


def test_starts_are_limited_by_choice_only(automation, step, choose, moved_clock):
    name = automation.create([step("Only")])
    assert len({automation.start(name) for _ in range(3)}) == 3
    moved_clock(seconds=1)
    assert choose(starts_per_second=1)["starts_per_second"] == 1

    automation.start(name)
    with pytest.raises(ClientError) as refusal:
        automation.start(name)
    assert refusal.value.response["Error"]["Code"] == "ThrottlingException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    moved_clock(seconds=1)
    automation.start(name)


def test_a_child_waits_until_it_may_start(automation, step, choose):
    child = automation.create([step("Only")])
    parent = automation.create([step("Child", "aws:executeAutomation", {"DocumentName": child})])
    choose(starts_per_second=2)

    assert automation.wait(automation.start(parent))["AutomationExecutionStatus"] == "Success"


def test_an_action_repeats_a_throttled_call_for_so_long(automation, step, choose):
    look = step("Look", "aws:executeAwsApi", {"Service": "ec2", "Api": "DescribeVpcs"})
    with faults.inject("throttle", "ec2", "DescribeVpcs", times=2) as fault:
        assert automation.run([look])["AutomationExecutionStatus"] == "Success"
        assert fault.hits == 2

    choose(throttling_retry_seconds=0)
    with faults.inject("throttle", "ec2", "DescribeVpcs", times=1):
        [failed] = automation.run([look])["StepExecutions"]
    assert failed["StepStatus"] == "Failed"
    assert failed["FailureDetails"]["FailureType"] == "Throttling"


def test_a_repeated_client_token_can_be_an_error(automation, step, choose):
    name = automation.create([step("Only")])
    token = str(uuid4())
    first = automation.start(name, ClientToken=token)
    assert automation.start(name, ClientToken=token) == first

    choose(repeated_client_token="error")

    with pytest.raises(ClientError) as refusal:
        automation.start(name, ClientToken=token)
    assert refusal.value.response["Error"]["Code"] == "IdempotentParameterMismatch"


def test_a_full_queue_takes_no_more(automation, step, choose, wait_for_journal):
    name = automation.create([step("Halt", "aws:pause", {})])
    ssm = automation.client("ssm")
    choose(running_that_wait=1, queued=1)
    running = automation.start(name)
    wait_for_journal(lambda entry: entry["kind"] == "step" and entry["execution_id"] == running)

    queued = automation.start(name)
    with pytest.raises(ClientError) as refusal:
        automation.start(name)

    assert refusal.value.response["Error"]["Code"] == "AutomationExecutionLimitExceededException"
    assert automation.get(queued)["AutomationExecutionStatus"] == "Pending"
    ssm.stop_automation_execution(AutomationExecutionId=queued)
    assert automation.wait(queued)["AutomationExecutionStatus"] == "Cancelled"
    ssm.stop_automation_execution(AutomationExecutionId=running)
    assert automation.wait(running)["AutomationExecutionStatus"] == "Cancelled"


@pytest.mark.parametrize(
    "choices", [{"colour": "red"}, {"running": "many"}, {"running": None}, {"repeated_client_token": "none"}]
)
def test_what_cannot_be_chosen_is_refused(choose, choices):
    with pytest.raises(HTTPError) as refusal:
        choose(**choices)

    assert refusal.value.code == 400


def test_a_long_sleep_ends_when_the_clock_is_moved(automation, step, moved_clock, wait_for_journal):
    name = automation.create([step("Wait", inputs={"Duration": "P2DT1H"})])
    started = automation.start(name)
    wait_for_journal(lambda entry: entry["kind"] == "step" and entry["execution_id"] == started)

    moved_clock(days=2, hours=1)

    assert automation.wait(started, seconds=5)["AutomationExecutionStatus"] == "Success"


def test_a_reset_brings_the_defaults_back(automation, choose):
    choose(starts_per_second=1)

    urlopen(Request(f"{automation.endpoint_url}/moto-api/reset", method="POST"))

    assert behaviour.starts_per_second is None
