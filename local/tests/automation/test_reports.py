"""What is told of an execution: by the API, by events, and in the journal."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from localcloud import journal
from localcloud.automation.events import _us_time

ROOT = "arn:aws:iam::123456789012:root"
US_TIME = r"[A-Z][a-z]{2} [1-9]\d?, \d{4} (1[0-2]|[1-9]):[0-5]\d:[0-5]\d [AP]M"


@pytest.fixture
def finished(automation, step, script):
    """Return an execution that failed half-way."""
    steps = [
        script(
            "Make",
            "return {'out': 7}",
            outputs=[{"Name": "Out", "Selector": "$.Payload.out", "Type": "Integer"}],
        ),
        script("Break", "raise RuntimeError('broken')", timeoutSeconds=30, maxAttempts=2),
        step("Never"),
    ]
    parameters = {"Who": {"type": "String"}, "Many": {"type": "StringList", "default": ["a", "b"]}}
    return automation.run(steps, {"Who": ["x"]}, parameters=parameters, outputs=["Make.Out"])


def test_an_execution_tells_everything_of_itself(finished):
    steps = finished.pop("StepExecutions")
    assert len(finished.pop("AutomationExecutionId")) == 36
    assert re.fullmatch(r"Mend-Test\d+", finished.pop("DocumentName"))
    assert finished.pop("ExecutionStartTime") <= finished.pop("ExecutionEndTime")
    assert "RuntimeError: broken" in finished.pop("FailureMessage")
    assert finished == {
        "DocumentVersion": "1",
        "AutomationExecutionStatus": "Failed",
        "StepExecutionsTruncated": False,
        "Parameters": {"Who": ["x"], "Many": ["a", "b"]},
        "Variables": {},
        "Outputs": {"Make.Out": ["7"]},
        "Mode": "Auto",
        "ExecutedBy": ROOT,
        "CurrentStepName": "Break",
        "CurrentAction": "aws:executeScript",
        "Targets": [],
        "ResolvedTargets": {"ParameterValues": [], "Truncated": False},
    }
    made, broken, never = steps
    assert made["Outputs"]["Out"] == ["7"]
    assert (broken["StepStatus"], broken["TimeoutSeconds"], broken["MaxAttempts"]) == ("Failed", 30, 2)
    assert (broken["OnFailure"], broken["IsCritical"], broken["IsEnd"]) == ("Abort", True, False)
    assert (broken["NextStep"], broken["ValidNextSteps"]) == ("Never", ["Never"])
    assert never["StepStatus"] == "Pending"
    assert not never.keys() & {"ExecutionStartTime", "ExecutionEndTime", "FailureMessage"}


def test_events_are_formatted_as_aws_does(automation, finished):
    execution_id, name = finished["AutomationExecutionId"], finished["DocumentName"]
    events = [
        entry["event"]
        for entry in journal.entries(kind="event")
        if entry["event"]["detail"].get("ExecutionId") == execution_id
    ]

    kinds = [
        (event["detail-type"], event["detail"].get("StepName"), event["detail"]["Status"]) for event in events
    ]
    assert kinds == [
        ("EC2 Automation Step Status-change Notification", "Make", "Success"),
        ("EC2 Automation Step Status-change Notification", "Break", "Failed"),
        ("EC2 Automation Execution Status-change Notification", None, "Failed"),
    ]
    for event in events:
        assert event["source"] == "aws.ssm"
        assert event["resources"] == [
            f"arn:aws:ssm:eu-central-1:123456789012:automation-execution/{execution_id}",
            f"arn:aws:ssm:eu-central-1:123456789012:automation-definition/{name}:1",
        ]
        detail = event["detail"]
        assert json.dumps(detail["DefinitionVersion"]) == "1.0"
        assert re.fullmatch(r"\d+\.0", json.dumps(detail["Time"]))
        assert re.fullmatch(US_TIME, detail["StartTime"])
        assert re.fullmatch(US_TIME, detail["EndTime"])
    common = {"ExecutionId", "Definition", "DefinitionVersion", "Status", "StartTime", "EndTime", "Time"}
    assert events[0]["detail"].keys() == common | {"StepName", "Action"}
    assert events[2]["detail"].keys() == common | {"ExecutedBy"}
    assert events[2]["detail"]["ExecutedBy"] == ROOT


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2024, 11, 29, 19, 43, 5, tzinfo=UTC), "Nov 29, 2024 7:43:05 PM"),
        (datetime(2026, 3, 4, 0, 6, 7, tzinfo=UTC), "Mar 4, 2026 12:06:07 AM"),
        (datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC), "Mar 4, 2026 12:00:00 PM"),
    ],
)
def test_times_of_events_are_american(moment, text):
    assert _us_time(moment) == text


def test_a_cancelled_execution_is_canceled_in_events(automation, step, wait_for_journal):
    started = automation.start(automation.create([step("Wait", inputs={"Duration": "PT1H"})]))
    wait_for_journal(lambda entry: entry["kind"] == "step" and entry["execution_id"] == started)
    automation.client("ssm").stop_automation_execution(AutomationExecutionId=started)

    assert automation.wait(started)["AutomationExecutionStatus"] == "Cancelled"
    event = wait_for_journal(
        lambda entry: (
            entry["kind"] == "event"
            and entry["event"]["detail"].get("ExecutionId") == started
            and "ExecutedBy" in entry["event"]["detail"]
        )
    )
    assert event["event"]["detail"]["Status"] == "Canceled"


def test_the_journal_tells_what_happens_as_it_happens(finished):
    told = [
        (entry["kind"], entry.get("step"), entry["status"], entry["outputs"])
        for entry in journal.entries()
        if entry.get("execution_id") == finished["AutomationExecutionId"]
    ]

    nothing = {"Make.Out": ["No output available yet because the step is not successfully executed"]}
    assert told == [
        ("execution", None, "InProgress", nothing),
        ("step", "Make", "InProgress", {}),
        ("step", "Make", "Success", {"Out": ["7"]}),
        ("step", "Break", "InProgress", {}),
        ("step", "Break", "Failed", {}),
        ("execution", None, "Failed", {"Make.Out": ["7"]}),
    ]


@pytest.fixture(scope="module")
def listed(automation):
    """Return a function that lists the documents of the executions that pass the filters."""
    sleep = {"name": "Sleep", "action": "aws:sleep", "inputs": {"Duration": "PT0S"}}
    wrong = {"name": "Sleep", "action": "aws:sleep", "inputs": {"Duration": "x"}}
    names = [automation.create([sleep]), automation.create([wrong]), automation.create([sleep])]
    ids = [
        automation.start(
            name, Tags=[{"Key": f"mend:tag{number}", "Value": "x"}, {"Key": "mend", "Value": "x"}]
        )
        for number, name in enumerate(names)
    ]
    for execution_id in ids:
        automation.wait(execution_id)

    def listed(*filters):
        asked = [
            {"Key": key, "Values": [ids[v] if isinstance(v, int) else v for v in values]}
            for key, *values in filters
        ]
        found = automation.client("ssm").describe_automation_executions(
            Filters=[{"Key": "TagKey", "Values": ["mend"]}, *asked]
        )
        assert found["NextToken"] == ""
        return [names.index(each["DocumentName"]) for each in found["AutomationExecutionMetadataList"]]

    return listed


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], [2, 1, 0]),
        ([("ExecutionStatus", "Success")], [2, 0]),
        ([("ExecutionStatus", "Failed", "TimedOut")], [1]),
        ([("ExecutionId", 1)], [1]),
        ([("TagKey", "mend:tag0")], [0]),
        ([("TagKey", "mend:tag0", "mend:tag2")], [2, 0]),
        ([("TagKey", "mend:tag0"), ("ExecutionStatus", "Failed")], []),
        ([("DocumentNamePrefix", "Mend-")], [2, 1, 0]),
        ([("DocumentNamePrefix", "Other-")], []),
        ([("CurrentAction", "aws:sleep")], [2, 1, 0]),
        ([("AutomationType", "CrossAccount")], []),
        ([("AutomationSubtype", "ChangeRequest")], []),
        ([("OpsItemId", "oi-000000000000")], []),
        ([("ParentExecutionId", 0)], []),
        ([("TargetResourceGroup", "all")], []),
        ([("StartTimeAfter", "2020-01-01T00:00:00Z")], [2, 1, 0]),
        ([("StartTimeBefore", "2020-01-01T00:00:00Z")], []),
    ],
)
def test_executions_are_found_by_filters(listed, filters, found):
    assert listed(*filters) == found


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("Colour", "red"), "ValidationException"),
        (("ExecutionStatus", "Canceled"), "InvalidFilterValue"),
        (("StartTimeAfter", "yesterday"), "InvalidFilterValue"),
    ],
)
def test_wrong_filters_are_refused(listed, asked, code):
    with pytest.raises(ClientError) as refusal:
        listed(asked)
    assert refusal.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("asked", [("ExecutionStatus", "Canceled"), ("StartTimeBefore", "tomorrow")])
def test_wrong_values_are_refused_also_when_nothing_is_there_to_filter(automation, asked):
    key, value = asked
    filters = [{"Key": "TagKey", "Values": ["no-such-tag"]}, {"Key": key, "Values": [value]}]

    with pytest.raises(ClientError, match="InvalidFilterValue"):
        automation.client("ssm").describe_automation_executions(Filters=filters)


def test_a_summary_is_no_full_account(automation, listed, finished):
    found = automation.client("ssm").describe_automation_executions(
        Filters=[{"Key": "ExecutionId", "Values": [finished["AutomationExecutionId"]]}]
    )

    [summary] = found["AutomationExecutionMetadataList"]
    assert summary["AutomationType"] == "Local"
    assert summary["Outputs"] == {"Make.Out": ["7"]}
    assert not summary.keys() & {"StepExecutions", "Parameters", "Variables"}


def test_lists_come_in_pages(automation, listed, finished):
    ssm = automation.client("ssm")
    tagged = [{"Key": "TagKey", "Values": ["mend"]}]

    pages = ssm.get_paginator("describe_automation_executions").paginate(
        Filters=tagged, PaginationConfig={"PageSize": 2}
    )
    assert [len(page["AutomationExecutionMetadataList"]) for page in pages] == [2, 1]
    with pytest.raises(ClientError) as refusal:
        ssm.describe_automation_executions(NextToken="from-elsewhere")
    assert refusal.value.response["Error"]["Code"] == "InvalidNextToken"


def test_steps_are_found_by_filters(automation, finished):
    def found(*filters, **request):
        answer = automation.client("ssm").describe_automation_step_executions(
            AutomationExecutionId=finished["AutomationExecutionId"],
            **({"Filters": [{"Key": key, "Values": values} for key, *values in filters]} if filters else {}),
            **request,
        )
        return [step["StepName"] for step in answer["StepExecutions"]]

    assert found() == ["Make", "Break", "Never"]
    assert found(ReverseOrder=True) == ["Never", "Break", "Make"]
    assert found(MaxResults=2) == ["Make", "Break"]
    assert found(("StepExecutionStatus", "Failed", "Success")) == ["Make", "Break"]
    assert found(("Action", "aws:sleep")) == ["Never"]
    assert found(("StepName", "Break"), ("StepExecutionStatus", "Success")) == []
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert found(("StartTimeBefore", later)) == ["Make", "Break"]
    assert found(("ParentStepIteration", "1")) == []
    with pytest.raises(ClientError, match="InvalidFilterValue"):
        found(("StepExecutionStatus", "Canceled"))


def test_executions_take_tags_later_too(automation, finished):
    ssm = automation.client("ssm")
    resource = {"ResourceType": "Automation", "ResourceId": finished["AutomationExecutionId"]}

    ssm.add_tags_to_resource(**resource, Tags=[{"Key": "late", "Value": "x"}])

    assert ssm.list_tags_for_resource(**resource)["TagList"] == [{"Key": "late", "Value": "x"}]
    with pytest.raises(ClientError):
        ssm.list_tags_for_resource(
            ResourceType="Automation", ResourceId="00000000-0000-0000-0000-000000000000"
        )


def test_an_unknown_execution_is_not_found(automation):
    for operation in ("get_automation_execution", "describe_automation_step_executions"):
        with pytest.raises(ClientError) as refusal:
            getattr(automation.client("ssm"), operation)(
                AutomationExecutionId="00000000-0000-0000-0000-000000000000"
            )
        assert refusal.value.response["Error"]["Code"] == "AutomationExecutionNotFoundException"


def test_executions_are_forgotten_after_thirty_days(automation, step, moved_clock):
    ended = automation.run([step("Only")])["AutomationExecutionId"]
    ssm = automation.client("ssm")

    def listed():
        filters = [{"Key": "ExecutionId", "Values": [ended]}]
        return ssm.describe_automation_executions(Filters=filters)["AutomationExecutionMetadataList"]

    moved_clock(days=29)
    assert len(listed()) == 1
    moved_clock(days=2)
    assert listed() == []
    with pytest.raises(ssm.exceptions.AutomationExecutionNotFoundException):
        automation.get(ended)
