"""How values go into inputs and come out of outputs."""

import json
import re
from typing import Any

import pytest

PARAMETERS = {
    "Text": {"type": "String", "default": "a"},
    "Tricky": {"type": "String", "default": 'say "hi"'},
    "Many": {"type": "StringList", "default": ["a", "b"]},
    "None_": {"type": "StringList", "default": []},
    "Yes": {"type": "Boolean", "default": True},
    "Five": {"type": "Integer", "default": 5},
    "Map": {"type": "StringMap", "default": {"k": "v"}},
    "Maps": {"type": "MapList", "default": [{"k": 1}, {"k": 2}]},
}


@pytest.fixture(scope="module")
def evaluate(automation):
    """Return a function that runs a template through a step's inputs."""

    def evaluate(template: Any, **document: Any) -> Any:
        inputs = {
            "Runtime": "python3.11",
            "Handler": "handler",
            "InputPayload": {"value": template},
            "Script": "def handler(events, context):\n    return events['value']",
        }
        echo = {"name": "Echo", "action": "aws:executeScript", "inputs": inputs}
        execution = automation.run([echo], **{"parameters": PARAMETERS, **document})
        [step] = execution["StepExecutions"]
        assert step["StepStatus"] == "Success", step
        payload = json.loads(step["Outputs"]["OutputPayload"][0])["Payload"]
        assert json.loads(step["Inputs"]["InputPayload"]) == {"value": payload}
        return payload

    return evaluate


def test_references_have_the_types_of_their_values(evaluate):
    templates_and_values = {
        "plain": ("text", "text"),
        "number": (7, 7),
        "whole": ("{{ Text }}", "a"),
        "without blanks": ("{{Text}}", "a"),
        "Boolean": ("{{ Yes }}", True),
        "Integer": ("{{ Five }}", 5),
        "StringList": ("{{ Many }}", ["a", "b"]),
        "StringMap": ("{{ Map }}", {"k": "v"}),
        "MapList": ("{{ Maps }}", [{"k": 1}, {"k": 2}]),
        "within text": ("<{{ Text }}-{{ Five }}-{{ Yes }}>", "<a-5-true>"),
        "list within text": ("ids: {{ Many }}", 'ids: ["a", "b"]'),
        "quotes are kept": ('{"q": "{{ Tricky }}"}', '{"q": "say "hi""}'),
        "list in a list": (["x", "{{ Many }}", "y"], ["x", "a", "b", "y"]),
        "empty list in a list": (["{{ None_ }}"], []),
        "maps in a list": (["{{ Maps }}", {"k": "{{ Text }}"}], [{"k": 1}, {"k": 2}, {"k": "a"}]),
        "list of a list": ([["{{ Many }}"]], [["a", "b"]]),
        "deep": ({"a": {"b": ["{{ Text }}"]}}, {"a": {"b": ["a"]}}),
        "account": ("{{ global:ACCOUNT_ID }}", "123456789012"),
        "Region": ("{{global:REGION}}", "eu-central-1"),
        "partition": ("{{ global:AWS_PARTITION }}", "aws"),
        "single braces": ("{ Text }", "{ Text }"),
    }

    values = evaluate({name: template for name, (template, _) in templates_and_values.items()})

    assert values == {name: value for name, (_, value) in templates_and_values.items()}


def test_a_value_is_never_read_as_a_reference(automation, script):
    step = script("Echo", "return events", {"value": "{{ Text }}", "within": "<{{ Text }}>"})
    execution = automation.run([step], {"Text": ["{{ global:ACCOUNT_ID }}"]}, parameters=PARAMETERS)

    payload = json.loads(execution["StepExecutions"][0]["Outputs"]["Payload"][0])
    assert payload == {"value": "{{ global:ACCOUNT_ID }}", "within": "<{{ global:ACCOUNT_ID }}>"}


