"""DynamoDB where moto's differs: a transaction that is sent again with its token is not applied again.

SDKs give every TransactWriteItems a token and repeat the call when they lose the answer. And a transaction
costs what it touches, not what the table holds; an item is read without being copied at each of its levels.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from localcloud.errors import ServiceError

TOKEN_LIFE_SECONDS = 600.0


def install() -> None:
    """Wrap TransactWriteItems, and replace how items are written as JSON."""
    DynamoType.to_regular_json = _to_regular_json
    DynamoDBBackend.transact_write_items = _rolling_back(DynamoDBBackend.transact_write_items)
    moto_transact = DynamoHandler.transact_write_items

    def transact_write_items(self: DynamoHandler) -> Any:
        token = self.body.get("ClientRequestToken")
        request = json.dumps(self.body, default=repr, sort_keys=True)
        now = time.time()
        # On the backend, so that a reset empties it; `localcloud.calls` runs one call at a time.
        applied = self.dynamodb_backend.__dict__.setdefault("applied_transactions", {})
        when, known = applied.get(token, (0.0, None))
        if known is not None and now - when < TOKEN_LIFE_SECONDS:
            if known != request:
                raise ServiceError(
                    "IdempotentParameterMismatchException",
                    "The token was used with other parameters: "
                    "a request that is sent again must be the same as the first.",
                )
            return ActionResult({})
        answer = moto_transact(self)
        if token:
            applied[token] = (now, request)
        return answer

    DynamoHandler.transact_write_items = transact_write_items


def _to_regular_json(self: DynamoType) -> dict[str, Any]:
    value = self.value
    if isinstance(value, dict):
        value = {name: _regular(nested) for name, nested in value.items()}
    elif isinstance(value, list):
        value = [_regular(nested) for nested in value]
    elif self.is_binary() and isinstance(value, str):
        value = base64.b64decode(value)
    return {self.type: value}


def _regular(value: Any) -> Any:
    return value.to_regular_json() if isinstance(value, DynamoType) else value


@dataclass(frozen=True)
class _Before:
    """An item as it was, or that there was none."""

    table: Table
    hash_key: DynamoType
    range_key: DynamoType | None
    item: Item | None

    def restore(self) -> None:
        """Let the table hold what it held."""
        if self.item is None:
            self.table.delete_item(self.hash_key, self.range_key)
        elif self.range_key:
            self.table.items[self.hash_key][self.range_key] = self.item
        else:
            self.table.items[self.hash_key] = self.item


def _rolling_back(original: Any) -> Any:
    """Keep the items that a transaction touches; moto copies the whole table, each time."""

    @functools.wraps(original)
    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        before = list(_before(self, transact_items))
        tables = {id(each.table): each.table for each in before}.values()
        if any(table.stream_shard for table in tables):
            original(self, transact_items)
            return
        for table in tables:
            table.__deepcopy__ = lambda _, table=table: table
        try:
            original(self, transact_items)
        except Exception:
            for each in before:
                each.restore()
            raise
        finally:
            for table in tables:
                del table.__deepcopy__

    return transact_write_items


def _before(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> Iterator[_Before]:
    for transact_item in transact_items:
        for operation in transact_item.values():
            table = backend.tables.get(operation.get("TableName"))
            if table is None:
                continue
            try:
                keys = backend.get_keys_value(table, operation.get("Key") or operation.get("Item") or {})
            except MockValidationException:
                # Nothing happens to it.
                continue
            yield _Before(table, *keys, copy.deepcopy(table.get_item(*keys)))
