"""DynamoDB, in the ways in which a ledger depends on it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client

TABLE = "ledger"
INCIDENT: dict[str, Any] = {
    "pk": {"S": "incident#1"},
    "sk": {"S": "current"},
    "lease": {"N": "10"},
    "causes": {"M": {"rule": {"M": {"state": {"S": "violated"}}}}},
}
KEY = {name: INCIDENT[name] for name in ("pk", "sk")}
OTHER = {"pk": {"S": "incident#2"}, "sk": {"S": "current"}}
ALL_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


@pytest.fixture
def dynamodb(cloud: Any):
    """A client, and a table that holds one incident."""
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )
    dynamodb.put_item(TableName=TABLE, Item=INCIDENT)
    yield dynamodb
    dynamodb.delete_table(TableName=TABLE)


def item(dynamodb: Any, key: dict[str, Any] = KEY) -> dict[str, Any] | None:
    return dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True).get("Item")


def refused(call: Any, **parameters: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response


def test_an_upsert_with_defaults_lists_and_counters(dynamodb: Any):
    def claim() -> dict[str, Any]:
        return dynamodb.update_item(
            TableName=TABLE,
            Key=OTHER,
            UpdateExpression=(
                "SET generation = if_not_exists(generation, :one), "
                "#notes = list_append(if_not_exists(#notes, :none), :note) ADD claims :one, running :id"
            ),
            ExpressionAttributeNames={"#notes": "notes"},
            ExpressionAttributeValues={
                ":one": {"N": "1"},
                ":none": {"L": []},
                ":note": {"L": [{"S": "claimed"}]},
                ":id": {"SS": ["a"]},
            },
            ReturnValues="ALL_NEW",
        )["Attributes"]

    claim()
    assert claim() == {
        **OTHER,
        "generation": {"N": "1"},
        "claims": {"N": "2"},
        "notes": {"L": [{"S": "claimed"}, {"S": "claimed"}]},
        "running": {"SS": ["a"]},
    }


def test_conditions_look_into_nested_maps(dynamodb: Any):
    update = {
        "TableName": TABLE,
        "Key": KEY,
        "UpdateExpression": "SET causes.#rule.#state = :clear",
        "ConditionExpression": "causes.#rule.#state = :violated AND attribute_not_exists(causes.#rule.since)",
        "ExpressionAttributeNames": {"#rule": "rule", "#state": "state"},
        "ExpressionAttributeValues": {":clear": {"S": "clear"}, ":violated": {"S": "violated"}},
    }
    dynamodb.update_item(**update)
    assert item(dynamodb)["causes"]["M"]["rule"]["M"] == {"state": {"S": "clear"}}
    assert refused(dynamodb.update_item, **update)["Error"]["Code"] == "ConditionalCheckFailedException"


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("update_item", {"Key": KEY, "UpdateExpression": "SET x = :now"}),
        ("put_item", {"Item": KEY}),
        ("delete_item", {"Key": KEY}),
    ],
)
def test_a_failed_condition_returns_the_item(dynamodb: Any, operation: str, request_: dict[str, Any]):
    request = {
        "TableName": TABLE,
        "ConditionExpression": "attribute_not_exists(lease) OR lease < :now",
        "ExpressionAttributeValues": {":now": {"N": "5"}},
        **request_,
    }
    call = getattr(dynamodb, operation)
    response = refused(call, **request, **ALL_OLD)
    assert response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert response["Item"] == INCIDENT
    assert "Item" not in refused(call, **request)
    assert item(dynamodb) == INCIDENT


def test_a_failed_condition_on_an_absent_item_returns_none(dynamodb: Any):
    response = refused(
        dynamodb.put_item, TableName=TABLE, Item=OTHER, ConditionExpression="attribute_exists(pk)", **ALL_OLD
    )
    assert response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert "Item" not in response


def test_a_transaction_does_all_or_nothing_and_gives_its_reasons(dynamodb: Any):
    response = refused(
        dynamodb.transact_write_items,
        TransactItems=[
            {"Put": {"TableName": TABLE, "Item": OTHER}},
            {
                "Update": {
                    "TableName": TABLE,
                    "Key": KEY,
                    "UpdateExpression": "SET lease = :later",
                    "ConditionExpression": "lease < :now AND causes.#rule.#state = :violated",
                    "ExpressionAttributeNames": {"#rule": "rule", "#state": "state"},
                    "ExpressionAttributeValues": {
                        ":now": {"N": "5"},
                        ":later": {"N": "20"},
                        ":violated": {"S": "violated"},
                    },
                    **ALL_OLD,
                }
            },
            {
                "ConditionCheck": {
                    "TableName": TABLE,
                    "Key": {"pk": {"S": "budget"}, "sk": {"S": "current"}},
                    "ConditionExpression": "attribute_exists(pk)",
                    **ALL_OLD,
                }
            },
        ],
    )
    assert response["Error"]["Code"] == "TransactionCanceledException"
    none, failed, absent = response["CancellationReasons"]
    assert none == {"Code": "None"}
    assert (failed["Code"], failed["Item"]) == ("ConditionalCheckFailed", INCIDENT)
    assert absent["Code"] == "ConditionalCheckFailed"
    assert "Item" not in absent
    assert item(dynamodb) == INCIDENT
    assert item(dynamodb, OTHER) is None


@pytest.mark.parametrize("check", [KEY, {"pk": {"S": "budget"}, "sk": {"S": "current"}}])
def test_a_transaction_that_fails_leaves_everything_as_it_was(dynamodb: Any, check: dict[str, Any]):
    third = {"pk": {"S": "incident#3"}, "sk": {"S": "current"}}
    dynamodb.put_item(TableName=TABLE, Item=third)
    update = {
        "Key": KEY,
        "UpdateExpression": "SET causes.#rule.#state = :cleared REMOVE lease",
        "ExpressionAttributeNames": {"#rule": "rule", "#state": "state"},
        "ExpressionAttributeValues": {":cleared": {"S": "cleared"}},
    }
    operations = {
        "Update": update,
        "Delete": {"Key": third},
        "Put": {"Item": OTHER},
        # Of an item that the transaction has touched already, or of another one.
        "ConditionCheck": {"Key": check, "ConditionExpression": "attribute_exists(gone)"},
    }
    items = [{name: {"TableName": TABLE, **operation}} for name, operation in operations.items()]
    refused(dynamodb.transact_write_items, TransactItems=items)
    assert item(dynamodb) == INCIDENT
    assert item(dynamodb, OTHER) is None
    assert item(dynamodb, third) == third
    dynamodb.transact_write_items(TransactItems=items[:3])
    assert item(dynamodb)["causes"]["M"]["rule"]["M"]["state"] == {"S": "cleared"}
    assert item(dynamodb, third) is None


def test_a_transaction_that_is_sent_again_is_not_applied_again(dynamodb: Any):
    def count(by: str) -> dict[str, Any]:
        update = {
            "TableName": TABLE,
            "Key": KEY,
            "UpdateExpression": "ADD attempts :by",
            "ExpressionAttributeValues": {":by": {"N": by}},
        }
        return {"TransactItems": [{"Update": update}], "ClientRequestToken": "the-same-token"}

    dynamodb.transact_write_items(**count("1"))
    dynamodb.transact_write_items(**count("1"))
    assert item(dynamodb)["attempts"] == {"N": "1"}
    error = refused(dynamodb.transact_write_items, **count("2"))["Error"]
    assert error["Code"] == "IdempotentParameterMismatchException"


def test_of_twenty_claims_at_once_one_succeeds(dynamodb: Any):
    outcomes: list[str] = []
    start = threading.Barrier(20)

    def claim(number: int) -> None:
        start.wait()
        try:
            dynamodb.update_item(
                TableName=TABLE,
                Key=OTHER,
                UpdateExpression="SET #owner = :me",
                ConditionExpression="attribute_not_exists(#owner)",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":me": {"N": str(number)}},
            )
            outcomes.append("claimed")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ConditionalCheckFailedException"] * 19 + ["claimed"]
