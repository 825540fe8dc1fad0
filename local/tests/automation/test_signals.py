"""What people say to executions: approve, resume, start and stop steps."""

import json

import pytest
from botocore.exceptions import ClientError
from localcloud import journal
from localcloud.clients import client, client_of_user
from localcloud.principals import credentials_of

ROOT = "arn:aws:iam::123456789012:root"
SESSIONS = "arn:aws:sts::123456789012:assumed-role"
LEE = "arn:aws:iam::123456789012:user/lee"


@pytest.fixture(scope="module")
def people(automation):
    """Return clients of Systems Manager by the names of users, and of one session of the role Operator."""
    iam = automation.client("iam")
    people = {name: client_of_user("ssm", name) for name in ("lee", "kim")}
    iam.create_role(RoleName="Operator", AssumeRolePolicyDocument="{}")
    people["Operator"] = client("ssm", credentials_of("arn:aws:iam::123456789012:role/Operator", "pat"))
    return people


@pytest.fixture
def waiting(automation, wait_for_journal):
    """Return a function that starts a runbook and gives the execution's id when it waits."""

    def waiting(steps, **request):
        started = automation.start(automation.create(steps), **request)
        wait_until_waiting(wait_for_journal, started)
        return started

    return waiting


@pytest.fixture
def events_of(wait_for_journal):
    """Return a function that gives the details of the events of an execution that ends, in order."""

    def events_of(execution_id):
        last = wait_for_journal(
            lambda entry: (
                entry["kind"] == "event"
                and entry["event"]["detail-type"].startswith("EC2 Automation Execution")
                and entry["event"]["detail"]["ExecutionId"] == execution_id
            )
        )
        details = [
            entry["event"]["detail"] for entry in journal.entries(kind="event") if entry["seq"] <= last["seq"]
        ]
        return [detail for detail in details if detail.get("ExecutionId") == execution_id]

    return events_of


def wait_until_waiting(wait_for_journal, execution_id, after=0):
    return wait_for_journal(
        lambda entry: (
            entry["kind"] == "execution"
            and entry["execution_id"] == execution_id
            and entry["status"] == "Waiting"
            and entry["seq"] > after
        )
    )["seq"]


def signal(ssm, execution_id, kind, **payload):
    ssm.send_automation_signal(
        AutomationExecutionId=execution_id,
        SignalType=kind,
        **({"Payload": {name: [value] for name, value in payload.items()}} if payload else {}),
    )


def refusal_of(*args, **payload):
    with pytest.raises(ClientError) as refusal:
        signal(*args, **payload)
    return refusal.value.response["Error"]


def approve(step, *approvers, **inputs):
    return step("Ask", "aws:approve", {"Approvers": list(approvers), **inputs})


def test_an_execution_waits_for_enough_approvals(automation, step, waiting, people, statuses):
    started = waiting([approve(step, "lee", "kim", ROOT, MinRequiredApprovals=2), step("After")])

    execution = automation.get(started)
    assert execution["AutomationExecutionStatus"] == "Waiting"
    assert statuses(execution) == {"Ask": "Waiting"}
    assert execution["StepExecutions"][0]["Outputs"] == {
        "ApprovalStatus": ["Waiting"],
        "ApproverDecisions": [],
    }
    signal(people["lee"], started, "Approve", Comment="Looks good")
    assert "lee has decided already" in refusal_of(people["lee"], started, "Approve")["Message"]
    assert automation.get(started)["AutomationExecutionStatus"] == "Waiting"
    signal(people["kim"], started, "Approve")

    execution = automation.wait(started)
    assert statuses(execution) == {"Ask": "Success", "After": "Success"}
    outputs = execution["StepExecutions"][0]["Outputs"]
    assert outputs["ApprovalStatus"] == ["Approved"]
    first, second = map(json.loads, outputs["ApproverDecisions"])
    assert first.pop("ApprovalDecisionTime") <= second.pop("ApprovalDecisionTime")
    assert first == {"Approver": LEE, "Decision": "Approve", "Comment": "Looks good"}
    assert second == {"Approver": "arn:aws:iam::123456789012:user/kim", "Decision": "Approve"}


def test_one_rejection_fails_the_step(automation, step, waiting, people, statuses):
    started = waiting([approve(step, "lee", "kim", MinRequiredApprovals=2), step("After")])

    signal(people["kim"], started, "Reject", Comment="Not today")

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Failed"
    assert statuses(execution) == {"Ask": "Failed"}
    assert execution["StepExecutions"][0]["Outputs"]["ApprovalStatus"] == ["Rejected"]


@pytest.mark.parametrize(
    "approver",
    ["arn:aws:iam::123456789012:role/Operator", "arn:aws:sts::123456789012:assumed-role/Operator/pat"],
)
def test_a_role_may_approve(automation, step, waiting, people, approver):
    started = waiting([approve(step, approver)])

    error = refusal_of(people["lee"], started, "Approve")
    assert error["Code"] == "InvalidAutomationSignalException"
    assert f"{LEE} is not among the approvers" in error["Message"]
    signal(people["Operator"], started, "Approve")

    assert automation.wait(started)["AutomationExecutionStatus"] == "Success"


