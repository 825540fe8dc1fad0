"""``aws:branch``: choose the next step."""

from collections.abc import Callable, Iterator
from typing import Any

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.failures import StepFailure
from localcloud.automation.values import json_type

COMPARISONS: dict[str, tuple[type | tuple[type, ...], Callable[[Any, Any], bool]]] = {
    "StringEquals": (str, lambda variable, value: variable == value),
    "EqualsIgnoreCase": (str, lambda variable, value: variable.lower() == value.lower()),
    "StartsWith": (str, lambda variable, value: variable.startswith(value)),
    "EndsWith": (str, lambda variable, value: variable.endswith(value)),
    "Contains": (str, lambda variable, value: value in variable),
    "NumericEquals": ((int, float), lambda variable, value: variable == value),
    "NumericGreater": ((int, float), lambda variable, value: variable > value),
    "NumericLesser": ((int, float), lambda variable, value: variable < value),
    "NumericGreaterOrEquals": ((int, float), lambda variable, value: variable >= value),
    "NumericLesserOrEquals": ((int, float), lambda variable, value: variable <= value),
    "BooleanEquals": (bool, lambda variable, value: variable == value),
}

Condition = dict[str, Any]


class Branch(Action):
    """``aws:branch``: the first choice that is true names the next step, else ``Default`` does."""

    required = frozenset({"Choices"})
    optional = frozenset({"Default"})

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Check the choices' form and the names of their operations."""
        yield from super().problems(inputs)
        choices = inputs.get("Choices", [])
        if not isinstance(choices, list) or not choices:
            yield "Choices is not a list of choices"
            return
        if not isinstance(inputs.get("Default", ""), str):
            yield "Default is not the name of a step"
        for choice in choices:
            if not isinstance(choice, dict) or not isinstance(choice.get("NextStep"), str):
                yield "a choice has no NextStep"
            else:
                yield from condition_problems(_condition(choice))

    def targets(self, inputs: dict[str, Any]) -> list[str]:
        """Return the steps that the choices and ``Default`` name."""
        default = [inputs["Default"]] if "Default" in inputs else []
        return [choice["NextStep"] for choice in inputs["Choices"]] + default

    def falls_through(self, inputs: dict[str, Any]) -> bool:
        """Say that without ``Default`` the next step follows when no choice is true."""
        return "Default" not in inputs

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Choose."""
        for choice in inputs["Choices"]:
            if holds(_condition(choice)):
                return Result(next_step=choice["NextStep"])
        return Result(next_step=inputs.get("Default"))


def _condition(choice: dict[str, Any]) -> Condition:
    return {key: value for key, value in choice.items() if key != "NextStep"}


def condition_problems(condition: Any) -> Iterator[str]:
    """Yield what is wrong with the form of a condition."""
    if not isinstance(condition, dict):
        yield f"a condition is of JSON type {json_type(condition)}, not object"
        return
    match condition:
        case {"And": list(parts)} | {"Or": list(parts)} if len(condition) == 1 and parts:
            for part in parts:
                yield from condition_problems(part)
        case {"Not": part} if len(condition) == 1:
            yield from condition_problems(part)
        case {"Variable": _} if len(condition) == 2 and condition.keys() & COMPARISONS.keys():
            pass
        case _:
            yield (
                f"a condition has the keys {', '.join(map(str, condition)) or '(none)'}; it has Variable and "
                f"one of {', '.join(COMPARISONS)}, or only And, Or or Not"
            )


def holds(condition: Condition) -> bool:
    """Say whether a condition is true, references resolved."""
    match condition:
        case {"And": parts}:
            return all(holds(part) for part in parts)
        case {"Or": parts}:
            return any(holds(part) for part in parts)
        case {"Not": part}:
            return not holds(part)
    [name] = condition.keys() - {"Variable"}
    expected, compare = COMPARISONS[name]
    for value in (condition["Variable"], condition[name]):
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise StepFailure(
                f"{name} cannot compare {value!r}, a value of JSON type {json_type(value)}",
                stage="InputValidation",
            )
    return compare(condition["Variable"], condition[name])