def test_moments_and_the_execution_itself_can_be_named(evaluate):
    value = evaluate(["{{ global:DATE }}", "{{ global:DATE_TIME }}", "{{ automation:EXECUTION_ID }}"])

    assert re.fullmatch(r"\d{4}-\d\d-\d\d", value[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d\.\d\d\.\d\d", value[1])
    assert len(value[2]) == 36


def test_an_output_of_a_step_that_did_not_run_is_an_error(automation, script):
    steps = [
        {
            "name": "Skip",
            "action": "aws:branch",
            "inputs": {
                "Choices": [{"NextStep": "Use", "Variable": True, "BooleanEquals": True}],
                "Default": "Make",
            },
        },
        script("Make", "return 1"),
        script("Use", "return events", {"value": "{{ Make.Payload }}"}),
    ]

    execution = automation.run(steps)

    assert execution["AutomationExecutionStatus"] == "Failed"
    last = execution["StepExecutions"][-1]
    assert "{{ Make.Payload }}: the step Make has not succeeded in this execution" in last["FailureMessage"]
    assert last["FailureDetails"] == {"FailureStage": "InputValidation", "FailureType": "Action"}


RETURNED = """{
    "text": "a", "five": 5, "minus": "-7", "yes": True, "no": "false", "none": None, "half": 0.5,
    "list": ["a", "b"], "one": ["a"], "empty": [], "numbers": [1, 2], "a-b": "dashed",
    "map": {"k": "v"}, "maps": [{"Name": "x", "Size": 1}, {"Name": "y", "Size": 2}],
}"""


@pytest.mark.parametrize(
    ("selector", "declared", "texts"),
    [
        ("$.Payload.text", None, ["a"]),
        ("$.Payload.text", "String", ["a"]),
        ("$.Payload.text", "StringList", ["a"]),
        ("$.Payload.five", "Integer", ["5"]),
        ("$.Payload.five", "String", ["5"]),
        ("$.Payload.five", "StringList", ["5"]),
        ("$.Payload.minus", "Integer", ["-7"]),
        ("$.Payload.yes", "Boolean", ["true"]),
        ("$.Payload.yes", "String", ["true"]),
        ("$.Payload.yes", "StringList", ["true"]),
        ("$.Payload.no", "Boolean", ["false"]),
        ("$.Payload.list", "StringList", ["a", "b"]),
        ("$.Payload.list[1]", "String", ["b"]),
        ("$.Payload.one", "String", ["a"]),
        ("$.Payload.empty", "StringList", []),
        ("$.Payload.map", "StringMap", ['{"k": "v"}']),
        ("$.Payload.map.k", "String", ["v"]),
        ("$.Payload.maps", "MapList", ['{"Name": "x", "Size": 1}', '{"Name": "y", "Size": 2}']),
        ("$.Payload.maps[0]", "StringMap", ['{"Name": "x", "Size": 1}']),
        ("$.Payload.maps..Name", "StringList", ["x", "y"]),
        ("$..k", "StringList", ["v"]),
        ("$.Payload.maps[?(@.Size > 1)].Name", "StringList", ["y"]),
        ("$.Payload.maps[?(@.Name == 'x')].Size", "Integer", ["1"]),
        ("$.Payload.maps[?(@.Name == 'z')]", "MapList", []),
        ("$.Payload['a-b']", "String", ["dashed"]),
        ("$.Payload.a-b", "String", ["dashed"]),
        ("$.Payload.none", "String", "a value of JSON type null is not a String"),
        ("$.Payload.missing", "String", "the selector $.Payload.missing found nothing"),
        ("$.Payload.list[2]", "String", "found nothing"),
        ("$.Payload.list", "String", "a value of JSON type array is not a String"),
        ("$.Payload.empty", "String", "is not a String"),
        ("$.Payload.text", "Integer", "is not a Integer"),
        ("$.Payload.text", "Boolean", "is not a Boolean"),
        ("$.Payload.half", "Integer", "is not a Integer"),
        ("$.Payload.map", "String", "is not a String"),
        ("$.Payload.map", "StringList", "is not a StringList"),
        ("$.Payload.maps[?(@.Size > 1)]", "StringMap", "is not a StringMap"),
        ("$.Payload.numbers", "StringList", "is not a StringList"),
        ("$.Payload.list", "MapList", "is not a MapList"),
    ],
)
def test_outputs_are_selected_and_converted(automation, script, selector, declared, texts):
    output = {"Name": "Out", "Selector": selector, **({"Type": declared} if declared else {})}
    body = f"return {' '.join(RETURNED.split())}"

    execution = automation.run([script("Make", body, outputs=[output])], outputs=["Make.Out"])

    [step] = execution["StepExecutions"]
    if isinstance(texts, list):
        assert step["Outputs"]["Out"] == texts
        assert execution["Outputs"] == {"Make.Out": texts}
    else:
        assert execution["AutomationExecutionStatus"] == "Failed"
        assert texts in step["FailureMessage"]
        assert "The output Out: " in execution["FailureMessage"]
        assert execution["Outputs"] == {
            "Make.Out": ["No output available yet because the step is not successfully executed"]
        }


def test_outputs_keep_their_types_for_later_steps(automation, script):
    outputs = [
        {"Name": "Five", "Selector": "$.Payload.five", "Type": "Integer"},
        {"Name": "List", "Selector": "$.Payload.list", "Type": "StringList"},
        {"Name": "Maps", "Selector": "$.Payload.maps", "Type": "MapList"},
    ]
    steps = [
        script(
            "Make", "return {'five': '5', 'list': ['a', 'b'], 'maps': [{'k': {'l': 1}}]}", outputs=outputs
        ),
        script(
            "Use", "return events", {"n": "{{ Make.Five }}", "l": ["{{ Make.List }}"], "m": "{{ Make.Maps }}"}
        ),
    ]

    execution = automation.run(steps)

    payload = json.loads(execution["StepExecutions"][1]["Outputs"]["Payload"][0])
    assert payload == {"n": 5, "l": ["a", "b"], "m": [{"k": {"l": 1}}]}


def test_variables_change_with_their_type(automation, script):
    variables = {
        "names": {"type": "StringList", "default": ["a"]},
        "note": {"type": "String"},
    }

    def update(name, variable, value):
        inputs = {"Name": f"variable:{variable}", "Value": value}
        return {"name": name, "action": "aws:updateVariable", "inputs": inputs}

    steps = [
        script("Before", "return events", {"names": "{{ variable:names }}"}),
        update("Grow", "names", ["{{ variable:names }}", "b"]),
        update("Note", "note", "now {{ variable:names }}"),
        script("After", "return events", {"names": "{{ variable:names }}", "note": "{{ variable:note }}"}),
        update("Wrong", "names", "not a list"),
    ]

    execution = automation.run(steps, variables=variables)

    before, _, _, after, wrong = execution["StepExecutions"]
    assert json.loads(before["Outputs"]["Payload"][0]) == {"names": ["a"]}
    assert json.loads(after["Outputs"]["Payload"][0]) == {"names": ["a", "b"], "note": 'now ["a", "b"]'}
    assert "The variable names is a StringList" in wrong["FailureMessage"]
    assert execution["Variables"] == {"names": ["a", "b"], "note": ['now ["a", "b"]']}


def test_a_variable_without_a_value_is_an_error(automation, script):
    steps = [script("Use", "return events", {"note": "{{ variable:note }}"})]

    execution = automation.run(steps, variables={"note": {"type": "String"}})

    assert "{{ variable:note }}: there is no such value" in execution["FailureMessage"]