def test_approvers_are_told(automation, step, waiting, people, wait_for_journal):
    topic = automation.client("sns").create_topic(Name="Automation-approvals")["TopicArn"]
    started = waiting([approve(step, "lee", NotificationArn=topic, Message="Close port 22?")])

    sent = wait_for_journal(lambda entry: entry["kind"] == "notification" and entry["topic_arn"] == topic)
    assert sent["subject"] == "AWS Systems Manager Automation: approval required"
    lines = sent["message"].splitlines()
    assert f"The automation execution {started} waits for approval." in lines
    assert {"Close port 22?", "Approvers: lee", "Required approvals: 1"} <= set(lines)
    assert f"/automation/execution/{started}?region=" in lines[-1]
    publish = wait_for_journal(
        lambda entry: entry["kind"] == "api-call" and entry["request"].get("TopicArn") == topic
    )
    assert publish["principal"] == f"{SESSIONS}/mend-network/Automation-{started}"
    signal(people["lee"], started, "Approve")
    assert automation.wait(started)["AutomationExecutionStatus"] == "Success"


def test_whoever_answers_the_message_at_once_is_heard(automation, step, people, wait_for_journal):
    topic = automation.client("sns").create_topic(Name="Automation-quick")["TopicArn"]
    started = automation.start(automation.create([approve(step, "lee", NotificationArn=topic)]))
    wait_for_journal(lambda entry: entry["kind"] == "notification" and entry["topic_arn"] == topic)

    signal(people["lee"], started, "Approve")

    assert automation.wait(started)["AutomationExecutionStatus"] == "Success"


def test_without_its_topic_nobody_can_be_asked(automation, step):
    gone = "arn:aws:sns:eu-central-1:123456789012:Automation-gone"

    execution = automation.run([approve(step, "lee", NotificationArn=gone)])

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert "NotFound" in execution["FailureMessage"]


def test_an_approval_that_nobody_gives_times_out(automation, step, waiting, moved_clock):
    started = waiting([approve(step, "lee"), step("After")])

    moved_clock(days=6)
    assert automation.get(started)["AutomationExecutionStatus"] == "Waiting"
    moved_clock(days=1)

    assert automation.wait(started)["AutomationExecutionStatus"] == "TimedOut"


def test_an_approval_has_a_time_of_its_own(automation, step, waiting, moved_clock, events_of):
    started = waiting([{**approve(step, "lee"), "timeoutSeconds": 86_400}, step("After")])

    moved_clock(hours=25)

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "TimedOut"
    asked = execution["StepExecutions"][0]
    assert (asked["StepStatus"], asked["Outputs"]["ApprovalStatus"]) == ("TimedOut", ["Waiting"])
    assert [(event.get("StepName"), event["Status"]) for event in events_of(started)] == [
        ("Ask", "TimedOut"),
        (None, "TimedOut"),
    ]


def test_who_stops_an_execution_withdraws_its_request(automation, step, waiting, people, events_of):
    started = waiting([approve(step, "lee"), step("After")])

    automation.client("ssm").stop_automation_execution(AutomationExecutionId=started)

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert execution["StepExecutions"][0]["Outputs"]["ApprovalStatus"] == ["Waiting"]
    assert refusal_of(people["lee"], started, "Approve")["Code"] == "InvalidAutomationSignalException"
    assert [(event.get("StepName"), event["Status"]) for event in events_of(started)] == [
        ("Ask", "Canceled"),
        (None, "Canceled"),
    ]


def test_an_approval_waits_a_month_at_most(automation, step):
    with pytest.raises(ClientError, match="timeoutSeconds of the step Ask is more than 2592000"):
        automation.create([{**approve(step, "lee"), "timeoutSeconds": 2_592_001}])


def test_the_runbooks_parameters_say_who_approves_what(automation, step, people, wait_for_journal):
    parameters = {"Approvers": {"type": "StringList"}, "What": {"type": "String"}}
    ask = approve(step, "{{ Approvers }}", Message="{{ What }}")
    name = automation.create([ask], parameters=parameters)

    refused = automation.wait(automation.start(name, Parameters={"Approvers": [], "What": ["Port 22"]}))
    assert "Approvers is not a list of 1 to 10 users and roles" in refused["FailureMessage"]
    started = automation.start(name, Parameters={"Approvers": ["kim", "lee"], "What": ["Port 22"]})
    wait_until_waiting(wait_for_journal, started)
    signal(people["lee"], started, "Approve")

    assert automation.wait(started)["AutomationExecutionStatus"] == "Success"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"Approvers": []}, "Approvers is not a list of 1 to 10 users and roles"),
        ({"Approvers": ["lee"] * 11}, "Approvers is not a list of 1 to 10 users and roles"),
        ({"Approvers": ["lee"], "MinRequiredApprovals": 2}, "MinRequiredApprovals is 2"),
        ({"Approvers": ["lee"], "Message": "x" * 4097}, "more than 4096 characters"),
        (
            {"Approvers": ["lee"], "NotificationArn": "arn:aws:sns:eu-central-1:123456789012:Approvals"},
            "does not begin with Automation",
        ),
    ],
)
def test_approvals_that_nobody_could_give_are_refused(automation, step, inputs, message):
    with pytest.raises(ClientError, match=message):
        automation.create([step("Ask", "aws:approve", inputs)])


