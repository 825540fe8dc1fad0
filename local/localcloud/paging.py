"""Answering a long list page by page."""

from collections.abc import Sequence
from typing import Any


class UnknownToken(Exception):
    """A NextToken that no earlier page gave out."""


def page(items: Sequence[Any], request: dict[str, Any], largest: int = 50) -> tuple[list[Any], str | None]:
    """Return the page that ``NextToken`` and ``MaxResults`` ask for, and the token of the one after it."""
    token = request.get("NextToken") or "0"
    if not token.isdecimal() or int(token) > len(items):
        raise UnknownToken(token)
    first = int(token)
    after = first + (request.get("MaxResults") or largest)
    return list(items[first:after]), str(after) if after < len(items) else None
