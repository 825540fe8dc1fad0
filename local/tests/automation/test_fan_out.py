"""Starts with targets: one child execution for each, so many at once, until too many fail."""

import json

import pytest
from botocore.exceptions import ClientError
from localcloud import journal


@pytest.fixture
def echo(automation, script):
    """Return the name of a runbook that takes Id and Colour, and fails for an Id that begins with bad."""
    fail = "if events['Id'].startswith('bad'): raise RuntimeError(events['Id'])"
    body = f"{fail}\n    return {{'out': events['Id']}}"
    outputs = [{"Name": "Out", "Selector": "$.Payload.out"}]
    return automation.create(
        [script("Echo", body, {"Id": "{{ Id }}", "Colour": "{{ Colour }}"}, outputs=outputs)],
        parameters={"Id": {"type": "String"}, "Colour": {"type": "String", "default": "red"}},
        outputs=["Echo.Out"],
    )


INVALID = "InvalidAutomationExecutionParametersException"


def parameter_values(*values, **request):
    targets = [{"Key": "ParameterValues", "Values": list(values)}]
    return {"TargetParameterName": "Id", "Targets": targets, **request}


def children(automation, execution):
    filters = [{"Key": "ParentExecutionId", "Values": [execution["AutomationExecutionId"]]}]
    found = automation.client("ssm").describe_automation_executions(Filters=filters)
    return {each["Target"]: each for each in found["AutomationExecutionMetadataList"]}


def steps(execution):
    return {each["StepName"]: each["StepStatus"] for each in execution["StepExecutions"]}


def most_at_once(execution):
    """Return how many steps of an execution ran at the same time, at most."""
    running = most = 0
    for entry in journal.entries(kind="step"):
        if entry["execution_id"] == execution["AutomationExecutionId"]:
            running += 1 if entry["status"] == "InProgress" else -1
            most = max(most, running)
    return most


def test_each_target_becomes_a_child_and_a_step(automation, echo):
    request = parameter_values("a", "b", "c", Parameters={"Colour": ["blue"]}, MaxConcurrency="2")

    execution = automation.wait(automation.start(echo, **request))

    assert execution["AutomationExecutionStatus"] == "Success"
    assert steps(execution) == {"a": "Success", "b": "Success", "c": "Success"}
    assert {each["Action"] for each in execution["StepExecutions"]} == {"aws:executeAutomation"}
    assert execution["Targets"] == request["Targets"]
    assert (execution["TargetParameterName"], execution["MaxConcurrency"]) == ("Id", "2")
    assert execution["ResolvedTargets"] == {"ParameterValues": ["a", "b", "c"], "Truncated": False}
    assert execution["Parameters"] == {"Colour": ["blue"]}
    assert execution["ProgressCounters"] == {
        "TotalSteps": 3,
        "SuccessSteps": 3,
        "FailedSteps": 0,
        "CancelledSteps": 0,
        "TimedOutSteps": 0,
    }
    found = children(automation, execution)
    assert sorted(found) == ["a", "b", "c"]
    child_id = found["b"]["AutomationExecutionId"]
    assert execution["StepExecutions"][1]["Outputs"] == {
        "ExecutionId": [child_id],
        "Status": ["Success"],
        "Output": ["b"],
    }
    assert automation.get(child_id)["Parameters"] == {"Id": ["b"], "Colour": ["blue"]}
    assert most_at_once(execution) == 2


def test_target_maps_give_several_parameters(automation, echo):
    maps = [{"Id": ["a"], "Colour": ["blue"]}, {"Id": ["b"], "Colour": ["green"]}]

    execution = automation.wait(automation.start(echo, TargetMaps=maps))

    assert execution["TargetMaps"] == maps
    found = children(automation, execution).values()
    parameters = [automation.get(each["AutomationExecutionId"])["Parameters"] for each in found]
    assert sorted(parameters, key=lambda each: each["Id"]) == maps


@pytest.mark.parametrize(
    ("errors", "begun"),
    [("0", 1), ("1", 2), (None, 1), ("50%", 4), ("100%", 6)],
)
def test_after_too_many_errors_no_more_targets_begin(automation, echo, errors, begun):
    limits = {"MaxConcurrency": "1", **({"MaxErrors": errors} if errors else {})}
    request = parameter_values("bad1", "bad2", "bad3", "bad4", "bad5", "bad6", **limits)

    execution = automation.wait(automation.start(echo, **request))

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert list(steps(execution).values()) == ["Failed"] * begun + ["Pending"] * (6 - begun)
    assert "RuntimeError: bad" in execution["FailureMessage"]
    assert execution["ProgressCounters"]["FailedSteps"] == begun


