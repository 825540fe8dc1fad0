"""Storms: many problems of one kind share an OpsItem, and each of them is healed all the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from localcloud.deploy import Stack

from .account import RULE, Account, client
from .config_events import compliance_change
from .conftest import mend

THRESHOLD = 2
GROUPS = 5


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mend("enforce", StormThreshold=str(THRESHOLD)) as stack:
        yield stack


def gatherings(account: Account) -> list[dict[str, Any]]:
    """Return the OpsItems that stand for many, with what they hold."""
    ssm, kept = client("ssm"), {}
    for item in account.ledger():
        if item["pk"].startswith("gathering#") and item["sk"] == "head":
            kept[item["pk"]] = ssm.get_ops_item(OpsItemId=item["ops_item"])["OpsItem"]
    return list(kept.values())


def own_ops_items(account: Account, groups: list[str]) -> int:
    return sum(len(account.ops_items(group_id)) for group_id in groups)


def data(item: dict[str, Any], key: str) -> str:
    return item["OperationalData"][key]["Value"]


def test_a_storm_is_one_ops_item_and_every_resource_is_healed(account: Account):
    groups = [account.open_group() for _ in range(GROUPS)]
    for group_id in groups:
        account.deliver(compliance_change(group_id, rule=RULE))
    for group_id in groups:
        account.settled(group_id, "resolved")
        assert account.rules(group_id) == set()
    assert own_ops_items(account, groups) == THRESHOLD
    (item,) = gatherings(account)
    assert item["Title"] == "SSH or RDP is open to the world: A storm"
    began = account.people_are_told("Gathering")
    assert [e["subject"] for e in began] == ["[Mend dev] A storm: SSH or RDP is open to the world"]
    told = [len(account.told(group_id)) for group_id in groups]
    assert told == [2] * THRESHOLD + [0] * (GROUPS - THRESHOLD), "people hear of the storm, not of each"
    assert len(account.mend_events(groups[-1])) == 2, "machines hear of each"

    account.reconcile()
    (item,) = gatherings(account)
    assert data(item, "mend/count") == f"0 open: {GROUPS - THRESHOLD} resolved"
    assert item["Status"] == "Open", "the day is not over"
    account.later(days=1)
    (item,) = [client("ssm").get_ops_item(OpsItemId=item["OpsItemId"])["OpsItem"]]
    assert item["Status"] == "Resolved"
    assert len(account.people_are_told("Gathering")) == 1, "a storm that is over needs no digest"


def test_what_is_observed_gathers_with_a_daily_digest_and_a_query_that_lists_all(account: Account):
    account.switch("mode/close-admin-ports", "observe")
    groups = [account.open_group() for _ in range(GROUPS)]
    for group_id in groups:
        account.deliver(compliance_change(group_id, rule=RULE))
        account.settled(group_id, "observed")
    own = own_ops_items(account, groups)
    assert own == THRESHOLD / 2
    account.reconcile()
    (item,) = gatherings(account)
    assert item["Title"] == "SSH or RDP is open to the world: Many observed"
    gathered = groups[own:]
    assert data(item, "mend/count") == f"{len(gathered)} open: {len(gathered)} observed"
    assert all(group_id in data(item, "mend/resources") for group_id in gathered)
    assert listed_by(data(item, "mend/query")) == set(gathered)
    assert len(account.people_are_told("Gathering")) == 1

    account.later(days=1)
    account.later(hours=1)
    digests = account.people_are_told("Gathering")[1:]
    assert [e["subject"] for e in digests] == [
        f"[Mend dev] Many observed, {len(gathered)} open: SSH or RDP is open to the world"
    ]
    for group_id in groups:
        account.assert_untouched(group_id)

    account.switch("mode/close-admin-ports", "enforce")
    for group_id in groups:
        account.settled(group_id, "resolved")
    account.reconcile()
    item = client("ssm").get_ops_item(OpsItemId=item["OpsItemId"])["OpsItem"]
    assert (item["Status"], data(item, "mend/count")) == ("Resolved", f"0 open: {len(gathered)} resolved")


def listed_by(command: str) -> set[str]:
    """Run the `aws dynamodb query` that an OpsItem names, and return the resources that it lists."""
    words = shlex.split(command)
    assert words[:3] == ["aws", "dynamodb", "query"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    answer = client("dynamodb").query(
        TableName=options["--table-name"],
        KeyConditionExpression=options["--key-condition-expression"],
        ExpressionAttributeValues=json.loads(options["--expression-attribute-values"]),
    )
    return {item["resource"]["M"]["id"]["S"] for item in answer["Items"] if "resource" in item}
