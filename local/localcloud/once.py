"""What moto finds out anew for every request, and what is always the same: here it is found out once."""

from __future__ import annotations

from functools import cache, lru_cache

from moto import backends
from moto.core import responses
from moto.dynamodb.parsing.expressions import UpdateExpressionParser


def install() -> None:
    """Keep the names of moto's services, the operations of each, and how update expressions are read."""
    modules = frozenset(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    responses.method_names_from_class = cache(responses.method_names_from_class)
    # What is done with the expression is done with a copy.
    UpdateExpressionParser.make = lru_cache(maxsize=1_000)(UpdateExpressionParser.make)
