"""Creating, reading and updating OpsItems."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from localcloud import journal
from localcloud.clients import client
from localcloud.opscenter import items

ROOT = "arn:aws:iam::123456789012:root"
GROUP = "arn:aws:ec2:eu-central-1:123456789012:security-group/sg-0123456789abcdef0"


def text(value, kind="String"):
    return {"Value": value, "Type": kind}


def searchable(value):
    return text(json.dumps(value), "SearchableString")


def test_a_new_item_reads_back_as_it_was_created(create):
    item = create(
        dedup="a-new-item",
        resource=GROUP,
        Priority=2,
        Severity="1",
        Category="Security",
        OperationalData={"mend/route": text("close-admin-ports")},
    )

    assert item.pop("CreatedTime") == item.pop("LastModifiedTime")
    data = item.pop("OperationalData")
    assert set(data) == {"/aws/dedup", "/aws/resources", "mend/route"}
    assert data["mend/route"] == {"Value": "close-admin-ports", "Type": "String"}
    item_id = item.pop("OpsItemId")
    assert item == {
        "OpsItemArn": f"arn:aws:ssm:eu-central-1:123456789012:opsitem/{item_id}",
        "OpsItemType": "/aws/issue",
        "Title": "Open port",
        "Description": "22",
        "Source": "Mend",
        "Status": "Open",
        "Priority": 2,
        "Severity": "1",
        "Category": "Security",
        "CreatedBy": ROOT,
        "LastModifiedBy": ROOT,
        "Notifications": [],
        "RelatedOpsItems": [],
        "Version": "1",
    }


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        (
            {"Title": "x" * 1025},
            "ValidationException",
            "'title' failed to satisfy constraint",
        ),
        ({"Title": "   "}, "ValidationException", "regular expression pattern"),
        ({"Description": "x" * 2049}, "ValidationException", "less than or equal to 2048"),
        ({"Source": "x" * 129}, "ValidationException", "less than or equal to 128"),
        ({"Priority": 6}, "ValidationException", "Member must have value less than or equal to 5"),
        ({"Priority": 0}, "ValidationException", "Member must have value greater than or equal to 1"),
        (
            {"OperationalData": {"mend/a": text("x", "Text")}},
            "ValidationException",
            "'operationalData.mend/a.member.type' failed to satisfy constraint: "
            "Member must satisfy enum value set: [SearchableString, String]",
        ),
        ({"OperationalData": {"mend/a": text(" ")}}, "ValidationException", "regular expression pattern"),
        ({"Tags": [{"Key": "<", "Value": "x"}]}, "ValidationException", "'tags.1.member.key'"),
        ({"Source": "my-AWS-tool"}, "OpsItemInvalidParameterException", "must not contain aws"),
        ({"Source": "Amazon"}, "OpsItemInvalidParameterException", "must not contain amazon"),
        ({"OperationalData": {"ssm-key": text("x")}}, "OpsItemInvalidParameterException", "reserved prefix"),
        (
            {"OperationalData": {"/AWS/mine": text("x")}},
            "OpsItemInvalidParameterException",
            "reserved prefix",
        ),
        ({"OperationalData": {"mend/a": text("ä" * 10_241)}}, "OpsItemInvalidParameterException", "20 KB"),
        ({"OperationalData": {"mend/a": {"Type": "String"}}}, "OpsItemInvalidParameterException", "no value"),
        (
            {"OperationalData": {"/aws/dedup": text("{}")}},
            "OpsItemInvalidParameterException",
            "SearchableString",
        ),
        (
            {"OperationalData": {"/aws/dedup": searchable(["a"])}},
            "OpsItemInvalidParameterException",
            "is not of the form",
        ),
        (
            {"OperationalData": {"/aws/dedup": searchable({"dedupString": "x" * 513})}},
            "OpsItemInvalidParameterException",
            "1 to 512 characters",
        ),
        (
            {"OperationalData": {"/aws/resources": searchable([{"arn": GROUP}] * 101)}},
            "OpsItemInvalidParameterException",
            "more than 100 resources",
        ),
        (
            {"OperationalData": {"/aws/resources": text("nothing")}},
            "OpsItemInvalidParameterException",
            "is not of the form",
        ),
        (
            {"OperationalData": {"/aws/automations": searchable([{"automationId": "Mend-A"}] * 11)}},
            "OpsItemInvalidParameterException",
            "more than 10 runbooks",
        ),
        (
            {"RelatedOpsItems": [{"OpsItemId": "oi-0123456789ab"}] * 11},
            "OpsItemInvalidParameterException",
            "at most 10 related",
        ),
        ({"OpsItemType": "/aws/changerequest"}, "ValidationException", "local cloud does not support"),
        (
            {"Notifications": [{"Arn": "arn:aws:sns:us-east-1:123456789012:x"}]},
            "OpsItemInvalidParameterException",
            "is no SNS topic of this Region",
        ),
        ({"AccountId": "000000000000"}, "OpsItemAccessDeniedException", "no delegated administrator"),
    ],
)
def test_bad_items_are_refused(ssm, create, members, code, message):
    before = len(ssm.describe_ops_items()["OpsItemSummaries"])

    with pytest.raises(ClientError) as refusal:
        create(**members)

    assert refusal.value.response["Error"]["Code"] == code
    assert message in refusal.value.response["Error"]["Message"]
    assert len(ssm.describe_ops_items()["OpsItemSummaries"]) == before


def test_all_violations_are_named_and_the_parameter_of_a_rule_too(ssm, create):
    with pytest.raises(ClientError, match=r"2 validation errors detected: .*'severity'.*'priority'"):
        create(Severity="x" * 65, Priority=6)
    with pytest.raises(ssm.exceptions.OpsItemInvalidParameterException) as refusal:
        create(Source="aws")
    assert refusal.value.response["ParameterNames"] == ["Source"]


def test_missing_members_are_refused_and_unknown_ones_ignored(ssm):
    raw = client("ssm")
    raw.meta.events.register(
        "before-call.ssm.CreateOpsItem",
        lambda params, **_: params.update(body=b'{"Title": "x", "Colour": "red", "Priority": "1"}'),
    )

    with pytest.raises(ClientError) as refusal:
        raw.create_ops_item(Title="x", Description="x", Source="x")

    message = refusal.value.response["Error"]["Message"]
    assert message.startswith("3 validation errors detected")
    assert "Value null at 'description' failed to satisfy constraint: Member must not be null" in message
    assert "Value null at 'source'" in message
    assert "colour" not in message
    assert "Value '1' at 'priority' failed to satisfy constraint: Member must be of type integer" in message


def test_a_duplicate_names_the_unresolved_item(ssm, create):
    first = create(dedup="duplicate", resource=GROUP)

    for status in ("Open", "InProgress"):
        ssm.update_ops_item(OpsItemId=first["OpsItemId"], Status=status)
        with pytest.raises(ssm.exceptions.OpsItemAlreadyExistsException) as refusal:
            create(dedup="duplicate", resource=GROUP)
        assert refusal.value.response["OpsItemId"] == first["OpsItemId"]

    ssm.update_ops_item(OpsItemId=first["OpsItemId"], Status="Resolved")
    second = create(dedup="duplicate", resource=GROUP)
    assert second["OpsItemId"] != first["OpsItemId"]

    with pytest.raises(ssm.exceptions.OpsItemAlreadyExistsException) as refusal:
        ssm.update_ops_item(OpsItemId=first["OpsItemId"], Status="Open")
    assert refusal.value.response["OpsItemId"] == second["OpsItemId"]


@pytest.mark.parametrize(
    "other",
    [
        {"dedup": "different-string", "resource": GROUP},
        {"dedup": "different", "resource": f"{GROUP}1"},
        {"dedup": "different", "resource": GROUP, "Source": "Elsewhere"},
        {"resource": GROUP},
    ],
)
def test_an_item_that_differs_in_string_resource_or_source_is_no_duplicate(ssm, create, other):
    first = create(dedup="different", resource=GROUP)
    try:
        assert create(**other)["OpsItemId"] != first["OpsItemId"]
    finally:
        ssm.update_ops_item(OpsItemId=first["OpsItemId"], Status="Resolved")


def test_of_many_creations_at_once_one_wins(ssm, create):
    outcomes = []

    def attempt():
        try:
            outcomes.append(create(dedup="at-once")["OpsItemId"])
        except ssm.exceptions.OpsItemAlreadyExistsException as error:
            outcomes.append(error.response["OpsItemId"])

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 8
    assert len(set(outcomes)) == 1


def test_an_update_merges_data_counts_versions_and_keeps_the_rest(ssm, create):
    item = create(dedup="update", OperationalData={"mend/a": text("1"), "mend/b": text("2")}, Severity="3")

    answer = ssm.update_ops_item(
        OpsItemId=item["OpsItemId"],
        Status="InProgress",
        Severity="1",
        OperationalData={"mend/b": text("two"), "mend/c": text("3", "SearchableString")},
        OperationalDataToDelete=["mend/a", "mend/never-there"],
    )

    changed = ssm.get_ops_item(OpsItemId=item["OpsItemId"])["OpsItem"]
    assert set(answer) == {"ResponseMetadata"}
    assert changed["OperationalData"] == {
        "/aws/dedup": item["OperationalData"]["/aws/dedup"],
        "mend/b": {"Value": "two", "Type": "String"},
        "mend/c": {"Value": "3", "Type": "SearchableString"},
    }
    assert (changed["Status"], changed["Severity"], changed["Version"]) == ("InProgress", "1", "2")
    assert (changed["Title"], changed["Description"]) == (item["Title"], item["Description"])
    assert changed["LastModifiedTime"] >= changed["CreatedTime"] == item["CreatedTime"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Status": "Opened"}, "ValidationException"),
        ({"Status": "Approved"}, "OpsItemInvalidParameterException"),
        ({"OpsItemId": "oi-XYZ"}, "ValidationException"),
        ({"OpsItemId": "oi-000000000000"}, "OpsItemNotFoundException"),
        ({"OperationalDataToDelete": ["/aws/dedup"]}, "OpsItemInvalidParameterException"),
        (
            {"OperationalData": {"/aws/dedup": searchable({"dedupString": "x"})}},
            "OpsItemInvalidParameterException",
        ),
        ({"OperationalData": {"aws-key": text("x")}}, "OpsItemInvalidParameterException"),
        ({"Notifications": [{"Arn": "arn:aws:sns:::x"}]}, "OpsItemInvalidParameterException"),
        (
            {"OpsItemArn": "arn:aws:ssm:eu-central-1:000000000000:opsitem/oi-000000000000"},
            "OpsItemAccessDeniedException",
        ),
        (
            {"OpsItemArn": "arn:aws:ssm:eu-central-1:123456789012:opsitem/oi-000000000000"},
            "OpsItemInvalidParameterException",
        ),
    ],
)
def test_bad_updates_change_nothing(ssm, create, members, code):
    item = create()

    with pytest.raises(ClientError) as refusal:
        ssm.update_ops_item(**{"OpsItemId": item["OpsItemId"], "Title": "New", **members})

    assert refusal.value.response["Error"]["Code"] == code
    assert ssm.get_ops_item(OpsItemId=item["OpsItemId"])["OpsItem"] == item


def test_an_unknown_item_is_not_found(ssm):
    with pytest.raises(ssm.exceptions.OpsItemNotFoundException):
        ssm.get_ops_item(OpsItemId="oi-000000000000")


def test_the_monthly_limit_is_an_error_with_its_number(ssm, create, monkeypatch):
    monkeypatch.setattr(items, "MONTHLY_LIMIT", 0)

    with pytest.raises(ssm.exceptions.OpsItemLimitExceededException) as refusal:
        create()

    assert refusal.value.response["Limit"] == 0
    assert refusal.value.response["ResourceTypes"] == ["OpsItem"]


def test_items_take_tags_at_creation_and_later(ssm, create):
    item_id = create(Tags=[{"Key": "mend:incident", "Value": "a-1"}])["OpsItemId"]
    ssm.add_tags_to_resource(
        ResourceType="OpsItem", ResourceId=item_id, Tags=[{"Key": "team", "Value": "net"}]
    )

    tags = ssm.list_tags_for_resource(ResourceType="OpsItem", ResourceId=item_id)["TagList"]

    assert tags == [{"Key": "mend:incident", "Value": "a-1"}, {"Key": "team", "Value": "net"}]
    with pytest.raises(ssm.exceptions.InvalidResourceId):
        ssm.add_tags_to_resource(ResourceType="OpsItem", ResourceId="oi-000000000000", Tags=[])


def test_changes_are_journaled_and_announced(ssm, create):
    before = journal.record("test")["seq"]
    item = create(Title="Announced", Severity="2")
    ssm.update_ops_item(OpsItemId=item["OpsItemId"], Status="Resolved")

    entries = journal.entries(before)
    changes = [
        (entry["change"], entry["status"], entry["title"], entry["severity"])
        for entry in entries
        if entry["kind"] == "ops-item" and entry["ops_item_id"] == item["OpsItemId"]
    ]
    assert changes == [("Create", "Open", "Announced", "2"), ("Update", "Resolved", "Announced", "2")]
    created, updated = [entry["event"] for entry in entries if entry["kind"] == "event"]
    assert (created["detail-type"], created["source"]) == ("OpsItem Create", "aws.ssm")
    assert created["resources"] == [item["OpsItemArn"]]
    made = created["detail"].pop("created-time")
    assert datetime.now(UTC) - datetime.strptime(made, "%Y-%m-%dT%H:%M:%S.%fZ").replace(
        tzinfo=UTC
    ) < timedelta(minutes=1)
    assert created["detail"] == {
        "ops-item-id": item["OpsItemId"],
        "ops-item-type": "/aws/issue",
        "title": "Announced",
        "description": "22",
        "status": "Open",
        "source": "Mend",
        "created-by": ROOT,
    }
    assert updated["detail-type"] == "OpsItem Update"
    assert updated["detail"]["status"] == "Resolved"
    assert updated["detail"]["modified-by"] == ROOT
    assert updated["detail"]["modified-time"] >= made


def test_the_event_of_an_update_names_who_made_it(ssm, create):
    iam = client("iam")
    iam.create_user(UserName="lee")
    key = iam.create_access_key(UserName="lee")["AccessKey"]
    item_id = create()["OpsItemId"]
    lee = client(
        "ssm",
        {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]},
    )

    lee.update_ops_item(OpsItemId=item_id, Status="Resolved")

    item = ssm.get_ops_item(OpsItemId=item_id)["OpsItem"]
    assert (item["CreatedBy"], item["LastModifiedBy"]) == (ROOT, "arn:aws:iam::123456789012:user/lee")
    event = journal.entries(kind="event")[-1]["event"]
    assert set(event["detail"]) == {
        "created-by",
        "created-time",
        "description",
        "modified-by",
        "modified-time",
        "ops-item-id",
        "ops-item-type",
        "source",
        "status",
        "title",
    }
    assert event["detail"]["created-by"] == ROOT
    assert event["detail"]["modified-by"] == "arn:aws:iam::123456789012:user/lee"


def test_planned_and_actual_times_are_kept(ssm, create):
    planned = datetime(2026, 11, 24, 12, tzinfo=UTC)
    item = create(PlannedStartTime=planned)
    ssm.update_ops_item(OpsItemId=item["OpsItemId"], ActualStartTime=planned + timedelta(hours=1))

    item = ssm.get_ops_item(OpsItemId=item["OpsItemId"])["OpsItem"]

    assert item["PlannedStartTime"] == planned
    assert item["ActualStartTime"] == planned + timedelta(hours=1)


def test_a_deleted_item_is_gone_and_deleting_it_again_is_no_error(ssm, create):
    item_id = create(dedup="deleted")["OpsItemId"]
    for _ in range(2):
        ssm.delete_ops_item(OpsItemId=item_id)

    with pytest.raises(ssm.exceptions.OpsItemNotFoundException):
        ssm.get_ops_item(OpsItemId=item_id)
    assert create(dedup="deleted")["OpsItemId"] != item_id


def test_topics_of_an_item_hear_of_its_changes(ssm, create):
    topic = client("sns").create_topic(Name="ops-items")["TopicArn"]
    gone = f"{topic}-gone"
    before = journal.record("test")["seq"]

    item = create(Notifications=[{"Arn": gone}, {"Arn": topic}])
    ssm.update_ops_item(OpsItemId=item["OpsItemId"], Status="Resolved")

    assert item["Notifications"] == [{"Arn": gone}, {"Arn": topic}]
    sent = [entry for entry in journal.entries(before) if entry["kind"] == "notification"]
    assert [(entry["topic_arn"], entry["subject"]) for entry in sent] == [
        (topic, "OpsItem Create"),
        (topic, "OpsItem Update"),
    ]
    assert json.loads(sent[1]["message"])["status"] == "Resolved"
