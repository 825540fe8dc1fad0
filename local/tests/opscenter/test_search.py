"""Finding OpsItems with DescribeOpsItems."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

ARN = "arn:aws:ec2:eu-central-1:123456789012:security-group/sg-"


@pytest.fixture(scope="module")
def found(ssm):
    """Return a function that gives the titles of the items that pass the filters."""
    for title, source, priority, group, kind in [
        ("Alpha port", "Mend", 1, "0a", "SearchableString"),
        ("Beta port", "Mend", 2, "0b", "SearchableString"),
        ("Gamma disk", "Elsewhere", 2, "0c", "String"),
    ]:
        ssm.create_ops_item(
            Title=title,
            Description="x",
            Source=source,
            Priority=priority,
            Severity=str(priority),
            OperationalData={
                "/aws/resources": {"Value": json.dumps([{"arn": ARN + group}]), "Type": "SearchableString"},
                "/aws/automations": {
                    "Value": json.dumps(
                        [{"automationId": f"Mend-{group}", "automationType": "AWS::SSM::Automation"}]
                    ),
                    "Type": "SearchableString",
                },
                "mend/route": {"Value": f"route-{group}", "Type": kind},
            },
        )
    [gamma] = ssm.describe_ops_items(
        OpsItemFilters=[{"Key": "Title", "Values": ["Gamma disk"], "Operator": "Equal"}]
    )["OpsItemSummaries"]
    planned = datetime(2026, 11, 24, tzinfo=UTC)
    ssm.update_ops_item(OpsItemId=gamma["OpsItemId"], Status="Resolved", PlannedStartTime=planned)

    def found(*filters):
        asked = [{"Key": key, "Operator": operator, "Values": values} for key, operator, *values in filters]
        summaries = ssm.describe_ops_items(OpsItemFilters=asked)["OpsItemSummaries"]
        return [summary["Title"].split()[0] for summary in summaries]

    return found


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ([], ["Gamma", "Beta", "Alpha"]),
        ([("Status", "Equal", "Open")], ["Beta", "Alpha"]),
        ([("Status", "Equal", "Open", "Resolved")], ["Gamma", "Beta", "Alpha"]),
        ([("Source", "Equal", "Mend")], ["Beta", "Alpha"]),
        ([("Source", "Contains", "where")], ["Gamma"]),
        ([("Title", "Equal", "Alpha")], []),
        ([("Title", "Contains", "port")], ["Beta", "Alpha"]),
        ([("Title", "Contains", "port"), ("Priority", "Equal", "2")], ["Beta"]),
        ([("Priority", "Equal", "2")], ["Gamma", "Beta"]),
        ([("Severity", "Equal", "1")], ["Alpha"]),
        ([("ResourceId", "Contains", "sg-0b")], ["Beta"]),
        ([("AutomationId", "Equal", "Mend-0c")], ["Gamma"]),
        ([("OperationalDataKey", "Equal", "mend/route")], ["Beta", "Alpha"]),
        ([("OperationalData", "Equal", '{"key": "mend/route", "value": "route-0a"}')], ["Alpha"]),
        ([("OperationalData", "Equal", '{"key": "mend/route", "value": "route-0c"}')], []),
        ([("OperationalDataValue", "Contains", "route-0")], ["Beta", "Alpha"]),
        ([("CreatedTime", "GreaterThan", "2020-01-01T00:00:00Z")], ["Gamma", "Beta", "Alpha"]),
        ([("LastModifiedTime", "LessThan", "2020-01-01T00:00:00Z")], []),
        ([("OpsItemId", "Equal", "oi-000000000000")], []),
        ([("AccountId", "Equal", "123456789012")], ["Gamma", "Beta", "Alpha"]),
        ([("AccountId", "Equal", "000000000000")], []),
        ([("CreatedBy", "Contains", ":root")], ["Gamma", "Beta", "Alpha"]),
        ([("Category", "Equal", "Security")], []),
        ([("OpsItemType", "Equal", "/aws/issue")], ["Gamma", "Beta", "Alpha"]),
        ([("PlannedStartTime", "GreaterThan", "2020-01-01T00:00:00Z")], ["Gamma"]),
        ([("ActualEndTime", "LessThan", "2030-01-01T00:00:00Z")], []),
        ([("ChangeRequestByTemplate", "Equal", "x")], []),
    ],
)
def test_filters_are_anded_and_their_values_ored(found, filters, titles):
    assert found(*filters) == titles


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("Status", "Contains", "Op"), "The filter Status takes Equal, not Contains"),
        (("ResourceId", "Equal", ARN), "The filter ResourceId takes Contains, not Equal"),
        (("Colour", "Equal", "red"), "Member must satisfy enum value set"),
        (("Title", "Equals", "x"), "Member must satisfy enum value set"),
        (("Title", "Equal", "x" * 101), "at most 100 characters"),
        (("OperationalData", "Equal", "mend/route"), "has the form"),
        (("CreatedTime", "LessThan", "yesterday"), "is not an ISO 8601 time"),
        (("LastModifiedBy", "Equal", "x"), "Member must satisfy enum value set"),
        (("CreatedTime", "Equal", "2020-01-01T00:00:00Z"), "takes GreaterThan, LessThan, not Equal"),
        (("AccountId", "Contains", "1"), "The filter AccountId takes Equal, not Contains"),
    ],
)
def test_wrong_filters_are_refused(found, asked, message):
    with pytest.raises(ClientError) as refusal:
        found(asked)

    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert message in refusal.value.response["Error"]["Message"]


def test_a_summary_shows_searchable_data_and_no_description(ssm, found):
    gamma = ssm.describe_ops_items()["OpsItemSummaries"][0]

    assert set(gamma["OperationalData"]) == {"/aws/resources", "/aws/automations"}
    assert gamma["Status"] == "Resolved"
    assert not gamma.keys() & {"Description", "Version", "OpsItemArn", "Notifications", "RelatedOpsItems"}


def test_long_lists_come_in_pages(ssm, found):
    pages = list(ssm.get_paginator("describe_ops_items").paginate(PaginationConfig={"PageSize": 2}))

    assert [[item["Title"].split()[0] for item in page["OpsItemSummaries"]] for page in pages] == [
        ["Gamma", "Beta"],
        ["Alpha"],
    ]
    assert "NextToken" not in pages[-1]
    with pytest.raises(ClientError, match="token"):
        ssm.describe_ops_items(NextToken="from-elsewhere")


def test_items_are_counted(ssm, found):
    def counts(attribute, *filters):
        asked = [
            {"Key": f"AWS:OpsItem.{key}", "Type": kind, "Values": values} for key, kind, *values in filters
        ]
        aggregator = {"AggregatorType": "count", "TypeName": "AWS:OpsItem", "AttributeName": attribute}
        answer = ssm.get_ops_summary(Aggregators=[aggregator], **({"Filters": asked} if asked else {}))
        [entity] = answer["Entities"]
        return {each[attribute]: each["Count"] for each in entity["Data"]["AWS:OpsItem"]["Content"]}

    assert counts("Status") == {"Open": "2", "Resolved": "1"}
    assert counts("Severity", ("Status", "Equal", "Open")) == {"1": "1", "2": "1"}
    assert counts("Source", ("Title", "BeginWith", "Gamma", "Beta")) == {"Mend": "1", "Elsewhere": "1"}
    assert counts("Status", ("Source", "NotEqual", "Mend")) == {"Resolved": "1"}
    entities = ssm.get_ops_summary(ResultAttributes=[{"TypeName": "AWS:OpsItem"}])["Entities"]
    assert [each["Data"]["AWS:OpsItem"]["Content"][0]["Title"] for each in entities] == [
        "Gamma disk",
        "Beta port",
        "Alpha port",
    ]


@pytest.mark.parametrize(
    ("request_members", "code"),
    [
        ({"SyncName": "all"}, "ResourceDataSyncNotFoundException"),
        ({"Filters": [{"Key": "AWS:OpsItem.Colour", "Values": ["red"]}]}, "InvalidFilter"),
        ({"ResultAttributes": [{"TypeName": "AWS:Compliance"}]}, "InvalidTypeNameException"),
        ({"Aggregators": [{"AggregatorType": "sum"}]}, "InvalidAggregatorException"),
    ],
)
def test_summaries_that_it_does_not_have_are_refused(ssm, request_members, code):
    with pytest.raises(ClientError) as refusal:
        ssm.get_ops_summary(**request_members)

    assert refusal.value.response["Error"]["Code"] == code