def test_running_children_finish_after_too_many_errors(automation, step, wait_for_journal):
    choices = [
        {"NextStep": next_step, "Variable": "{{ Id }}", "StringEquals": value}
        for value, next_step in [("slow", "Halt"), ("bad", "Fail")]
    ]
    steps_of_child = [
        step("Choose", "aws:branch", {"Choices": choices}, isEnd=True),
        step("Halt", "aws:pause", {}, isEnd=True),
        step("Fail", inputs={"Duration": "never"}),
    ]
    name = automation.create(steps_of_child, parameters={"Id": {"type": "String"}})
    started = automation.start(name, **parameter_values("good", "slow", "bad", "never", MaxConcurrency="50%"))
    wait_for_journal(
        lambda entry: (
            entry["kind"] == "step" and entry["execution_id"] == started and entry["status"] == "Failed"
        )
    )

    slow = children(automation, automation.get(started))["slow"]["AutomationExecutionId"]
    wait_for_journal(
        lambda entry: (
            entry["kind"] == "execution" and entry["execution_id"] == slow and entry["status"] == "Waiting"
        )
    )
    automation.client("ssm").send_automation_signal(
        AutomationExecutionId=slow, SignalType="Resume", Payload={"StepName": ["Halt"]}
    )

    assert steps(automation.wait(started)) == {
        "good": "Success",
        "slow": "Success",
        "bad": "Failed",
        "never": "Pending",
    }


def test_stopping_stops_the_children(automation, step, wait_for_journal):
    name = automation.create(
        [step("Wait", inputs={"Duration": "PT1H"})], parameters={"Id": {"type": "String"}}
    )
    started = automation.start(name, **parameter_values("a", "b", "c"))
    wait_for_journal(lambda entry: entry["kind"] == "step" and entry["step"] == "Wait")

    automation.client("ssm").stop_automation_execution(AutomationExecutionId=started)

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert steps(execution) == {"a": "Cancelled", "b": "Pending", "c": "Pending"}
    found = children(automation, execution)
    assert [each["AutomationExecutionStatus"] for each in found.values()] == ["Cancelled"]


@pytest.fixture(scope="module")
def instances(automation):
    """Return the ids of three instances, by their tag."""
    ec2 = automation.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ids = {}
    for team in ("net", "web", None):
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": team}]}] if team else []
        made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
        ids[team] = made["Instances"][0]["InstanceId"]
    return ids


def test_targets_are_found_by_tag(automation, step, instances):
    name = automation.create([step("Only")], parameters={"Id": {"type": "String"}})
    ssm = automation.client("ssm")
    content = {
        "schemaVersion": "0.3",
        "assumeRole": automation.role,
        "parameters": {"Id": {"type": "String"}},
        "mainSteps": [step("Other")],
    }
    ssm.update_document(
        Name=name, DocumentVersion="$LATEST", Content=json.dumps(content), TargetType="/AWS::EC2::Instance"
    )

    def resolved(*target):
        key, *values = target
        targets = [{"Key": key, "Values": values}]
        execution = automation.wait(
            automation.start(name, DocumentVersion="2", TargetParameterName="Id", Targets=targets)
        )
        return sorted(execution["ResolvedTargets"]["ParameterValues"])

    assert resolved("tag:team", "net") == [instances["net"]]
    assert resolved("tag:team", "net", "web") == sorted([instances["net"], instances["web"]])
    assert resolved("AWS::EC2::Instance", "*") == sorted(instances.values())
    targets = [{"Key": "tag:team", "Values": ["gone"]}]
    with pytest.raises(ClientError) as refusal:
        automation.start(name, DocumentVersion="2", TargetParameterName="Id", Targets=targets)
    assert refusal.value.response["Error"]["Code"] == "InvalidTarget"


@pytest.mark.parametrize(
    ("request_members", "code"),
    [
        (
            {"TargetMaps": [{"Id": ["a"]}], **parameter_values("a")},
            INVALID,
        ),
        (parameter_values("a", TargetParameterName="id"), INVALID),
        (parameter_values("a", MaxErrors="-1"), "ValidationException"),
        (parameter_values("a", MaxConcurrency="0"), "ValidationException"),
        (parameter_values(), "InvalidTarget"),
        (parameter_values(*map(str, range(51))), "ValidationException"),
        ({"TargetParameterName": "Id", "Targets": [{"Key": "tag:x", "Values": ["y"]}]}, "InvalidTarget"),
        ({"TargetParameterName": "Id", "Targets": [{"Key": "Colour", "Values": ["y"]}]}, "InvalidTarget"),
    ],
)
def test_wrong_targets_start_nothing(automation, echo, request_members, code):
    with pytest.raises(ClientError) as refusal:
        automation.start(echo, **request_members)

    assert refusal.value.response["Error"]["Code"] == code


def test_a_step_fans_out_too(automation, step, echo):
    inputs = {"DocumentName": echo, **parameter_values("a", "b", MaxConcurrency="1")}

    execution = automation.run([step("Children", "aws:executeAutomation", inputs)])

    assert execution["AutomationExecutionStatus"] == "Success"
    [fanned_out] = execution["StepExecutions"][0]["Outputs"]["ExecutionId"]
    assert automation.get(fanned_out)["ResolvedTargets"]["ParameterValues"] == ["a", "b"]
