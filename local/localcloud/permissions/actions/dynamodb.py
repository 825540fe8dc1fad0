"""DynamoDB: each item of a batch or a transaction is a check of its own, on its table or index."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from localcloud.permissions import encryption
from localcloud.permissions.actions.operation import Place, Request, Requirements
from localcloud.permissions.policies import Check
from localcloud.settings import ACCOUNT_ID

Item = dict[str, dict[str, Any]]

_PARTS_OF_A_TRANSACTION = {
    "ConditionCheck": ("dynamodb:ConditionCheckItem", "Key"),
    "Delete": ("dynamodb:DeleteItem", "Key"),
    "Get": ("dynamodb:GetItem", "Key"),
    "Put": ("dynamodb:PutItem", "Item"),
    "Update": ("dynamodb:UpdateItem", "Key"),
}


def _on_item(action: str, member: str = "Key") -> Requirements:
    """Return the requirements of an operation on one item, which `member` holds or names."""

    def requirements(request: Request, place: Place) -> Iterator[Check]:
        yield from _on_table(action, request["TableName"], place, [request[member]])

    return requirements


def _transaction(request: Request, place: Place) -> Iterator[Check]:
    for part in request["TransactItems"]:
        [(kind, content)] = part.items()
        action, member = _PARTS_OF_A_TRANSACTION[kind]
        yield from _on_table(action, content["TableName"], place, [content[member]])


def _batch_get(request: Request, place: Place) -> Iterator[Check]:
    for table, asked in request["RequestItems"].items():
        yield from _on_table("dynamodb:BatchGetItem", table, place, asked["Keys"])


def _batch_write(request: Request, place: Place) -> Iterator[Check]:
    for table, writes in request["RequestItems"].items():
        items = [w["PutRequest"]["Item"] if "PutRequest" in w else w["DeleteRequest"]["Key"] for w in writes]
        yield from _on_table("dynamodb:BatchWriteItem", table, place, items)


def _scan(request: Request, place: Place) -> Iterator[Check]:
    """A scan names no keys, so a condition on leading keys sees none."""
    yield from _read_many("dynamodb:Scan", request, place, [])


def _query(request: Request, place: Place) -> Iterator[Check]:
    expression = request["KeyConditionExpression"]
    names = request.get("ExpressionAttributeNames", {})
    values = request.get("ExpressionAttributeValues", {})
    leading = []
    for name, value in re.findall(r"([#\w]+)\s*=\s*(:\w+)", expression):
        if names.get(name, name) == _leading_key(request, place):
            leading.append(_text(values[value]))
    yield from _read_many("dynamodb:Query", request, place, leading)


def _read_many(action: str, request: Request, place: Place, leading: list[str]) -> Iterator[Check]:
    context = {"dynamodb:leadingkeys": leading} if leading else {}
    arn = _table_arn(request["TableName"], place)
    if index := request.get("IndexName"):
        arn += f"/index/{index}"
    yield Check.of(action, arn, **context)
    yield from _decrypted(request["TableName"], place)


def _on_table(action: str, table: str, place: Place, items: Iterable[Item]) -> Iterator[Check]:
    found = _table(table, place)
    key = found.hash_key_attr if found else None
    leading = sorted({_text(item[key]) for item in items if key in item})
    context = {"dynamodb:leadingkeys": leading} if leading else {}
    yield Check.of(action, _table_arn(table, place), **context)
    yield from _decrypted(table, place)


def _decrypted(table: str, place: Place) -> Iterator[Check]:
    """DynamoDB decrypts the table's key for whoever reads or writes; only who creates a table needs more."""
    found = _table(table, place)
    key = (found.sse_specification or {}).get("KMSMasterKeyId") if found else None
    yield from encryption.checks(key, "dynamodb", place, "kms:Decrypt")


def _leading_key(request: Request, place: Place) -> str | None:
    table = _table(request["TableName"], place)
    if table is None:
        return None
    if index := request.get("IndexName"):
        schema = table.get_index(index).schema
        return next(part["AttributeName"] for part in schema if part["KeyType"] == "HASH")
    return table.hash_key_attr


def _table(name: str, place: Place) -> Table | None:
    return dynamodb_backends[ACCOUNT_ID][place.region].tables.get(name.rsplit("/", 1)[-1])


def _table_arn(name: str, place: Place) -> str:
    return name if name.startswith("arn:") else place.arn("dynamodb", f"table/{name}")


def _text(value: dict[str, Any]) -> str:
    [content] = value.values()
    return base64.b64encode(content).decode() if isinstance(content, bytes) else str(content)


OPERATIONS = {
    "BatchGetItem": _batch_get,
    "BatchWriteItem": _batch_write,
    "DeleteItem": _on_item("dynamodb:DeleteItem"),
    "GetItem": _on_item("dynamodb:GetItem"),
    "PutItem": _on_item("dynamodb:PutItem", "Item"),
    "Query": _query,
    "Scan": _scan,
    "TransactGetItems": _transaction,
    "TransactWriteItems": _transaction,
    "UpdateItem": _on_item("dynamodb:UpdateItem"),
}
