"""What every runbook has in common and only Python can tell; shared/policy-compiler holds the rest."""

import re
from pathlib import Path

import pytest
import yaml
from localcloud.automation import documents

RUNBOOKS = sorted(Path(__file__).parents[3].glob("runbooks/*.yaml"))


@pytest.fixture(params=RUNBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


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


def test_every_reader_of_yaml_reads_the_same(path):
    for scalar in scalars(yaml.compose(path.read_text())):
        if scalar.style is None:  # a plain scalar: text, an integer as JSON writes it, true or false
            assert re.fullmatch(r"true|false|0|[1-9][0-9]*", scalar.value) or scalar.tag.endswith(":str"), (
                scalar
            )
            assert not re.fullmatch(
                r"(?i)y|n|yes|no|on|off|null|~|[0-9_.:e+-]+", scalar.value
            ) or re.fullmatch(r"0|[1-9][0-9]*", scalar.value), scalar


def test_it_does_without_anchors_and_merge_keys(path):
    for event in yaml.parse(path.read_text()):
        assert not isinstance(event, yaml.AliasEvent), event.start_mark
        assert getattr(event, "anchor", None) is None, event.start_mark
        assert getattr(event, "value", None) != "<<", event.start_mark


def test_the_local_cloud_accepts_it(path, load_runbook):
    documents.read(load_runbook(path.stem))
