"""How big the template is, as uploaded and as CloudFormation processes it, and how far from its limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LIMIT_OF_RESOURCES = 500
LIMIT_OF_TEMPLATE = 1_000_000
"""Bytes, for a template in S3, where `sam deploy` puts it. In a request of its own it could have 51,200."""
LIMIT_OF_DOCUMENT = 64 * 1024
"""Bytes of one SSM document."""
LIMIT_OF_PARAMETERS = LIMIT_OF_OUTPUTS = 200

ROOM_TO_GROW = 0.5
"""The share of a limit that the template may take."""


def bytes_of(node: Any) -> int:
    return len(json.dumps(node, separators=(",", ":"), default=str).encode())


@pytest.fixture(scope="session")
def processed(expanded) -> dict[str, Any]:
    """The template after all transforms: expanded by SAM, with the runbooks included."""

    def include(node: Any) -> Any:
        match node:
            case {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": location}}}:
                return yaml.safe_load((ROOT / location).read_text())
            case dict():
                return {key: include(value) for key, value in node.items()}
            case list():
                return [include(value) for value in node]
        return node

    return include(expanded)


def test_there_is_room_to_grow(processed, capsys):
    figures = {
        "resources": (len(processed["Resources"]), LIMIT_OF_RESOURCES),
        "parameters": (len(processed["Parameters"]), LIMIT_OF_PARAMETERS),
        "outputs": (len(processed["Outputs"]), LIMIT_OF_OUTPUTS),
        "bytes uploaded": ((ROOT / "template.yaml").stat().st_size, LIMIT_OF_TEMPLATE),
        "bytes processed": (bytes_of(processed), LIMIT_OF_TEMPLATE),
    }
    with capsys.disabled():
        print(
            "\nThe template:", "; ".join(f"{n:,} {what} of {most:,}" for what, (n, most) in figures.items())
        )
    for what, (number, most) in figures.items():
        assert number <= most * ROOM_TO_GROW, what


def test_every_runbook_fits_a_document(processed):
    for name, resource in processed["Resources"].items():
        if resource["Type"] == "AWS::SSM::Document":
            assert bytes_of(resource["Properties"]["Content"]) <= LIMIT_OF_DOCUMENT, name
