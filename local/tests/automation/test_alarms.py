"""The alarm of an execution, which stops it."""

import pytest
from botocore.exceptions import ClientError
from localcloud import faults, journal


@pytest.fixture
def alarm(automation, request):
    """Return a function that sets the state of an alarm, which has none yet, and the alarm's name."""
    cloudwatch = automation.client("cloudwatch")
    name = request.node.name
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )

    def set_state(value):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=value, StateReason="It is a test")

    yield set_state, name
    cloudwatch.delete_alarms(AlarmNames=[name])


def configuration(name, **members):
    return {"Alarms": [{"Name": name}], **members}


@pytest.fixture
def running(automation, wait_for_journal, step):
    """Return a function that starts a runbook and gives the execution's id when its first step runs."""

    def running(**request):
        undo = step("Undo", "aws:executeAwsApi", {"Service": "sts", "Api": "GetCallerIdentity"})
        steps = [step("Wait", inputs={"Duration": "PT1H"}, onCancel="step:Undo"), step("Work", isEnd=True)]
        started = automation.start(automation.create([*steps, undo]), **request)
        wait_for_journal(lambda entry: entry["kind"] == "step" and entry["execution_id"] == started)
        return started

    return running


def calls_of(execution_id):
    session = f"/Automation-{execution_id}"
    calls = [
        entry for entry in journal.entries(kind="api-call") if (entry["principal"] or "").endswith(session)
    ]
    return [call["operation"] for call in calls]


def test_an_alarm_that_goes_off_stops_the_execution(automation, running, alarm, statuses):
    set_alarm, name = alarm
    set_alarm("OK")
    started = running(AlarmConfiguration=configuration(name))
    before = automation.get(started)
    assert before["AlarmConfiguration"] == configuration(name, IgnorePollAlarmFailure=False)
    assert "TriggeredAlarms" not in before

    set_alarm("ALARM")

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert execution["TriggeredAlarms"] == [{"Name": name, "State": "ALARM"}]
    assert statuses(execution) == {"Wait": "Cancelled", "Undo": "Success"}
    looks = ["DescribeAlarms", "DescribeAlarms"]
    assert sorted(calls_of(started)) == [*looks, "GetCallerIdentity", "StopAutomationExecution"]
    [listed] = automation.client("ssm").describe_automation_executions(
        Filters=[{"Key": "ExecutionId", "Values": [started]}]
    )["AutomationExecutionMetadataList"]
    assert listed["TriggeredAlarms"] == execution["TriggeredAlarms"]


def test_no_step_runs_after_an_alarm_that_has_gone_off_before(automation, step, alarm, statuses):
    set_alarm, name = alarm
    set_alarm("ALARM")

    started = automation.start(automation.create([step("Work")]), AlarmConfiguration=configuration(name))

    execution = automation.wait(started)
    assert (execution["AutomationExecutionStatus"], statuses(execution)) == ("Cancelled", {})
    assert execution["TriggeredAlarms"] == [{"Name": name, "State": "ALARM"}]


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_a_quiet_alarm_stops_nothing(automation, step, alarm, state):
    set_alarm, name = alarm
    set_alarm(state)

    started = automation.start(automation.create([step("Work")]), AlarmConfiguration=configuration(name))

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Success"
    assert "TriggeredAlarms" not in execution


@pytest.mark.parametrize(("ignore", "status"), [(False, "Cancelled"), (True, "Success")])
def test_an_alarm_that_is_not_there_stops_it_unless_told_otherwise(automation, step, ignore, status):
    asked = configuration("gone", IgnorePollAlarmFailure=ignore)

    execution = automation.wait(automation.start(automation.create([step("Work")]), AlarmConfiguration=asked))

    assert execution["AutomationExecutionStatus"] == status
    unknown = None if ignore else [{"Name": "gone", "State": "UNKNOWN"}]
    assert execution.get("TriggeredAlarms") == unknown


def test_an_alarm_that_is_deleted_meanwhile_stops_it(automation, running, alarm):
    _, name = alarm
    started = running(AlarmConfiguration=configuration(name))

    automation.client("cloudwatch").delete_alarms(AlarmNames=[name])

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert execution["TriggeredAlarms"] == [{"Name": name, "State": "UNKNOWN"}]


def test_an_alarm_that_cannot_be_read_stops_it(automation, step, alarm):
    set_alarm, name = alarm
    set_alarm("OK")
    document = automation.create([step("Work")])

    with faults.inject("throttle", "cloudwatch", "DescribeAlarms"):
        execution = automation.wait(
            automation.start(document, AlarmConfiguration=configuration(name)),
        )

    assert execution["TriggeredAlarms"] == [{"Name": name, "State": "UNKNOWN"}]


def test_an_alarm_stops_all_targets(automation, step, alarm, wait_for_journal):
    set_alarm, name = alarm
    set_alarm("OK")
    document = automation.create(
        [step("Wait", inputs={"Duration": "PT1H"})], parameters={"Bucket": {"type": "String"}}
    )
    targets = [{"Key": "ParameterValues", "Values": ["a", "b", "c"]}]
    request = {"TargetParameterName": "Bucket", "Targets": targets, "MaxConcurrency": "2"}
    started = automation.start(document, AlarmConfiguration=configuration(name), **request)
    child = wait_for_journal(lambda entry: entry["kind"] == "execution" and entry["parent"] == started)

    set_alarm("ALARM")

    assert automation.wait(started)["AutomationExecutionStatus"] == "Cancelled"
    assert automation.wait(child["execution_id"])["AutomationExecutionStatus"] == "Cancelled"


@pytest.mark.parametrize("alarms", [[], [{"Name": "a"}, {"Name": "b"}]])
def test_an_execution_has_one_alarm(automation, step, alarms):
    document = automation.create([step("Work")])
    with pytest.raises(ClientError) as refused:
        automation.start(document, AlarmConfiguration={"Alarms": alarms})
    assert refused.value.response["Error"]["Code"] == "ValidationException"
