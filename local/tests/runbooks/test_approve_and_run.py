"""Asking people before a runbook runs, and the guard rails between their yes and the change."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud import clock, journal
from localcloud.clients import client, client_of_user
from localcloud.settings import ACCOUNT_ID, REGION
from moto.s3.models import S3Backend
from moto.ssm.models import SimpleSystemManagerBackend

ASK, BLOCK, RESTORE = "Mend-ApproveAndRun", "Mend-BlockPublicBucket", "Mend-RestorePublicBucket"
INCIDENT = "0123456789abcdef0123456789abcdef-7"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/mend-test-automation"
ROUTE = "block-public-bucket"
KILL_SWITCH = "/mend/dev/kill-switch"
MODE = f"/mend/dev/mode/{ROUTE}"
SECONDS = 60
TEXTS = {
    "What": "An S3 bucket does not block public access",
    "Where": "AWS::S3::Bucket shop-assets in eu-central-1, account 123456789012",
    "Why": "Reported by Config rule s3-bucket-public-read (since 10:00); Config rule another…",
    "Undo": "Mend-RestorePublicBucket, with the id of the execution.",
    "Link": "https://eu-central-1.console.aws.amazon.com/systems-manager/opsitems/oi-0a1b2c3d4e5f?region=eu-central-1",
}


def now() -> datetime:
    return datetime.now(UTC)


def plan_hash(parameters: dict[str, str], version: str = "1") -> str:
    """Return the hash as the parameter's description says."""
    parts = [BLOCK, version, ROLE_ARN, *(part for pair in sorted(parameters.items()) for part in pair)]
    return hashlib.sha256("".join(part + "\n" for part in parts).encode()).hexdigest()


@pytest.fixture(scope="module")
def topic(cloud) -> str:
    return client("sns").create_topic(Name="Automation-mend-test")["TopicArn"]


@pytest.fixture(scope="module")
def lee(cloud) -> Any:
    """A client of a user who may approve."""
    return client_of_user("ssm", "lee")


@pytest.fixture
def bucket(cloud) -> str:
    name = f"mend.test-{uuid.uuid4().hex}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def exemption(bucket) -> str:
    """The name of the parameter that would exempt the bucket."""
    return f"/mend/dev/exemptions/{ROUTE}/{bucket}"


@pytest.fixture
def switch(cloud) -> Iterator[Callable[[str, str | None], None]]:
    """Return a function that sets a switch or, with None, deletes it; in the end all are deleted."""

    def switch(name: str, value: str | None) -> None:
        if value is None:
            client("ssm").delete_parameter(Name=name)
        else:
            client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    switch(KILL_SWITCH, "released")
    switch(MODE, "approve")
    yield switch
    left = client("ssm").get_parameters_by_path(Path="/mend/", Recursive=True)["Parameters"]
    for parameter in left:
        client("ssm").delete_parameter(Name=parameter["Name"])


@pytest.fixture
def ask(start, topic, lee, switch, bucket, exemption) -> Callable[..., str]:
    """Return a function that asks lee about the bucket, and gives the execution's id when it waits."""

    def ask(**other: Any) -> str:
        own = {"BucketName": bucket}
        given = {
            "Incident": INCIDENT,
            "Attempt": "2",
            "RunbookName": BLOCK,
            "RunbookVersion": "1",
            "RunbookRole": ROLE_ARN,
            "RunbookParameters": json.dumps(own, separators=(",", ":")),
            "PlanHash": plan_hash(own),
            "Approvers": ["lee", "arn:aws:iam::123456789012:role/Operators"],
            "ApprovalTopicArn": topic,
            **TEXTS,
            "SwitchPath": "/mend/dev/",
            "Route": ROUTE,
            "ExemptionParameter": exemption,
        }
        mark = journal.record("mark")["seq"]
        execution_id = start(ASK, **{**given, **other})
        until(mark, lambda e: (e.get("execution_id"), e.get("status")) == (execution_id, "Waiting"))
        return execution_id

    return ask


