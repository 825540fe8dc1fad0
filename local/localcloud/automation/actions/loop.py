"""``aws:loop``: run steps again, for each of some values or while a condition holds.

The executor runs the steps; here is what the loop's inputs mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.automation.actions.action import Action
from localcloud.automation.actions.branch import condition_problems
from localcloud.automation.failures import StepFailure
from localcloud.automation.values import WrongType, as_text, convert

MOST_ITERATIONS = 100
ITERATOR_TYPES = ("Boolean", "Integer", "String", "StringMap")


class Loop(Action):
    """``aws:loop``."""

    required = frozenset({"Steps"})
    optional = frozenset({"Iterators", "IteratorDataType", "LoopCondition", "MaxIterations"})
    outputs = frozenset({"CurrentIteration", "CurrentIteratorValue"})

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Check the form of the inputs."""
        yield from super().problems(inputs)
        if ("Iterators" in inputs) == ("LoopCondition" in inputs):
            yield "it takes either Iterators or LoopCondition"
        if "LoopCondition" in inputs:
            yield from condition_problems(inputs["LoopCondition"])
        if inputs.get("IteratorDataType", "String") not in ITERATOR_TYPES:
            yield f"IteratorDataType is none of {', '.join(ITERATOR_TYPES)}"


@dataclass(frozen=True)
class Iterations:
    """How often a loop runs at most, and with which values."""

    most: int
    values: list[Any] | None

    def value(self, iteration: int) -> Any:
        """Return the value of an iteration, counted from 1."""
        return None if self.values is None else self.values[iteration - 1]


def iterations(inputs: dict[str, Any]) -> Iterations:
    """Read the inputs of a loop, references resolved."""
    most = inputs.get("MaxIterations", MOST_ITERATIONS)
    if not str(most).isdecimal() or not 0 < int(most) <= MOST_ITERATIONS:
        raise StepFailure(
            f"MaxIterations is {most!r}, not a number from 1 to {MOST_ITERATIONS}", stage="InputValidation"
        )
    if "Iterators" not in inputs:
        return Iterations(int(most), None)
    iterators = inputs["Iterators"]
    if not isinstance(iterators, list) or len(iterators) > MOST_ITERATIONS:
        raise StepFailure(
            f"Iterators is not a list of at most {MOST_ITERATIONS} values: {as_text(iterators)[:200]}",
            stage="InputValidation",
        )
    try:
        values = [convert(value, inputs.get("IteratorDataType", "String")) for value in iterators]
    except WrongType as error:
        raise StepFailure(f"Iterators: {error}", stage="InputValidation") from error
    return Iterations(min(int(most), len(values)), values)
