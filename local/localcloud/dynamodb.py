"""DynamoDB where moto's differs: a transaction that is sent again with its token is not applied again.

SDKs give every TransactWriteItems a token and repeat the call when they lose the answer.
"""

from __future__ import annotations

import json
import time
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler

from localcloud.errors import ServiceError

TOKEN_LIFE_SECONDS = 600.0


def install() -> None:
    """Wrap TransactWriteItems."""
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