def until(mark: int, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait for an entry of the journal."""
    while entries := journal.wait(mark, SECONDS):
        for entry in entries:
            if found(entry):
                return entry
        mark = entries[-1]["seq"]
    pytest.fail(f"it did not happen within {SECONDS} seconds")


@pytest.fixture
def answer(lee, end_of):
    """Return a function that answers a request as lee, and gives the finished execution."""

    def answer(execution_id: str, signal: str = "Approve"):
        lee.send_automation_signal(AutomationExecutionId=execution_id, SignalType=signal)
        return end_of(execution_id)

    return answer


def is_blocked(bucket: str) -> bool:
    try:
        client("s3").get_public_access_block(Bucket=bucket)
    except ClientError:
        return False
    return True


def children_of(execution_id: str) -> list[dict[str, Any]]:
    found = client("ssm").describe_automation_executions(
        Filters=[{"Key": "ParentExecutionId", "Values": [execution_id]}]
    )
    return found["AutomationExecutionMetadataList"]


def refused(execution: Any, bucket: str, *reasons: str) -> None:
    """The execution ended between the yes and the change, and says why."""
    assert execution.status == "Failed"
    assert list(execution.steps) == ["RequestApproval", "AskAgain"]
    assert "Nothing was changed. It was approved, but now " in execution.failure
    for reason in reasons:
        assert reason in execution.failure
    assert children_of(execution.id) == []
    assert not is_blocked(bucket)


def test_after_a_yes_exactly_what_was_approved_runs_and_can_be_undone(ask, answer, end_of, undo, bucket):
    asked = ask()
    assert not is_blocked(bucket)

    execution = answer(asked)

    assert execution.succeeded("Remediated"), execution.failure
    assert is_blocked(bucket)
    [child_id] = execution.outputs["Run.ExecutionId"]
    [child] = children_of(asked)
    assert child["AutomationExecutionId"] == child_id
    details = client("ssm").get_automation_execution(AutomationExecutionId=child_id)["AutomationExecution"]
    assert (details["DocumentName"], details["DocumentVersion"]) == (BLOCK, "1")
    assert details["Parameters"] == {
        "AutomationAssumeRole": [ROLE_ARN],
        "Incident": [INCIDENT],
        "Attempt": ["2"],
        "BucketName": [bucket],
    }
    ran = end_of(child_id)
    assert execution.conclusion == ran.conclusion
    assert undo(RESTORE, ran).succeeded("Restored")
    assert not is_blocked(bucket)


def test_the_version_that_was_approved_runs_even_if_there_is_a_newer_one(
    ask, answer, bucket, load_runbook, end_of
):
    newer = {
        **load_runbook(BLOCK),
        "description": "Blocks public access in another way, which nobody has approved.",
    }
    client("ssm").update_document(
        Name=BLOCK, Content=json.dumps(newer), DocumentFormat="JSON", DocumentVersion="$LATEST"
    )
    client("ssm").update_document_default_version(Name=BLOCK, DocumentVersion="2")
    try:
        execution = answer(ask())
    finally:
        client("ssm").update_document_default_version(Name=BLOCK, DocumentVersion="1")
    [child] = children_of(execution.id)
    assert child["DocumentVersion"] == "1"
    assert execution.succeeded("Remediated")


def test_a_child_that_finds_nothing_to_do_says_so(ask, answer, bucket):
    asked = ask()
    client("s3").delete_bucket(Bucket=bucket)
    execution = answer(asked)
    assert execution.succeeded("AlreadyCompliant")
    assert execution.conclusion["Changes"] == f"None: bucket {bucket} no longer exists."
    assert execution.conclusion["BeforeState"] == ""


def test_a_child_that_fails_fails_it_with_its_reason(ask, answer, bucket, denying):
    asked = ask()
    with denying(S3Backend, "put_public_access_block"):
        execution = answer(asked)
    assert execution.status == "Failed"
    assert list(execution.steps) == ["RequestApproval", "AskAgain", "Run"]
    assert "does not block all public access" in execution.failure
    # What it found before is in the child's outputs; its id is in those of the step.
    [run] = [step for step in execution.all_steps if step["StepName"] == "Run"]
    assert run["Outputs"]["ExecutionId"] == [children_of(asked)[0]["AutomationExecutionId"]]


def test_after_a_no_nothing_runs(ask, answer, bucket, calls_of_role):
    execution = answer(ask(), "Reject")
    assert execution.status == "Failed"
    assert execution.steps == {"RequestApproval": "Failed"}
    assert children_of(execution.id) == []
    assert calls_of_role() == {("sns", "Publish")}


def test_without_an_answer_it_ends_after_a_day(ask, end_of, bucket):
    asked = ask()
    try:
        clock.forward(timedelta(hours=23))
        waiting = client("ssm").get_automation_execution(AutomationExecutionId=asked)["AutomationExecution"]
        assert waiting["AutomationExecutionStatus"] == "Waiting"
        clock.forward(timedelta(hours=2))
        execution = end_of(asked)
    finally:
        clock.reset()
    assert execution.status == "TimedOut"
    assert list(execution.steps) == ["RequestApproval"]
    assert not is_blocked(bucket)


def test_whoever_is_not_asked_cannot_say_yes(ask, answer):
    asked = ask()
    with pytest.raises(ClientError) as refusal:
        client_of_user("ssm", "kim").send_automation_signal(AutomationExecutionId=asked, SignalType="Approve")
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationSignalException"
    answer(asked, "Reject")


def test_the_approvers_are_told_all_that_they_need(ask, answer, topic, bucket):
    mark = journal.record("mark")["seq"]
    asked = ask()
    message = until(mark, lambda e: e["kind"] == "notification" and e["topic_arn"] == topic)["message"]
    answer(asked, "Reject")
    for text in TEXTS.values():
        assert text in message
    for text in [
        f"Runbook:    {BLOCK}, version 1",
        f'Parameters: {{"BucketName":"{bucket}"}}',
        f"Plan hash:  {plan_hash({'BucketName': bucket})}",
        f"Incident: {INCIDENT}, attempt 2",
        "waits for 24 hours",
        f"--automation-execution-id {asked}",
        f"--region {REGION}",
    ]:
        assert text in message, text
    assert "{{" not in message


def test_the_longest_texts_fit_the_message(load_runbook):
    """Automation takes 4,096 characters."""
    [step] = [s for s in load_runbook(ASK)["mainSteps"] if s["name"] == "RequestApproval"]
    longest = {
        "RunbookName": 128,
        "RunbookVersion": 10,
        "RunbookParameters": 512,
        "PlanHash": 64,
        "Incident": 42,
        "Attempt": 2,
        "automation:EXECUTION_ID": 36,
        "global:REGION": 16,
        "global:DATE_TIME": 19,
        **dict.fromkeys(TEXTS, 512),
        "Undo": 256,
        "Link": 256,
    }
    message = step["inputs"]["Message"]
    for name, length in longest.items():
        assert f"{{{{ {name} }}}}" in message
        message = message.replace(f"{{{{ {name} }}}}", "x" * length)
    assert "{{" not in message
    assert len(message) <= 4096


def test_how_long_it_waits_is_what_it_says(load_runbook):
    [step] = [s for s in load_runbook(ASK)["mainSteps"] if s["name"] == "RequestApproval"]
    assert step["timeoutSeconds"] == 24 * 60 * 60
    assert "waits for 24 hours" in step["inputs"]["Message"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, f"the kill switch {KILL_SWITCH} is missing, not 'released'"),
        ("engaged: lee, incident 12", "says 'engaged: lee, incident 12', not 'released'"),
        ("engaged and stop", "says 'engaged and stop'"),
        ("released: lee", "says 'released: lee'"),
        ("Released", "says 'Released'"),
    ],
)
def test_a_kill_switch_that_does_not_release_stops_it(ask, answer, switch, bucket, value, reason):
    asked = ask()
    switch(KILL_SWITCH, value)
    refused(answer(asked), bucket, reason)


@pytest.mark.parametrize("mode", ["observe", "off", "enfroce", "APPROVE"])
def test_a_mode_that_changes_nothing_stops_it(ask, answer, switch, bucket, mode):
    asked = ask()
    switch(MODE, mode)
    refused(answer(asked), bucket, f"the mode {MODE} is {mode!r}")


@pytest.mark.parametrize("mode", ["approve", "enforce", "enforce\n"])
def test_a_mode_that_lets_it_lets_it(ask, answer, switch, mode):
    asked = ask()
    switch(MODE, mode)
    assert answer(asked).succeeded("Remediated")


def test_without_a_mode_switch_the_stacks_mode_holds(ask, answer, switch, bucket):
    asked = ask()
    switch(MODE, None)
    refused(answer(asked), bucket, "the mode of the stack is 'observe'")
    assert answer(ask(Mode="approve")).succeeded("Remediated")


@pytest.mark.parametrize("name", [ROUTE, "all"])
@pytest.mark.parametrize("value", ["open: 3 of 4 attempts failed", "closed", "x"])
def test_a_circuit_breaker_stops_it_whatever_it_says(ask, answer, switch, bucket, name, value):
    asked = ask()
    switch(f"/mend/dev/breaker/{name}", value)
    refused(
        answer(asked),
        bucket,
        f"the circuit breaker /mend/dev/breaker/{name} is there, with the words {value!r}",
    )


def test_a_circuit_breaker_of_another_route_does_not(ask, answer, switch):
    asked = ask()
    switch("/mend/dev/breaker/close-admin-ports", "open: x")
    assert answer(asked).succeeded("Remediated")


@pytest.mark.parametrize(
    "value",
    [
        f"until {now() + timedelta(days=30):%Y-%m-%d}: a website",
        f" until  {now():%Y-%m-%d} : until the end of this day\n",
        f"until {now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}: a website: ticket 8",
        f"until {now() + timedelta(hours=3):%Y-%m-%dT%H:%M:%S.%f+01:00}: a website",
        f"until {now() + timedelta(days=90, minutes=-1):%Y-%m-%dT%H:%MZ}: a website",
    ],
    ids=["in 30 days", "today", "in an hour", "another zone", "in 90 days"],
)
def test_an_exemption_that_holds_stops_it(ask, answer, switch, bucket, exemption, value):
    asked = ask()
    switch(exemption, value)
    refused(answer(asked), bucket, f"the exemption {exemption} says {value!r}")


@pytest.mark.parametrize(
    "value",
    [
        f"until {now() - timedelta(days=1):%Y-%m-%d}: a website",
        f"until {now() - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}: a website",
        f"until {now() + timedelta(days=90, minutes=10):%Y-%m-%dT%H:%M:%SZ}: longer than allowed",
        f"until {now() + timedelta(days=1):%Y-%m-%dT%H:%M:%S}: in which zone?",
        f"until {now() + timedelta(days=1):%G-W%V-%u}: a day of a week",
        f"until {now() + timedelta(days=1):%Y-%m-%d}: ",
        f"until {now() + timedelta(days=1):%Y-%m-%d}",
        f"{now() + timedelta(days=1):%Y-%m-%d}: a website",
        f"Until {now() + timedelta(days=1):%Y-%m-%d}: a website",
        "until 9999-99-99: a website",
        "until tomorrow: a website",
        "forever: a website",
    ],
    ids=[
        "ended yesterday",
        "ended a minute ago",
        "more than 90 days",
        "no zone",
        "a week",
        "no reason",
        "no colon",
        "no until",
        "another until",
        "no date",
        "tomorrow",
        "forever",
    ],
)
def test_an_exemption_that_does_not_hold_stops_nothing(ask, answer, switch, exemption, value):
    """As in Mend's own decision, which has asked although it knew of it: a no would have it ask again."""
    asked = ask()
    switch(exemption, value)
    assert answer(asked).succeeded("Remediated")


@pytest.fixture
def calendar(cloud) -> Iterator[Callable[[str], str]]:
    """Return a function that creates a change calendar without entries, and returns its name."""
    made = []

    def create(kind: str) -> str:
        name = f"Calendar-{uuid.uuid4().hex}"
        lines = ["BEGIN:VCALENDAR", "PRODID:-//AWS//Change Calendar 1.0//EN", "VERSION:2.0"]
        content = "\r\n".join([*lines, f"X-CALENDAR-TYPE:{kind}", "END:VCALENDAR", ""])
        client("ssm").create_document(
            Name=name, DocumentType="ChangeCalendar", DocumentFormat="TEXT", Content=content
        )
        made.append(name)
        return name

    yield create
    for name in made:
        client("ssm").delete_document(Name=name)


def test_a_closed_calendar_stops_it(ask, answer, bucket, calendar):
    calendars = [calendar("DEFAULT_OPEN"), calendar("DEFAULT_CLOSED")]
    execution = answer(ask(ChangeCalendars=calendars))
    refused(execution, bucket, f"of the change calendars {', '.join(calendars)}, one is CLOSED")


def test_open_calendars_do_not(ask, answer, calendar):
    name = calendar("DEFAULT_OPEN")
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:document/{calendar('DEFAULT_OPEN')}"
    assert answer(ask(ChangeCalendars=[name, arn])).succeeded("Remediated")


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_a_calendar_that_cannot_be_read_counts_as_open(ask, answer, switch, environment):
    path = f"/mend/{environment}/"
    switch(f"{path}kill-switch", "released")
    asked = ask(ChangeCalendars=["No-such-calendar"], SwitchPath=path, Mode="approve")
    assert answer(asked).succeeded("Remediated")


def test_in_prod_a_calendar_that_cannot_be_read_stops_it(ask, answer, switch, bucket):
    switch("/mend/prod/kill-switch", "released")
    asked = ask(ChangeCalendars=["No-such-calendar"], SwitchPath="/mend/prod/", Mode="approve")
    refused(answer(asked), bucket, "the change calendars No-such-calendar cannot be read: ")


def test_switches_that_cannot_be_read_stop_it(ask, answer, bucket, denying):
    asked = ask()
    with denying(SimpleSystemManagerBackend, "get_parameters"):
        execution = answer(asked)
    refused(execution, bucket, "the switches under /mend/dev/ cannot be read: ")


def test_all_that_stands_in_the_way_is_told(ask, answer, switch, bucket, exemption, calendar):
    asked = ask(ChangeCalendars=[calendar("DEFAULT_CLOSED")])
    switch(KILL_SWITCH, "engaged")
    switch(MODE, "off")
    switch("/mend/dev/breaker/all", "open: x")
    switch(exemption, f"until {now() + timedelta(days=1):%Y-%m-%d}: x")
    refused(answer(asked), bucket, "kill switch", "mode", "circuit breaker", "exemption", "CLOSED")


@pytest.mark.parametrize(
    "other",
    [
        {"RunbookVersion": "2"},
        {"RunbookParameters": '{"BucketName":"another-bucket"}'},
        {"RunbookRole": f"arn:aws:iam::{ACCOUNT_ID}:role/another"},
        {"RunbookName": "Mend-CloseAdminPorts"},
        {"RunbookParameters": "{}"},
    ],
)
def test_what_differs_from_what_was_hashed_does_not_start(ask, answer, bucket, other):
    refused(answer(ask(**other)), bucket, "not what the hash in the request for approval stands for")


def test_a_parameter_cannot_take_the_place_of_one_that_mend_gives(ask, answer, bucket):
    """An incident among the child's own parameters would send its outcome elsewhere."""
    own = {"BucketName": bucket, "Incident": "f" * 32 + "-1"}
    parameters = json.dumps(own, separators=(",", ":"))
    execution = answer(ask(RunbookParameters=parameters, PlanHash=plan_hash(own)))
    [child_id] = execution.outputs["Run.ExecutionId"]
    child = client("ssm").get_automation_execution(AutomationExecutionId=child_id)["AutomationExecution"]
    assert child["Parameters"]["Incident"] == [INCIDENT]


def test_only_the_declared_actions_are_called_and_all_by_the_role(ask, answer, calls_of_role, calendar):
    answer(ask(ChangeCalendars=[calendar("DEFAULT_OPEN")]))
    of_the_child = {
        ("s3", "GetBucketAcl"),
        ("s3", "GetBucketPolicyStatus"),
        ("s3", "GetBucketWebsite"),
        ("s3", "GetPublicAccessBlock"),
        ("s3", "PutPublicAccessBlock"),
    }
    assert calls_of_role() - of_the_child == {
        ("sns", "Publish"),
        ("ssm", "GetParameters"),
        ("ssm", "GetCalendarState"),
        ("ssm", "StartAutomationExecution"),
        ("ssm", "GetAutomationExecution"),
    }


@pytest.mark.parametrize(
    "hostile",
    [
        {"RunbookName": "AWS-RunShellScript"},
        {"RunbookName": "arn:aws:ssm:eu-central-1:210987654321:document/Mend-BlockPublicBucket"},
        {"RunbookVersion": "$LATEST"},
        {"RunbookParameters": "[]"},
        {"RunbookParameters": '{"BucketName":"{{ global:ACCOUNT_ID }}"}'},
        {"RunbookParameters": '{"BucketName":"a"},{"B":"c"}'},
        {"RunbookParameters": '{"BucketName":["a"]}'},
        {"RunbookParameters": '{"BucketName":"a\\u007b"}'},
        {"What": "Look: {{ RunbookRole }}"},
        {"What": "two\nlines"},
        {"Why": "x" * 513},
        {"Link": "javascript:alert(1)"},
        {"Approvers": ["lee", "{{ x }}"]},
        {"ApprovalTopicArn": "arn:aws:sns:eu-central-1:123456789012:everybody"},
        {"SwitchPath": "/"},
        {"ExemptionParameter": "/mend/dev/kill-switch"},
        {"Route": "../all"},
        {"ChangeCalendars": ["a b"]},
        {"PlanHash": "0" * 63},
        {"Mode": "yes"},
    ],
    ids=lambda hostile: next(iter(hostile)),
)
def test_hostile_text_starts_nothing(ask, hostile):
    with pytest.raises(ClientError) as refusal:
        ask(**hostile)
    code = refusal.value.response["Error"]["Code"]
    assert code in ("InvalidAutomationExecutionParametersException", "ValidationException")
