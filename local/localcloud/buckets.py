"""S3 where moto's differs: a bucket policy that refuses requests without TLS refuses nobody here.

The local cloud speaks plain HTTP on this machine only, and moto applies a Deny whatever its conditions say.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket


def install() -> None:
    """Replace the look at a bucket's policy."""
    FakeBucket.get_permission = _get_permission


def _get_permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    if self.policy is None:
        return PermissionResult.NEUTRAL
    return IAMPolicy(_over_tls(self.policy)).is_action_permitted(action, resource)


@functools.lru_cache(maxsize=100)
def _over_tls(policy: bytes) -> str:
    """Return the policy as it is for a request over TLS."""
    document = json.loads(policy)
    statements = document.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    document["Statement"] = [statement for statement in statements if not _needs_plain_http(statement)]
    return json.dumps(document)


def _needs_plain_http(statement: dict[str, Any]) -> bool:
    flags = (statement.get("Condition") or {}).get("Bool") or {}
    return any(key.lower() == "aws:securetransport" and str(flags[key]).lower() == "false" for key in flags)
