"""Which steps run, in which order, and what the execution ends with."""

import pytest
from botocore.exceptions import ClientError

FAIL = "raise RuntimeError('broken')"


@pytest.fixture
def failing(script):
    """Return a function that writes a step that fails."""

    def failing(name, **properties):
        return script(name, FAIL, **properties)

    return failing


def test_steps_run_in_the_order_of_the_document(automation, step, statuses):
    execution = automation.run([step("A"), step("B"), step("C")])

    assert execution["AutomationExecutionStatus"] == "Success"
    assert list(statuses(execution).items()) == [("A", "Success"), ("B", "Success"), ("C", "Success")]


def test_next_step_jumps_and_is_end_ends(automation, step, statuses):
    steps = [step("A", nextStep="C"), step("B"), step("C", isEnd=True), step("D")]

    assert statuses(automation.run(steps)) == {"A": "Success", "C": "Success"}


@pytest.mark.parametrize(
    ("properties", "reached", "status"),
    [
        ({}, {"A": "Failed"}, "Failed"),
        ({"onFailure": "Abort"}, {"A": "Failed"}, "Failed"),
        ({"onFailure": "Continue"}, {"A": "Failed", "B": "Success", "C": "Success"}, "Success"),
        (
            {"onFailure": "Continue", "isCritical": True},
            {"A": "Failed", "B": "Success", "C": "Success"},
            "Failed",
        ),
        ({"onFailure": "step:C"}, {"A": "Failed", "C": "Success"}, "Failed"),
        ({"onFailure": "step:C", "isCritical": False}, {"A": "Failed", "C": "Success"}, "Success"),
        ({"onFailure": "Continue", "isEnd": True}, {"A": "Failed"}, "Success"),
        ({"isEnd": True}, {"A": "Failed"}, "Failed"),
        ({"nextStep": "C"}, {"A": "Failed"}, "Failed"),
    ],
)
def test_after_a_failure(automation, step, failing, statuses, properties, reached, status):
    execution = automation.run([failing("A", **properties), step("B"), step("C")])

    assert statuses(execution) == reached
    assert execution["AutomationExecutionStatus"] == status
    assert ("FailureMessage" in execution) == (status == "Failed")
    failed = execution["StepExecutions"][0]
    assert "RuntimeError: broken" in failed["FailureMessage"]
    assert failed["FailureMessage"].startswith("Step fails when it is Execute/Cancelling action. ")
    assert failed["FailureDetails"] == {"FailureStage": "Invocation", "FailureType": "Action"}


def test_a_step_fails_after_its_last_attempt_only(automation, script, statuses, tmp_path):
    count = (
        "import pathlib; attempts = pathlib.Path(events['file']); "
        "attempts.write_text(attempts.read_text() + 'x' if attempts.exists() else 'x'); "
        "1 / (len(attempts.read_text()) >= events['needed'])"
    )

    def run(needed):
        payload = {"file": str(tmp_path / str(needed)), "needed": needed}
        execution = automation.run([script("A", count, payload, maxAttempts=3)])
        return execution["AutomationExecutionStatus"], len((tmp_path / str(needed)).read_text())

    assert run(2) == ("Success", 2)
    assert run(3) == ("Success", 3)
    assert run(9) == ("Failed", 3)


@pytest.mark.parametrize(
    ("properties", "reached", "status"),
    [
        ({}, {"A": "TimedOut"}, "TimedOut"),
        ({"onFailure": "Continue"}, {"A": "TimedOut", "B": "Success"}, "Success"),
        ({"onFailure": "step:B"}, {"A": "TimedOut", "B": "Success"}, "TimedOut"),
    ],
)
def test_after_a_time_out(automation, step, statuses, properties, reached, status):
    sleep = step("A", inputs={"Duration": "PT1H"}, timeoutSeconds=1, **properties)

    execution = automation.run([sleep, step("B")])

    assert statuses(execution) == reached
    assert execution["AutomationExecutionStatus"] == status
    assert "did not finish within its time-out" in execution["StepExecutions"][0]["FailureMessage"]


