"""``aws:loop``: steps that run again."""

import json

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def loop(step):
    """Return a function that writes a loop."""

    def loop(steps, name="Again", **inputs):
        return step(name, "aws:loop", {"Steps": steps, **inputs})

    return loop


def runs(execution, name="Body"):
    return [each for each in execution["StepExecutions"] if each["StepName"] == name]


def payloads(execution, name="Body"):
    return [json.loads(each["Outputs"]["Payload"][0]) for each in runs(execution, name)]


def test_it_runs_for_each_value(automation, script, loop):
    seen = {"Value": "{{ Again.CurrentIteratorValue }}", "Number": "{{ Again.CurrentIteration }}"}
    body = script("Body", "return events", seen)

    execution = automation.run(
        [loop([body], Iterators="{{ P }}")], {"P": ["a", "b"]}, parameters={"P": {"type": "StringList"}}
    )

    assert payloads(execution) == [{"Value": "a", "Number": 1}, {"Value": "b", "Number": 2}]
    outer, first, second = execution["StepExecutions"]
    assert outer["StepStatus"] == "Success"
    assert outer["Outputs"] == {"CurrentIteration": ["2"], "CurrentIteratorValue": ["b"]}
    assert [each["ParentStepDetails"] for each in (first, second)] == [
        {
            "StepExecutionId": outer["StepExecutionId"],
            "StepName": "Again",
            "Action": "aws:loop",
            "Iteration": number,
            "IteratorValue": value,
        }
        for number, value in [(1, "a"), (2, "b")]
    ]

    def found(key, value):
        answer = automation.client("ssm").describe_automation_step_executions(
            AutomationExecutionId=execution["AutomationExecutionId"],
            Filters=[{"Key": key, "Values": [value]}],
        )
        return [each["StepExecutionId"] for each in answer["StepExecutions"]]

    assert found("ParentStepIteration", "2") == [second["StepExecutionId"]]
    assert found("ParentStepIteratorValue", "a") == [first["StepExecutionId"]]
    assert len(found("ParentStepExecutionId", outer["StepExecutionId"])) == 2


@pytest.mark.parametrize(
    ("kind", "values", "seen"),
    [
        ("Integer", ["1", 2], [1, 2]),
        ("Boolean", [True, "false"], [True, False]),
        ("StringMap", [{"a": "1"}], [{"a": "1"}]),
    ],
)
def test_values_have_the_type_that_it_names(automation, script, loop, kind, values, seen):
    body = script("Body", "return events", {"Value": "{{ Again.CurrentIteratorValue }}"})

    execution = automation.run([loop([body], Iterators=values, IteratorDataType=kind)])

    assert [payload["Value"] for payload in payloads(execution)] == seen


def test_it_runs_while_its_condition_holds_after_a_run(automation, script, step, loop):
    outputs = [{"Name": "Next", "Selector": "$.Payload", "Type": "Integer"}]
    body = [
        script("Body", "return events['n'] + 1", {"n": "{{ variable:n }}"}, outputs=outputs),
        step("Keep", "aws:updateVariable", {"Name": "variable:n", "Value": "{{ Body.Next }}"}),
    ]
    condition = {"Variable": "{{ variable:n }}", "NumericLesser": 3}

    execution = automation.run(
        [loop(body, LoopCondition=condition)], variables={"n": {"type": "Integer", "default": 0}}
    )

    assert payloads(execution) == [1, 2, 3]
    assert execution["Variables"] == {"n": ["3"]}


def test_it_runs_at_most_as_often_as_it_says(automation, step, loop):
    condition = {"Variable": True, "BooleanEquals": True}

    execution = automation.run([loop([step("Body")], LoopCondition=condition, MaxIterations=2)])

    assert execution["AutomationExecutionStatus"] == "Success"
    assert len(runs(execution)) == 2


def test_a_failure_inside_fails_it(automation, script, step, loop, statuses):
    fail = "if events['value'] == 'b': raise RuntimeError('broken')"
    body = script("Body", fail, {"value": "{{ Again.CurrentIteratorValue }}"})

    execution = automation.run([loop([body], Iterators=["a", "b", "c"]), step("After")])

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert [each["StepStatus"] for each in execution["StepExecutions"]] == [
        "Failed",
        "Success",
        "Failed",
        "Pending",
    ]
    assert "The run 2 of the loop failed" in execution["FailureMessage"]


def test_a_failure_inside_that_is_not_critical_does_not(automation, script, step, loop):
    body = script("Body", "raise RuntimeError('broken')", onFailure="Continue")

    execution = automation.run([loop([body], Iterators=["a", "b"]), step("After")])

    assert execution["AutomationExecutionStatus"] == "Success"
    assert [each["StepStatus"] for each in runs(execution)] == ["Failed", "Failed"]


def test_a_step_that_leads_out_of_it_ends_it(automation, step, loop, statuses):
    leave = {"Choices": [{"NextStep": "Out", "Variable": "{{ Again.CurrentIteration }}", "NumericEquals": 2}]}
    body = [step("Choose", "aws:branch", leave), step("Body")]

    execution = automation.run([loop(body, Iterators=["a", "b", "c"]), step("Skipped"), step("Out")])

    assert execution["AutomationExecutionStatus"] == "Success"
    assert execution["StepExecutions"][0]["StepStatus"] == "Exited"
    assert len(runs(execution)) == 1
    assert "Skipped" not in statuses(execution)
    assert statuses(execution)["Out"] == "Success"


def test_stopping_stops_the_step_inside(automation, step, loop, wait_for_journal):
    name = automation.create([loop([step("Body", inputs={"Duration": "PT1H"})], Iterators=["a", "b"])])
    started = automation.start(name)
    wait_for_journal(
        lambda entry: entry["kind"] == "step" and entry["execution_id"] == started and entry["step"] == "Body"
    )

    automation.client("ssm").stop_automation_execution(AutomationExecutionId=started)

    execution = automation.wait(started)
    assert execution["AutomationExecutionStatus"] == "Cancelled"
    assert [each["StepStatus"] for each in execution["StepExecutions"]] == ["Cancelled", "Cancelled"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "it takes either Iterators or LoopCondition"),
        ({"Iterators": ["a"], "LoopCondition": {}}, "it takes either Iterators or LoopCondition"),
        ({"LoopCondition": {"Variable": 1}}, "a condition has the keys Variable"),
        ({"Iterators": ["a"], "IteratorDataType": "MapList"}, "IteratorDataType is none of"),
        ({"Iterators": ["{{ Body.Gone }}"]}, "the step Body has no output Gone"),
        ({"Iterators": ["a"], "Steps": []}, "Steps of the step Again holds no step"),
        (
            {"Iterators": ["a"], "Steps": [{"name": "Again", "action": "aws:pause"}]},
            "two steps have the name",
        ),
        (
            {"Iterators": ["a"], "Steps": [{"name": "X", "action": "aws:pause", "nextStep": "Gone"}]},
            "the step X goes on to Gone",
        ),
    ],
)
def test_what_cannot_run_is_refused(automation, step, loop, inputs, message):
    with pytest.raises(ClientError, match=message):
        automation.create([step("Again", "aws:loop", {"Steps": [step("Body")], **inputs})])


def test_too_many_values_fail_it(automation, step, loop):
    execution = automation.run([loop([step("Body")], Iterators=["a"] * 101)])

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert "at most 100 values" in execution["FailureMessage"]
