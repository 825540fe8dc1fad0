"""Selectors: the part of JSONPath that Automation documents, over jsonpath-ng."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonpath_ng.ext import parse
from jsonpath_ng.jsonpath import JSONPath

NAME = r"[A-Za-z_][\w\-]*"
LITERAL = r"'[^']*'|\"[^\"]*\"|-?\d+(?:\.\d+)?|true|false"
FILTER = rf"\[\?\s*\(\s*@(?:\.{NAME})+\s*(?:==|!=|>=|<=|>|<)\s*(?:{LITERAL})\s*\)\s*\]"
ONE = rf"\.{NAME}|\['[^']+'\]|\[\d+\]"
MANY = rf"\.\.{NAME}|{FILTER}"

_SELECTOR = re.compile(rf"\$(?:{ONE}|{MANY})*")
_PLAIN_SELECTOR = re.compile(rf"\$(?:{ONE})*")


class NothingSelected(Exception):
    """A selector that names one value found none."""


@dataclass(frozen=True)
class Selector:
    """A selector that was read and accepted."""

    text: str
    path: JSONPath
    selects_one: bool
    """Deep scans and filters always give a list, even of one element."""

    def select(self, document: Any) -> Any:
        """Return what the selector finds in a JSON document."""
        found = [match.value for match in self.path.find(document)]
        if not self.selects_one:
            return found
        if not found:
            raise NothingSelected(f"the selector {self.text} found nothing")
        return found[0]


@cache
def selector(text: str) -> Selector:
    """Read a selector; ValueError says what is wrong with it."""
    if not isinstance(text, str) or not _SELECTOR.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a selector that Automation documents: it begins with $ and goes on with .name, "
            "..name, ['name'], [number] or one comparison such as [?(@.Name == 'x')]"
        )
    return Selector(text, parse(text), bool(_PLAIN_SELECTOR.fullmatch(text)))