BRANCH_CASES = [
    ("a", "StringEquals", "a", True),
    ("a", "StringEquals", "A", False),
    ("Ab", "EqualsIgnoreCase", "aB", True),
    ("abc", "StartsWith", "ab", True),
    ("abc", "StartsWith", "bc", False),
    ("abc", "EndsWith", "bc", True),
    ("abc", "EndsWith", "ab", False),
    ("abc", "Contains", "b", True),
    ("abc", "Contains", "d", False),
    (5, "NumericEquals", 5, True),
    (5, "NumericGreater", 5, False),
    (6, "NumericGreater", 5, True),
    (4, "NumericLesser", 5, True),
    (5, "NumericLesser", 5, False),
    (5, "NumericGreaterOrEquals", 5, True),
    (5, "NumericLesserOrEquals", 4, False),
    (True, "BooleanEquals", True, True),
    (True, "BooleanEquals", False, False),
]


@pytest.fixture
def choose(automation, step, statuses):
    """Return a function that runs a branch between Yes and No and gives the step that it chose."""

    def choose(*choices, **inputs):
        branch = step("Choose", "aws:branch", {"Choices": list(choices), **inputs})
        steps = [branch, step("No", isEnd=True), step("Yes"), step("Other")]
        reached = statuses(automation.run(steps))
        return list(reached)[1] if len(reached) > 1 else reached["Choose"]

    return choose


@pytest.mark.parametrize(("variable", "comparison", "value", "holds"), BRANCH_CASES)
def test_a_branch_compares(choose, variable, comparison, value, holds):
    choice = {"NextStep": "Yes", "Variable": variable, comparison: value}

    assert choose(choice, Default="No") == ("Yes" if holds else "No")


T = {"Variable": True, "BooleanEquals": True}
F = {"Variable": True, "BooleanEquals": False}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"And": [T, T]}, True),
        ({"And": [T, F]}, False),
        ({"Or": [F, T]}, True),
        ({"Or": [F, F]}, False),
        ({"Not": F}, True),
        ({"Not": {"And": [T, {"Or": [F, T]}]}}, False),
    ],
)
def test_a_branch_combines_conditions(choose, condition, holds):
    assert choose({"NextStep": "Yes", **condition}, Default="No") == ("Yes" if holds else "No")


def test_the_first_true_choice_wins_and_without_default_the_next_step_follows(choose):
    assert choose({"NextStep": "Other", **F}, {"NextStep": "Yes", **T}, {"NextStep": "Other", **T}) == "Yes"
    assert choose({"NextStep": "Yes", **F}) == "No"


@pytest.mark.parametrize(
    ("variable", "comparison", "value"),
    [
        (5, "StringEquals", "5"),
        ("5", "NumericEquals", 5),
        ("true", "BooleanEquals", True),
        (True, "NumericEquals", 1),
    ],
)
def test_a_branch_does_not_compare_different_types(choose, variable, comparison, value):
    assert choose({"NextStep": "Yes", "Variable": variable, comparison: value}, Default="No") == "Failed"


def test_a_branch_that_is_the_end_ends_unless_it_chooses(automation, step, statuses):
    def run(condition):
        inputs = {"Choices": [{"NextStep": "Yes", **condition}]}
        return statuses(
            automation.run([step("Choose", "aws:branch", inputs, isEnd=True), step("No"), step("Yes")])
        )

    assert run(F) == {"Choose": "Success"}
    assert run(T) == {"Choose": "Success", "Yes": "Success"}


def test_a_loop_is_found_before_anything_runs(automation, step):
    back = {"Choices": [{"NextStep": "A", **T}], "Default": "C"}

    with pytest.raises(ClientError, match="run in a circle: A -> B -> A"):
        automation.create([step("A"), step("B", "aws:branch", back), step("C")])
