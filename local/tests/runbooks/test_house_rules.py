"""What every runbook of the project has in common."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcloud.automation import documents

ROOT = Path(__file__).parents[3]
RUNBOOKS = sorted(ROOT.glob("runbooks/*.yaml"))
CAN_BE_UNDONE = {
    route["runbook"]
    for path in ROOT.glob("policy/*.yaml")
    for route in yaml.safe_load(path.read_text())
    if "undo" in route
}
CONCLUSION = ["Conclude.Outcome", "Conclude.Changes", "Conclude.BeforeState"]


class StrictLoader(yaml.SafeLoader):
    """Refuses what YAML readers do not agree on: anchors, merge keys, duplicate keys."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent) or getattr(self.peek_event(), "anchor", None):
            raise AssertionError(f"an anchor or alias: {self.peek_event().start_mark}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key occurs twice: {node.start_mark}"
        assert "<<" not in keys, f"a merge key: {node.start_mark}"
        return super().construct_mapping(node, deep)


@pytest.fixture(params=RUNBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def runbook(path) -> dict[str, Any]:
    return yaml.load(path.read_text(), StrictLoader)


def scalars(node: yaml.Node):
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from scalars(key)
            yield from scalars(value)
    else:
        for value in node.value:
            yield from scalars(value)


def test_there_are_runbooks():
    assert {path.stem for path in RUNBOOKS} >= {"Mend-CloseAdminPorts", "Mend-RestoreAdminPorts"}


def test_its_name_is_a_verb_and_a_noun(path):
    assert re.fullmatch(r"Mend-([A-Z][a-z]+){2,}", path.stem)


def test_every_reader_of_yaml_reads_the_same(path):
    for scalar in scalars(yaml.compose(path.read_text())):
        if scalar.style is None:  # a plain scalar: text, an integer as JSON writes it, true or false
            assert re.fullmatch(r"true|false|0|[1-9][0-9]*", scalar.value) or scalar.tag.endswith(":str"), (
                scalar
            )
            assert not re.fullmatch(
                r"(?i)y|n|yes|no|on|off|null|~|[0-9_.:e+-]+", scalar.value
            ) or re.fullmatch(r"0|[1-9][0-9]*", scalar.value), scalar


def test_the_local_cloud_accepts_it(runbook):
    documents.read(runbook)


def test_it_says_what_it_does_and_who_does_it(runbook):
    assert runbook["schemaVersion"] == "0.3"
    assert len(runbook["description"]) > 50
    assert runbook["assumeRole"] == "{{ AutomationAssumeRole }}"


def test_every_parameter_is_typed_described_required_and_checked(runbook):
    assert {"AutomationAssumeRole", "Incident", "Attempt"} <= set(runbook["parameters"])
    for name, parameter in runbook["parameters"].items():
        assert set(parameter) == {"type", "description", "allowedPattern"}, name
        pattern = parameter["allowedPattern"]
        assert pattern.startswith("^"), name
        assert pattern.endswith("$"), name
        # Java, Python and Rust agree on patterns without these.
        assert not re.search(r"\(\?|\\[a-zA-Z]|&&", pattern), name
        for hostile in ("", "{{ global:ACCOUNT_ID }}", "a'b", 'a"b', "a\nb", "a b", "x" * 10_000):
            assert not re.search(pattern, hostile), (name, hostile)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Incident", ["0123456789abcdef0123456789abcdef-1"], ["0123456789abcdef0123456789abcdef-0", "1"]),
        ("Attempt", ["1", "99"], ["0", "100", "-1"]),
        (
            "AutomationAssumeRole",
            [
                "arn:aws:iam::123456789012:role/mend-dev-network",
                "arn:aws-us-gov:iam::123456789012:role/a/b_c",
            ],
            [
                "arn:aws:iam::1234:role/x",
                "arn:aws:iam::123456789012:user/x",
                "arn:aws:iam::123456789012:role/",
            ],
        ),
    ],
)
def test_the_common_parameters_take_the_agreed_values(runbook, name, good, bad):
    pattern = runbook["parameters"][name]["allowedPattern"]
    assert all(re.search(pattern, value) for value in good)
    assert not any(re.search(pattern, value) for value in bad)