def test_a_paused_execution_is_resumed(automation, step, waiting, statuses):
    ssm = automation.client("ssm")
    started = waiting([step("Halt", "aws:pause", {}), step("After")])
    assert statuses(automation.get(started)) == {"Halt": "Waiting"}

    assert refusal_of(ssm, started, "Resume")["Code"] == "InvalidAutomationSignalException"
    assert refusal_of(ssm, started, "Resume", StepName="After")["Code"] == "InvalidAutomationSignalException"
    assert refusal_of(ssm, started, "Resume", StepName="Gone")["Code"] == "AutomationStepNotFoundException"
    assert refusal_of(ssm, started, "Approve")["Code"] == "InvalidAutomationSignalException"
    signal(ssm, started, "Resume", StepName="Halt")

    execution = automation.wait(started)
    assert statuses(execution) == {"Halt": "Success", "After": "Success"}
    assert refusal_of(ssm, started, "Resume", StepName="Halt")["Code"] == "InvalidAutomationSignalException"


def test_a_waiting_execution_can_be_cancelled(automation, step, waiting, statuses):
    started = waiting([step("Halt", "aws:pause", {}), step("After")])

    automation.client("ssm").stop_automation_execution(AutomationExecutionId=started)

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert statuses(execution) == {"Halt": "Cancelled"}


def test_step_by_step_a_person_starts_each_step(automation, step, waiting, statuses, wait_for_journal):
    ssm = automation.client("ssm")
    started = waiting([step("A"), step("B", nextStep="D"), step("C"), step("D")], Mode="Interactive")
    seen = wait_until_waiting(wait_for_journal, started)
    assert statuses(automation.get(started)) == {}
    assert automation.get(started)["Mode"] == "Interactive"

    assert refusal_of(ssm, started, "StartStep", StepName="C")["Code"] == "InvalidAutomationSignalException"
    for name, after in [("A", {"A": "Success"}), ("B", {"A": "Success", "B": "Success"})]:
        signal(ssm, started, "StartStep", StepName=name)
        seen = wait_until_waiting(wait_for_journal, started, seen)
        assert statuses(automation.get(started)) == after
    signal(ssm, started, "StartStep", StepName="D")

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Success"
    assert statuses(execution) == {"A": "Success", "B": "Success", "D": "Success"}


def test_step_by_step_a_person_stops_a_step(automation, step, waiting, statuses, wait_for_journal):
    ssm = automation.client("ssm")
    started = waiting([step("Wait", inputs={"Duration": "PT1H"}), step("After")], Mode="Interactive")
    seen = wait_until_waiting(wait_for_journal, started)
    signal(ssm, started, "StartStep", StepName="Wait")
    wait_for_journal(lambda entry: entry["kind"] == "step" and entry["execution_id"] == started)
    step_id = automation.get(started)["StepExecutions"][0]["StepExecutionId"]

    assert refusal_of(ssm, started, "StopStep", StepExecutionId="gone")["Code"] == (
        "AutomationStepNotFoundException"
    )
    signal(ssm, started, "StopStep", StepExecutionId=step_id)
    wait_until_waiting(wait_for_journal, started, seen)
    assert statuses(automation.get(started)) == {"Wait": "Cancelled"}
    ssm.stop_automation_execution(AutomationExecutionId=started, Type="Complete")

    assert automation.wait(started)["AutomationExecutionStatus"] == "Success"
    error = refusal_of(ssm, started, "StartStep", StepName="After")
    assert error["Code"] == "InvalidAutomationSignalException"


def test_step_by_step_an_execution_can_be_cancelled(automation, step, waiting):
    ssm = automation.client("ssm")
    started = waiting([step("Only")], Mode="Interactive")

    ssm.stop_automation_execution(AutomationExecutionId=started)

    assert automation.wait(started)["AutomationExecutionStatus"] == "Cancelled"
    error = refusal_of(ssm, started, "StartStep", StepName="Only")
    assert error["Code"] == "InvalidAutomationSignalException"


def test_other_signals_are_refused(automation, step, waiting):
    ssm = automation.client("ssm")
    started = waiting([step("Halt", "aws:pause", {})])

    for kind in ("Revoke", "StartStep"):
        error = refusal_of(ssm, started, kind, StepName="Halt")
        assert error["Code"] == "InvalidAutomationSignalException"
    step_id = automation.get(started)["StepExecutions"][0]["StepExecutionId"]
    error = refusal_of(ssm, started, "StopStep", StepExecutionId=step_id)
    assert error["Code"] == "InvalidAutomationSignalException"
    error = refusal_of(ssm, "00000000-0000-0000-0000-000000000000", "Approve")
    assert error["Code"] == "AutomationExecutionNotFoundException"
    with pytest.raises(ClientError, match="enum value set"):
        signal(ssm, started, "Deny")
