"""Fixtures: a running local cloud with a small stack, whose one function is the stand-in."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from localcloud import journal
from localcloud.clients import client
from localcloud.deploy import Stack, deploy
from localcloud.server import LocalCloud

HERE = Path(__file__).parent
WAIT_SECONDS = 10.0


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of built binaries, as target/debug is one."""
    folder = tmp_path_factory.mktemp("binaries")
    shutil.copy(HERE / "stand_in.py", folder / "stand-in")
    return folder


@pytest.fixture(scope="module")
def cloud(binaries: Path) -> Iterator[LocalCloud]:
    """An empty local cloud in which a minute of AWS's waiting takes 60 ms."""
    with LocalCloud(binaries=binaries, wait_scale=0.001) as running:
        yield running


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> Stack:
    """The test's own template, deployed."""
    return deploy(HERE / "template.yaml", "test", {"Mode": "enforce"})


@dataclass
class Watch:
    """Reads the journal from the moment of its creation."""

    after: int

    def entries(self, kind: str) -> list[journal.Entry]:
        """Return what of this kind has happened so far."""
        return journal.entries(self.after, kind)

    def wait(self, kind: str, count: int = 1, **fields: Any) -> list[journal.Entry]:
        """Return the first `count` entries with these fields, as soon as they are there."""
        deadline = time.monotonic() + WAIT_SECONDS
        seen, found = self.after, []
        while len(found) < count:
            remaining = deadline - time.monotonic()
            assert remaining > 0, f"{len(found)} of {count} came: {journal.entries(self.after)}"
            for entry in journal.wait(seen, remaining):
                seen = entry["seq"]
                if entry["kind"] == kind and fields.items() <= entry.items():
                    found.append(entry)
        return found


@pytest.fixture
def watch(cloud: LocalCloud) -> Watch:
    """The journal from the beginning of the test."""
    return Watch(journal.record("mark")["seq"])


@pytest.fixture
def receive(cloud: LocalCloud) -> Callable[[str], dict[str, Any]]:
    """A function that takes the next message from a queue; its body is parsed."""

    def receive_(queue_url: str) -> dict[str, Any]:
        sqs = client("sqs")
        answer = sqs.receive_message(
            QueueUrl=queue_url, WaitTimeSeconds=int(WAIT_SECONDS), MessageAttributeNames=["All"]
        )
        message = answer["Messages"][0]
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return {**message, "Body": json.loads(message["Body"])}

    return receive_