def test_no_account_region_or_resource_is_written_into_it(path):
    text = path.read_text()
    assert not re.search(
        r"\b[0-9]{12}\b|\b(sg|sgr|vpc|i|subnet|eni)-[0-9a-f]{8}|[a-z]{2}-[a-z]+-[0-9]\b", text
    )


def test_it_ends_in_conclude(runbook):
    steps = runbook["mainSteps"]
    assert steps[-1]["name"] == "Conclude"
    assert steps[-1]["isEnd"] is True
    assert [f"Conclude.{output['Name']}" for output in steps[-1]["outputs"]] == CONCLUSION
    early = [output for output in runbook["outputs"] if output not in CONCLUSION]
    assert runbook["outputs"] == CONCLUSION + early
    assert all(output.endswith(".BeforeState") for output in early)
    assert [step["name"] for step in steps if step.get("isEnd")] == ["Conclude"]


def reachable(runbook: documents.Runbook, start: str, closed: str | None = None) -> set[str]:
    """Return the steps that can come at or after a step, without passing the closed one."""
    reached, ahead = set(), [start]
    while ahead:
        name = ahead.pop()
        if name not in reached and name != closed:
            reached.add(name)
            ahead += runbook.steps[name].targets
    return reached


def test_every_step_can_be_reached(runbook):
    read = documents.read(runbook)
    assert reachable(read, read.first_step.name) == set(read.steps)


def changing_steps(runbook: documents.Runbook) -> set[str]:
    return {
        name
        for name, step in runbook.steps.items()
        if step.action == "aws:executeAutomation"
        or (
            step.action == "aws:executeAwsApi"
            and not step.inputs["Api"].startswith(("Describe", "Get", "List"))
        )
    }


def test_no_change_is_concluded_unverified(runbook):
    read = documents.read(runbook)
    changes = changing_steps(read)
    assert changes
    for name in changes:
        assert "Conclude" not in reachable(read, name, closed="Verify"), name


@pytest.mark.parametrize("name", sorted(CAN_BE_UNDONE))
def test_what_can_be_undone_is_put_out_before_the_first_change(name):
    """An execution that fails half-way never comes to Conclude, and must be possible to undo as well."""
    runbook = documents.read(yaml.safe_load((ROOT / f"runbooks/{name}.yaml").read_text()))
    changes = changing_steps(runbook)
    put_out = {
        output.removesuffix(".BeforeState") for output in runbook.outputs if output.endswith(".BeforeState")
    }
    assert any(
        not changes & reachable(runbook, runbook.first_step.name, closed=step) for step in put_out - changes
    ), f"a change comes before every one of {put_out}"


def test_every_step_is_bounded_in_time_and_says_what_its_failure_means(runbook):
    for step in runbook["mainSteps"]:
        if step["action"] != "aws:branch":
            assert 0 < step["timeoutSeconds"] <= 600, step["name"]
        if step.get("onFailure", "Abort") != "Abort":
            assert "isCritical" in step, step["name"]
        for output in step.get("outputs", []):
            assert set(output) == {"Name", "Selector", "Type"}, step["name"]


def test_scripts_are_short_and_hold_no_reference(runbook):
    for step in runbook["mainSteps"]:
        source = step["inputs"].get("Script")
        if source:
            assert step["inputs"]["Runtime"] == "python3.11"
            assert not re.search(r"\{\{|\}\}", source), step["name"]
            assert set(re.findall(r"^\s*(?:import|from) (\w+)", source, re.M)) <= {
                "json",
                "re",
                "boto3",
                "botocore",
            }, step["name"]
            assert len(source.splitlines()) <= 120, step["name"]
