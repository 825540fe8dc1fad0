"""Exemptions: a resource is left alone until the day that a person has said, and no longer."""

from __future__ import annotations

import time
from datetime import timedelta

from localcloud import clock, journal
from localcloud.settings import REGION

from .account import RULE, SSH_TO_THE_WORLD, Account, client
from .config_events import Event, about, changed, compliance_change, sample

BUCKET_RULE = "mend-dev-s3-bucket-level-public-access-prohibited"


def exemption(group_id: str) -> str:
    return f"exemptions/close-admin-ports/{group_id}"


def in_days(days: float) -> str:
    return (clock.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def remarks(account: Account, subject: str) -> list[journal.Entry]:
    """Return what people were told under this subject."""
    return [e for e in account.people_are_told("Remark") if e["subject"] == f"[Mend dev] {subject}"]


def test_an_exempt_resource_is_left_alone_until_its_end_and_comes_back_by_itself(account: Account):
    group_id = account.open_group()
    account.switch(exemption(group_id), f"until {in_days(30)}: a bastion, ticket 8")
    (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
    assert answer["decision"] == "suppress"
    assert answer["reasons"][-1].startswith("exempt until ")
    assert answer["reasons"][-1].endswith(": a bastion, ticket 8")
    account.settled(group_id, "suppressed")
    assert account.ops_items(group_id) == []
    assert account.told(group_id) == []
    account.assert_untouched(group_id)

    account.later(days=22)
    assert remarks(account, "An exemption ends soon") == []
    account.later(days=1, minutes=1)
    account.later(days=1)
    (warning,) = remarks(account, "An exemption ends soon")
    assert f"/mend/dev/{exemption(group_id)}" in warning["message"]["email"]
    assert "a bastion, ticket 8" in warning["message"]["email"]
    account.assert_untouched(group_id)

    account.later(days=6)
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()
    assert account.told(group_id)[-2:] == ["Responding", "Resolved"]
    assert len(remarks(account, "An exemption has ended")) == 1


def test_an_exemption_that_is_deleted_ends(account: Account):
    group_id = account.open_group()
    account.switch(exemption(group_id), f"until {in_days(30)}: a bastion")
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "suppressed")
    account.switch(exemption(group_id), None)
    account.settled(group_id, "resolved")
    assert account.rules(group_id) == set()


def test_an_exemption_holds_for_what_waits_already_under_the_name_in_the_ops_item(account: Account):
    account.switch("kill-switch", "engaged: lee, a drill")
    group_id = account.open_group()
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "deferred")
    name = account.ops_item(group_id)["OperationalData"]["mend/exemption"]["Value"]
    account.switch(name.removeprefix("/mend/dev/"), f"until {in_days(30)}: a bastion")
    account.settled(group_id, "suppressed")
    account.switch("kill-switch", "released")
    account.settled(group_id, "suppressed")
    account.assert_untouched(group_id)


def test_what_is_no_exemption_is_reported_and_holds_nothing(account: Account):
    never, far, over = (account.open_group() for _ in range(3))
    account.switch(exemption(never), "forever: a bastion")
    account.switch(exemption(far), f"until {in_days(91)}: a bastion")
    account.switch(exemption(over), f"until {in_days(-1)}: a bastion")
    account.switch("mode/close-admin-port", "off")
    reasons = {}
    for group_id in (never, far, over):
        (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
        reasons[group_id] = "; ".join(answer["reasons"])
        account.settled(group_id, "resolved")
        assert account.rules(group_id) == set()
    assert "the exemption of the resource does not hold: " in reasons[never]
    assert "more than 90 days ahead" in reasons[far]
    assert "the exemption of the resource ended at " in reasons[over]
    account.reconcile()
    told = [e["message"]["email"] for e in remarks(account, "An exemption does not hold")]
    assert [any(group_id in text for text in told) for group_id in (never, far)] == [True, True]
    assert len(told) == 2, "each once"
    (unknown,) = remarks(account, "A switch does nothing")
    assert "/mend/dev/mode/close-admin-port " in unknown["message"]["email"]


def public_bucket(**tags: str) -> str:
    name = f"website-{time.monotonic_ns()}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    client("s3").delete_public_access_block(Bucket=name)
    if tags:
        tag_set = [{"Key": f"mend:{key.replace('_', '-')}", "Value": value} for key, value in tags.items()]
        client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_set})
    return name


def public(bucket: str) -> Event:
    event = about(sample("config-compliance", "public-bucket"), bucket)
    return changed(event, "detail.configRuleName", BUCKET_RULE)


def test_a_tag_exempts_where_the_route_takes_it(account: Account):
    bucket = public_bucket(exempt="true", exempt_until=in_days(30), exempt_reason="our website")
    (answer,) = account.deliver(public(bucket))
    assert (answer["decision"], answer["execution"]) == ("suppress", None)
    assert answer["reasons"][-1].endswith(": our website")
    assert "GetResources" in account.operations("config-compliance")
    account.settled(bucket, "suppressed")

    client("s3").delete_bucket_tagging(Bucket=bucket)
    account.reconcile()
    account.settled(bucket, "resolved")


def test_a_tag_without_an_end_exempts_nothing(account: Account):
    bucket = public_bucket(exempt="true", exempt_reason="our website")
    (answer,) = account.deliver(public(bucket))
    assert any("does not hold" in reason for reason in answer["reasons"])
    account.settled(bucket, "resolved")


def test_a_tag_exempts_nothing_where_the_route_does_not_take_it(account: Account):
    group_id = account.open_group()
    tags = {"mend:exempt": "true", "mend:exempt-until": in_days(30), "mend:exempt-reason": "I may tag"}
    client("ec2").create_tags(
        Resources=[group_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
    )
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "resolved")
    assert SSH_TO_THE_WORLD not in account.rules(group_id)
    assert "GetResources" not in account.operations()
