"""References such as ``{{ Parameter }}`` and ``{{ step.Output }}``: finding them and putting values in.

A text that is exactly one reference becomes the referenced value with its type; inside a longer text the
value is written as text; a list that stands as an element of a list is spliced into it. What was put in is
never read again, so that a value cannot smuggle in a reference.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud.automation.values import as_text

REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")

GLOBALS = ("ACCOUNT_ID", "DATE", "DATE_TIME", "AWS_PARTITION", "REGION")


class UnresolvedReference(Exception):
    """A reference names something that has no value now."""


@dataclass
class Scope:
    """What the references of one execution stand for."""

    execution_id: str
    account_id: str
    region: str
    partition: str
    parameters: dict[str, Any]
    variables: dict[str, Any]
    variable_types: dict[str, str]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The outputs of the steps that succeeded so far."""

    def lookup(self, reference: str) -> Any:
        """Return the value of a reference."""
        kind, colon, name = reference.partition(":")
        if colon:
            return self._lookup_special(kind, name, reference)
        step, dot, output = reference.partition(".")
        if not dot:
            if reference not in self.parameters:
                raise UnresolvedReference(f"{{{{ {reference} }}}}: there is no such parameter")
            return self.parameters[reference]
        if step not in self.outputs:
            raise UnresolvedReference(
                f"{{{{ {reference} }}}}: the step {step} has not succeeded in this execution"
            )
        if output not in self.outputs[step]:
            raise UnresolvedReference(f"{{{{ {reference} }}}}: the step {step} has no output {output}")
        return self.outputs[step][output]

    def _lookup_special(self, kind: str, name: str, reference: str) -> Any:
        now = datetime.now(UTC)
        match kind, name:
            case "variable", _ if name in self.variables:
                return self.variables[name]
            case "automation", "EXECUTION_ID":
                return self.execution_id
            case "global", "ACCOUNT_ID":
                return self.account_id
            case "global", "REGION":
                return self.region
            case "global", "AWS_PARTITION":
                return self.partition
            case "global", "DATE":
                return now.strftime("%Y-%m-%d")
            case "global", "DATE_TIME":
                return now.strftime("%Y-%m-%d_%H.%M.%S")
        raise UnresolvedReference(f"{{{{ {reference} }}}}: there is no such value")


def resolve(template: Any, lookup: Callable[[str], Any]) -> Any:
    """Put values in the place of all references of a template."""
    match template:
        case str():
            return _resolve_text(template, lookup)
        case dict():
            return {key: resolve(value, lookup) for key, value in template.items()}
        case list():
            return list(_resolve_items(template, lookup))
    return template


def references(template: Any) -> Iterator[str]:
    """Yield all references of a template."""
    match template:
        case str():
            yield from REFERENCE.findall(template)
        case dict():
            for value in template.values():
                yield from references(value)
        case list():
            for value in template:
                yield from references(value)


def texts(template: Any) -> Iterator[str]:
    """Yield all texts of a template, but not the keys of its maps."""
    match template:
        case str():
            yield template
        case dict():
            for value in template.values():
                yield from texts(value)
        case list():
            for value in template:
                yield from texts(value)


def keys(template: Any) -> Iterator[str]:
    """Yield all keys of a template's maps."""
    match template:
        case dict():
            for key, value in template.items():
                yield key
                yield from keys(value)
        case list():
            for value in template:
                yield from keys(value)


def _resolve_text(text: str, lookup: Callable[[str], Any]) -> Any:
    whole = REFERENCE.fullmatch(text.strip())
    if whole:
        return lookup(whole[1])
    return REFERENCE.sub(lambda match: as_text(lookup(match[1])), text)


def _resolve_items(items: list[Any], lookup: Callable[[str], Any]) -> Iterator[Any]:
    for item in items:
        value = resolve(item, lookup)
        if isinstance(item, str) and isinstance(value, list):
            yield from value
        else:
            yield value
