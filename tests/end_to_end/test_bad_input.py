"""Events that are malformed or hostile: a clear answer or error, nothing started, nothing lost."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import RUNBOOK, Account, client
from .config_events import a_look, changed, compliance_change, sample, timestamp

ORDERING = "detail.newEvaluationResult.evaluationResultIdentifier.orderingTimestamp"
COMPLIANCE = "detail.newEvaluationResult.complianceType"
HOSTILE = {
    "template expression": "{{ global:ACCOUNT_ID }}",
    "another expression": "sg-{{ssm:/mend/dev/kill-switch}}",
    "double quote": 'sg-0badcafe0badcafe1", "Incident": "1',
    "single quote": "sg-0badcafe0badcafe1' or '1'='1",
    "newline": "sg-0badcafe0badcafe1\nsg-0badcafe0badcafe2",
    "command": "$(reboot)",
    "null character": "sg-0badcafe0badcafe1\0",
    "other alphabets": "sg-\N{CYRILLIC SMALL LETTER O}badcafe",
    "empty": "",
    "10 kB": "s" * 10_240,
}


def malformed(path: str, value: Any, problem: str, name: str) -> Any:
    return pytest.param(path, value, problem, id=name)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        malformed("detail", ..., "missing field `detail`", "no detail"),
        malformed("detail", None, "detail: must be an object", "detail is null"),
        malformed("detail", "text", "detail: must be an object", "detail is text"),
        malformed("detail", [1], "detail: must be an object", "detail is a list"),
        malformed("detail.resourceId", ..., "detail: missing field `resourceId`", "no resource"),
        malformed("detail.resourceId", 7, "detail.resourceId: invalid type: integer", "resource is a number"),
        malformed("detail.configRuleName", {}, "detail.configRuleName: invalid type: map", "rule is a map"),
        malformed(
            "detail.newEvaluationResult", ..., "detail: missing field `newEvaluationResult`", "no result"
        ),
        malformed(COMPLIANCE, True, f"{COMPLIANCE}: invalid type: boolean", "compliance is a boolean"),
        malformed(
            COMPLIANCE, "PARTLY", f"{COMPLIANCE}: must be COMPLIANT, NON_COMPLIANT", "unknown compliance"
        ),
        malformed(COMPLIANCE, "non_compliant", f"{COMPLIANCE}: must be ", "compliance in lower case"),
        malformed(ORDERING, "yesterday", f"{ORDERING}: a time must look like", "time is no time"),
        malformed(ORDERING, 1_772_600_767, f"{ORDERING}: invalid type: integer", "time is a number"),
        malformed(ORDERING, "2999-01-01T00:00:00Z", f"{ORDERING}: lies in the future", "time is far off"),
        malformed(
            "detail.awsAccountId", 123456789012, "detail.awsAccountId: invalid type", "account is a number"
        ),
        malformed(
            "detail.awsAccountId", "12345", "detail.awsAccountId: an account id must be", "short account"
        ),
        malformed("detail.awsRegion", "{{x}}", "detail.awsRegion: a Region must be", "hostile Region"),
        malformed("detail.messageType", "Other", "detail.messageType: must be", "other message"),
        malformed("source", "aws.ec2", "source: must be aws.config", "other source"),
        malformed("source", ..., "missing field `source`", "no source"),
        malformed(
            "detail-type", "Config Item Change", "detail-type: must be Config Rules", "other detail-type"
        ),
        malformed("account", None, "account: is missing", "no account"),
        malformed("time", "soon", "time: ", "no time"),
    ],
)
def test_a_malformed_event_is_an_error_that_names_the_field(
    account: Account, path: str, value: Any, problem: str
):
    group_id = account.open_group()
    event = changed(compliance_change(group_id), path, value)
    answer = account.try_invoke("config-compliance", event)
    assert answer["errorType"] == "MalformedEvent"
    assert answer["errorMessage"].startswith("the event is malformed: ")
    assert problem in answer["errorMessage"]
    assert account.operations() == []
    account.assert_untouched(group_id)


@pytest.mark.parametrize("payload", [b'"text"', b"[]", b"{}", b"null", b"7"])
def test_a_payload_that_is_no_event_is_an_error(account: Account, payload: bytes):
    # What a schedule sends says nothing, so reconcile does not read it.
    for function in account.stack.functions.keys() - {"reconcile"}:
        answer = account.try_invoke(function, payload)
        assert answer["errorType"] == "MalformedEvent"
        assert answer["errorMessage"].startswith("the event is malformed: event: ")
    assert account.operations() == []


def test_what_is_not_json_does_not_reach_the_function(account: Account):
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        account.try_invoke("config-compliance", b'{"version": ')
    assert account.journal("invocation") == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("field", ["resourceId", "configRuleName", "resourceType"])
def test_hostile_text_is_rejected_with_a_reason_and_reaches_nothing(account: Account, field: str, text: str):
    group_id = account.open_group()
    event = changed(compliance_change(group_id), f"detail.{field}", text)
    (answer,) = account.deliver(event)
    assert answer["decision"] == "reject"
    (reason,) = answer["reasons"]
    assert reason.startswith(f"detail.{field}: ")
    assert " must be " in reason
    if text:
        assert text not in json.dumps(answer, ensure_ascii=False)
        (invocation,) = account.journal("invocation")
        assert text not in invocation["log"]
    assert account.operations() == []
    account.assert_untouched(group_id)


def test_an_event_for_another_account_is_rejected(account: Account):
    group_id = account.open_group()
    answer = account.invoke(
        "config-compliance", changed(compliance_change(group_id), "account", "999999999999")
    )
    assert answer["decision"] == "reject"
    assert answer["reasons"] == ["the event is addressed to another account than the stack's"]
    assert account.operations() == []
    account.assert_untouched(group_id)


def test_a_time_a_little_ahead_of_the_functions_clock_is_taken(account: Account):
    event = compliance_change("sg-0badcafe0badcafe1", "COMPLIANT")
    ahead = timestamp(a_look() + timedelta(seconds=30))
    answer = account.invoke("config-compliance", changed(event, ORDERING, ahead))
    assert answer["reasons"] == ["no incident is open for the resource"]


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        malformed("detail.ExecutionId", "no-uuid", "detail.ExecutionId: an execution id must be", "no id"),
        malformed("detail.ExecutionId", 7, "detail.ExecutionId: invalid type: integer", "id is a number"),
        malformed("detail.Status", ..., "detail: missing field `Status`", "no status"),
        malformed("detail.Definition", None, "detail.Definition: invalid type: null", "definition is null"),
        malformed("source", "aws.config", "source: must be aws.ssm", "other source"),
    ],
)
def test_a_malformed_outcome_is_an_error_that_names_the_field(
    account: Account, path: str, value: Any, problem: str
):
    answer = account.try_invoke(
        "automation-outcome", changed(sample("automation-outcome", "success"), path, value)
    )
    assert answer["errorType"] == "MalformedEvent"
    assert problem in answer["errorMessage"]
    assert account.operations() == []


def test_the_outcome_of_an_execution_that_nobody_knows_is_an_error_that_says_so(account: Account):
    answer = account.try_invoke("automation-outcome", sample("automation-outcome", "success"))
    assert answer["errorType"] == "FinalCall"
    assert (
        "could not read the outcome of the execution 2b7c9e14-8d3f-4c6a-9e05-1a2b3c4d5e6f"
        in answer["errorMessage"]
    )
    assert account.operations() == ["GetAutomationExecution"]


def test_an_outcome_for_an_incident_that_the_ledger_does_not_hold_is_ignored(account: Account):
    """Somebody who may run runbooks by hand can name any incident; none comes into being by that."""
    incident_id = "0123456789abcdef0123456789abcdef-1"
    group_id = account.open_group()
    execution = account.run(
        RUNBOOK,
        {
            "AutomationAssumeRole": account.stack.outputs["NetworkAutomationRoleArn"],
            "Incident": incident_id,
            "Attempt": "1",
            "SecurityGroupId": group_id,
        },
    )
    answer = account.outcome_answer(execution["AutomationExecutionId"])
    assert answer["decision"] == "ignore"
    assert answer["reasons"] == [f"the ledger holds no incident {incident_id}, or a later one"]
    assert account.rows(group_id) == {}
    assert account.ops_items(group_id) == []


def test_a_malformed_event_stands_whole_in_the_dead_letter_queue_after_two_retries(account: Account):
    group_id = account.open_group()
    events = [
        changed(compliance_change(group_id), COMPLIANCE, "PARTLY"),
        changed(compliance_change(group_id), "detail.resourceId", 7),
        changed(compliance_change(group_id), "detail.newEvaluationResult", ...),
    ]
    ids = [event_id for event in events for event_id in account.put(event)]

    def attempts() -> list[Any]:
        failed = account.journal("invocation", ok=False)
        return [e["attempt"] for e in failed if e["payload"]["id"] in ids]

    account.wait_until(lambda: len(attempts()) == 9, "three attempts at each of three events")
    assert sorted(attempts()) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    letters = {letter["requestPayload"]["id"]: letter for letter in wait_for_letters(account, len(events))}
    assert set(letters) == set(ids)
    for event, event_id in zip(events, ids, strict=True):
        letter = letters[event_id]
        assert letter["requestPayload"] == {**event, "id": event_id}, "whole, as it came"
        assert letter["requestContext"]["condition"] == "RetriesExhausted"
        assert letter["requestContext"]["approximateInvokeCount"] == 3
        assert letter["responsePayload"]["errorType"] == "MalformedEvent"
        assert "detail" in letter["responsePayload"]["errorMessage"]
    assert account.operations("config-compliance") == []
    account.assert_untouched(group_id)


def wait_for_letters(account: Account, count: int) -> list[dict[str, Any]]:
    """Take so many messages out of the dead-letter queue; long polling waits for them."""
    sqs, url = client("sqs"), account.stack.outputs["DeadLetterQueueUrl"]
    letters: list[dict[str, Any]] = []
    while len(letters) < count:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        assert answer.get("Messages"), f"{len(letters)} of {count} letters came"
        for message in answer["Messages"]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            letters.append(json.loads(message["Body"]))
    return letters


def test_a_detail_in_the_form_of_a_list_is_malformed(account: Account):
    event = compliance_change(account.open_group())
    names = ("messageType", "awsAccountId", "awsRegion", "resourceType", "resourceId", "configRuleName")
    values = [event["detail"][name] for name in (*names, "newEvaluationResult")]
    answer = account.try_invoke("config-compliance", changed(event, "detail", values))
    assert answer.get("errorType") == "MalformedEvent"


def test_a_resource_of_another_region_is_left_to_the_mend_there(account: Account):
    group_id = "sg-0badcafe0badcafe1"
    event = changed(compliance_change(group_id), "detail.awsRegion", "us-east-1")
    answer = account.invoke("config-compliance", changed(event, "region", "us-east-1"))
    assert answer["decision"] == "ignore"
    assert account.executions(group_id) == []
