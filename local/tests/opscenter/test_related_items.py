"""What belongs to an OpsItem: related items, and the history of its changes."""

import json

import pytest
from botocore.exceptions import ClientError

ROOT = {"Arn": "arn:aws:iam::123456789012:root"}
DOCUMENT = "arn:aws:ssm:eu-central-1:123456789012:document/Mend-CloseAdminPorts"


@pytest.fixture
def associate(ssm):
    """Return a function that associates a document with an item."""

    def associate(item_id, **members):
        request = {
            "OpsItemId": item_id,
            "AssociationType": "RelatesTo",
            "ResourceType": "AWS::SSM::Document",
            "ResourceUri": DOCUMENT,
        }
        return ssm.associate_ops_item_related_item(**{**request, **members})["AssociationId"]

    return associate


def test_a_related_item_is_listed_until_it_is_taken_away(ssm, create, associate):
    item_id, other_id = create()["OpsItemId"], create()["OpsItemId"]
    association_id = associate(item_id)
    associate(other_id, ResourceUri=f"{DOCUMENT}Too", AssociationType="IsParentOf")

    [summary] = ssm.list_ops_item_related_items(OpsItemId=item_id)["Summaries"]

    assert summary.pop("CreatedTime") == summary.pop("LastModifiedTime")
    assert summary == {
        "OpsItemId": item_id,
        "AssociationId": association_id,
        "ResourceType": "AWS::SSM::Document",
        "AssociationType": "RelatesTo",
        "ResourceUri": DOCUMENT,
        "CreatedBy": ROOT,
        "LastModifiedBy": ROOT,
    }
    filters = [{"Key": "ResourceUri", "Values": [f"{DOCUMENT}Too"], "Operator": "Equal"}]
    [other] = ssm.list_ops_item_related_items(Filters=filters)["Summaries"]
    assert (other["OpsItemId"], other["AssociationType"]) == (other_id, "IsParentOf")
    ssm.disassociate_ops_item_related_item(OpsItemId=item_id, AssociationId=association_id)
    assert ssm.list_ops_item_related_items(OpsItemId=item_id)["Summaries"] == []


def test_a_resource_is_related_once(ssm, create, associate):
    item_id = create()["OpsItemId"]
    associate(item_id)

    with pytest.raises(ssm.exceptions.OpsItemRelatedItemAlreadyExistsException) as refusal:
        associate(item_id)

    assert refusal.value.response["ResourceUri"] == DOCUMENT
    assert refusal.value.response["OpsItemId"] == item_id


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"AssociationType": "IsChildOf"}, "OpsItemInvalidParameterException"),
        ({"ResourceType": "AWS::EC2::Instance"}, "OpsItemInvalidParameterException"),
        ({"ResourceUri": "Mend-CloseAdminPorts"}, "OpsItemInvalidParameterException"),
        ({"OpsItemId": "oi-000000000000"}, "OpsItemNotFoundException"),
    ],
)
def test_wrong_associations_are_refused(ssm, create, associate, members, code):
    item_id = create()["OpsItemId"]

    with pytest.raises(ClientError) as refusal:
        associate(**{"item_id": item_id, **members})

    assert refusal.value.response["Error"]["Code"] == code
    assert ssm.list_ops_item_related_items(OpsItemId=item_id)["Summaries"] == []


def test_an_association_that_is_not_there_cannot_be_taken_away(ssm, create):
    with pytest.raises(ssm.exceptions.OpsItemRelatedItemAssociationNotFoundException):
        ssm.disassociate_ops_item_related_item(OpsItemId=create()["OpsItemId"], AssociationId="gone")


def test_the_history_of_an_item_is_listed(ssm, create):
    item_id = create()["OpsItemId"]
    create()
    ssm.update_ops_item(OpsItemId=item_id, Status="Resolved")

    def events(**request):
        filters = [{"Key": "OpsItemId", "Values": [item_id], "Operator": "Equal"}]
        return ssm.list_ops_item_events(Filters=filters, **request)

    updated, created = events()["Summaries"]

    assert (created["DetailType"], updated["DetailType"]) == ("OpsItem Create", "OpsItem Update")
    assert (updated["OpsItemId"], updated["Source"], updated["CreatedBy"]) == (item_id, "aws.ssm", ROOT)
    assert json.loads(updated["Detail"])["status"] == "Resolved"
    first = events(MaxResults=1)
    second = events(MaxResults=1, NextToken=first["NextToken"])
    assert [*first["Summaries"], *second["Summaries"]] == [updated, created]
    with pytest.raises(ssm.exceptions.OpsItemInvalidParameterException):
        events(NextToken="from-elsewhere")


def test_the_history_of_an_unknown_item_is_not_found(ssm):
    filters = [{"Key": "OpsItemId", "Values": ["oi-000000000000"], "Operator": "Equal"}]

    with pytest.raises(ssm.exceptions.OpsItemNotFoundException):
        ssm.list_ops_item_events(Filters=filters)
