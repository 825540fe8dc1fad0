"""What the files of the services are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from localcloud.permissions.policies import Check
from localcloud.settings import ACCOUNT_ID, PARTITION

Request = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a call goes."""

    region: str

    def arn(self, service: str, resource: str, account: str = ACCOUNT_ID) -> str:
        """Return the ARN of a resource of this Region."""
        return f"arn:{PARTITION}:{service}:{self.region}:{account}:{resource}"


Requirements = Callable[[Request, Place], Iterable[Check]]


def on_anything(action: str) -> Requirements:
    """Return the requirements of an operation for whose action AWS knows no resource."""
    return lambda request, place: [Check.of(action, "*")]


def on(action: str, resource: Callable[[Request, Place], str]) -> Requirements:
    """Return the requirements of an operation that touches one resource."""
    return lambda request, place: [Check.of(action, resource(request, place))]


def tags(listed: list[dict[str, str]] | None) -> dict[str, str | list[str]]:
    """Return the condition keys of a request that brings tags."""
    if not listed:
        return {}
    values = {f"aws:requesttag/{tag['Key'].lower()}": tag["Value"] for tag in listed}
    return {**values, "aws:tagkeys": [tag["Key"] for tag in listed]}
