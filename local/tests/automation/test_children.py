"""``aws:executeAutomation``: runbooks that run runbooks."""

import pytest
from botocore.exceptions import ClientError
from localcloud import journal

OUT = {"outputs": [{"Name": "Out", "Selector": "$.Payload.out", "Type": "StringList"}]}


@pytest.fixture
def child(step):
    """Return a function that writes a step that runs a runbook."""

    def child(name, **properties):
        return step(
            "Child",
            "aws:executeAutomation",
            {"DocumentName": name, **properties.pop("inputs", {})},
            **properties,
        )

    return child


def calls_of_role(execution):
    """Return the calls that an execution's role has made."""
    session = f"assumed-role/mend-network/Automation-{execution['AutomationExecutionId']}"
    entries = journal.entries(kind="api-call")
    return [entry for entry in entries if (entry["principal"] or "").endswith(session)]


def test_a_child_gets_parameters_and_gives_outputs(automation, script, child):
    echo = script(
        "Echo", "return {'out': [events['A'], *events['B']]}", {"A": "{{ A }}", "B": "{{ B }}"}, **OUT
    )
    declared = {"A": {"type": "String"}, "B": {"type": "StringList"}}
    name = automation.create([echo], parameters=declared, outputs=["Echo.Out"])
    run = child(name, inputs={"RuntimeParameters": {"A": "{{ P }}", "B": ["x", "y"]}})
    use = script("Use", "return events", {"Seen": "{{ Child.Output }}", "Status": "{{ Child.Status }}"})

    parent = automation.run([run, use], {"P": ["a"]}, parameters={"P": {"type": "String"}})

    first, second = parent["StepExecutions"]
    assert first["Outputs"]["Output"] == ["a", "x", "y"]
    assert second["Outputs"]["Payload"] == ['{"Seen": ["a", "x", "y"], "Status": "Success"}']
    [child_id] = first["Outputs"]["ExecutionId"]
    execution = automation.get(child_id)
    assert execution["ParentAutomationExecutionId"] == parent["AutomationExecutionId"]
    assert execution["Parameters"] == {"A": ["a"], "B": ["x", "y"]}
    assert "ParentAutomationExecutionId" not in parent


def test_the_parents_role_makes_the_calls_and_passes_the_childs_role(automation, step, child):
    name = automation.create([step("Only")])

    parent = automation.run([child(name)])

    made = calls_of_role(parent)
    assert made[0]["operation"] == "StartAutomationExecution"
    assert {entry["operation"] for entry in made[1:]} == {"GetAutomationExecution"}
    assert made[0]["action"] == "ssm:StartAutomationExecution, iam:PassRole"
    assert automation.role in made[0]["resources"]
    [child_id] = parent["StepExecutions"][0]["Outputs"]["ExecutionId"]
    assert automation.get(child_id)["ExecutedBy"] == made[0]["principal"]


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({}, "Failed"),
        ({"onFailure": "Continue"}, "Success"),
        ({"onFailure": "Continue", "isCritical": True}, "Failed"),
    ],
)
def test_a_failed_child_fails_its_step(automation, script, step, child, statuses, properties, status):
    name = automation.create([script("Break", "raise RuntimeError('broken')")])

    parent = automation.run([child(name, **properties), step("After")])

    assert parent["AutomationExecutionStatus"] == status
    failed = parent["StepExecutions"][0]
    assert failed["StepStatus"] == "Failed"
    assert f"{name} ended as Failed" in failed["FailureMessage"]
    assert "RuntimeError: broken" in failed["FailureMessage"]
    assert failed["Outputs"]["Status"] == ["Failed"]
    assert ("After" in statuses(parent)) == (properties != {})


def test_a_timed_out_child_times_its_step_out(automation, step, child):
    name = automation.create([step("Wait", inputs={"Duration": "PT1H"}, timeoutSeconds=1)])

    assert automation.run([child(name)])["AutomationExecutionStatus"] == "TimedOut"


def test_a_child_that_cannot_start_fails_its_step(automation, child):
    parent = automation.run([child("Mend-Gone")])

    assert parent["AutomationExecutionStatus"] == "Failed"
    assert "AutomationDefinitionNotFoundException" in parent["StepExecutions"][0]["FailureMessage"]


def test_stopping_a_parent_stops_its_child(automation, step, child, wait_for_journal):
    name = automation.create([step("Wait", inputs={"Duration": "PT1H"})])
    parent = automation.start(automation.create([child(name)]))
    wait_for_journal(lambda entry: entry["kind"] == "step" and entry["step"] == "Wait")

    automation.client("ssm").stop_automation_execution(AutomationExecutionId=parent)

    assert automation.wait(parent)["AutomationExecutionStatus"] == "Cancelled"
    filters = [{"Key": "ParentExecutionId", "Values": [parent]}]
    found = automation.client("ssm").describe_automation_executions(Filters=filters)
    [summary] = found["AutomationExecutionMetadataList"]
    assert automation.wait(summary["AutomationExecutionId"])["AutomationExecutionStatus"] == "Cancelled"


def test_a_step_that_times_out_stops_its_child(automation, step, child):
    name = automation.create([step("Wait", inputs={"Duration": "PT1H"})])

    parent = automation.run([child(name, timeoutSeconds=1)])

    assert parent["AutomationExecutionStatus"] == "TimedOut"
    filters = [{"Key": "ParentExecutionId", "Values": [parent["AutomationExecutionId"]]}]
    found = automation.client("ssm").describe_automation_executions(Filters=filters)
    [summary] = found["AutomationExecutionMetadataList"]
    assert automation.wait(summary["AutomationExecutionId"])["AutomationExecutionStatus"] == "Cancelled"


def test_children_nest_five_levels_deep(automation, step, child):
    name = automation.create([step("Only")])
    for _ in range(5):
        name = automation.create([child(name)])
    assert automation.wait(automation.start(name))["AutomationExecutionStatus"] == "Success"

    execution = automation.run([child(name)])

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert "more than 5 levels" in execution["FailureMessage"]


def test_a_script_that_starts_a_runbook_is_no_parent(automation, script, step):
    name = automation.create([step("Only")])
    start = f"import boto3; return boto3.client('ssm').start_automation_execution(DocumentName='{name}')"
    outputs = [{"Name": "Id", "Selector": "$.Payload.AutomationExecutionId"}]

    execution = automation.run([script("Start", start, outputs=outputs)])

    started = automation.get(execution["StepExecutions"][0]["Outputs"]["Id"][0])
    assert "ParentAutomationExecutionId" not in started


def test_inputs_that_it_does_not_have_are_refused(automation, step):
    run = step("Child", "aws:executeAutomation", {"DocumentName": "Mend-Other", "TargetLocations": []})

    with pytest.raises(ClientError, match="the input TargetLocations is unknown or not supported locally"):
        automation.create([run])
