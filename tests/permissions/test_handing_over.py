"""Every function may hand over to the dead-letter queue what it fails on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localcloud import journal
from localcloud.clients import client
from localcloud.deploy import Stack, deploy
from localcloud.server import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
SHORT_WAITS = 0.001


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The project's stack."""
    with LocalCloud(binaries=ROOT / "target/debug", wait_scale=SHORT_WAITS):
        yield deploy(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": "observe"})


@pytest.mark.parametrize("function", ["config-compliance", "automation-outcome", "ops-item-update"])
def test_what_a_function_fails_on_reaches_the_dead_letter_queue(stack, function):
    mark = journal.record("mark")["seq"]
    payload = {"not an event for": function}
    client("lambda").invoke(
        FunctionName=stack.functions[function], InvocationType="Event", Payload=json.dumps(payload).encode()
    )
    letter = dead_letter(stack)
    assert letter["requestPayload"] == payload
    assert letter["requestContext"]["condition"] == "RetriesExhausted"
    assert not journal.entries(mark, "denied")


def dead_letter(stack: Stack) -> dict[str, Any]:
    """Take the next message out of the dead-letter queue, as soon as it is there."""
    sqs, url = client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(message["Body"])
