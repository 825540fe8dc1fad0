"""Sample events made fresh."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from demo.sample_event import put_events_entry
from demo.scenes.admin_ports import SAMPLE

NOW = datetime(2031, 2, 3, 4, 5, 6, 789_000, UTC)


def test_the_sample_is_sent_now_and_about_the_resource_and_otherwise_the_same():
    sample = json.loads(SAMPLE.read_text())
    entry = put_events_entry(SAMPLE, "sg-1", NOW)
    assert (entry["Source"], entry["DetailType"]) == (sample["source"], sample["detail-type"])
    assert entry["Time"] == NOW
    detail = json.loads(entry["Detail"])
    assert sample["detail"]["resourceId"] not in entry["Detail"]
    assert detail["resourceId"] == "sg-1"
    identifier = detail["newEvaluationResult"]["evaluationResultIdentifier"]
    assert identifier["evaluationResultQualifier"]["resourceId"] == "sg-1"
    assert identifier["orderingTimestamp"] == "2031-02-03T04:04:57.789Z"
    old = detail["oldEvaluationResult"]["evaluationResultIdentifier"]
    assert old["orderingTimestamp"] == "2031-02-02T04:04:57.789Z"
    assert detail["configRuleName"] == sample["detail"]["configRuleName"]
    assert detail.keys() == sample["detail"].keys()
