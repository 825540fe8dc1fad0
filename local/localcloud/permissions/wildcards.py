"""Matching as policies write it: `*` for anything, `?` for one character, and ARNs part by part."""

from __future__ import annotations

import re
from functools import lru_cache

PARTS_OF_AN_ARN = 6


def like(pattern: str, value: str) -> bool:
    """Return whether the value fits the pattern."""
    return _compiled(pattern).fullmatch(value) is not None


def arn_like(pattern: str, value: str) -> bool:
    """Return whether the ARN fits the pattern; no wildcard reaches over a colon into the next part."""
    if pattern == "*":
        return True
    patterns = pattern.split(":", PARTS_OF_AN_ARN - 1)
    values = value.split(":", PARTS_OF_AN_ARN - 1)
    return len(patterns) == len(values) and all(map(like, patterns, values))


@lru_cache(maxsize=10_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    special = {"*": ".*", "?": "."}
    return re.compile("".join(special.get(letter) or re.escape(letter) for letter in pattern), re.DOTALL)
