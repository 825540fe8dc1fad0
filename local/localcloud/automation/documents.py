"""Automation documents, schema 0.3: read once, when they are created, and refused when they cannot run.

AWS checks less at this moment. What the local cloud does not support is refused here, so that no step is
ever skipped or guessed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from localcloud.automation.actions import ACTIONS
from localcloud.automation.actions.loop import Loop
from localcloud.automation.content import check_keys, invalid, typed
from localcloud.automation.interpolation import GLOBALS, REFERENCE, keys, references, texts
from localcloud.automation.parameters import Parameter, read_parameters, read_variables
from localcloud.automation.selectors import selector
from localcloud.automation.values import TYPES
from localcloud.errors import unsupported

DOCUMENT_KEYS = {
    "schemaVersion",
    "description",
    "assumeRole",
    "parameters",
    "variables",
    "mainSteps",
    "outputs",
}
STEP_KEYS = {
    "name",
    "action",
    "inputs",
    "outputs",
    "description",
    "maxAttempts",
    "timeoutSeconds",
    "onFailure",
    "onCancel",
    "isEnd",
    "nextStep",
    "isCritical",
}
NOT_AFTER_CANCEL = {
    "aws:approve",
    "aws:copyImage",
    "aws:createImage",
    "aws:createStack",
    "aws:createTags",
    "aws:loop",
    "aws:pause",
    "aws:runInstances",
    "aws:sleep",
}
OUTPUT_KEYS = {"Name", "Selector", "Type"}


@dataclass(frozen=True)
class Output:
    """An output that a step declares."""

    name: str
    selector: str
    type: str


@dataclass(frozen=True)
class Step:
    """One step of a runbook."""

    name: str
    action: str
    inputs: dict[str, Any]
    outputs: list[Output]
    max_attempts: int
    timeout_seconds: int | None
    on_failure: str
    on_cancel: str
    is_end: bool
    next_step: str | None
    explicitly_critical: bool | None
    following: str | None
    """The next step in the order of the document."""
    inner: "dict[str, Step]" = field(default_factory=dict)
    """The steps that a loop repeats."""

    @property
    def is_critical(self) -> bool:
        """Whether a failure of this step fails the execution."""
        return self.on_failure != "Continue" if self.explicitly_critical is None else self.explicitly_critical

    @property
    def successor(self) -> str | None:
        """The step after success, unless a branch says otherwise."""
        if self.is_end:
            return None
        return self.next_step or self.following

    @property
    def failure_target(self) -> str | None:
        """The step that ``onFailure`` names."""
        return _step_target(self.on_failure)

    @property
    def cancel_target(self) -> str | None:
        """The step that ``onCancel`` names."""
        return _step_target(self.on_cancel)

    @property
    def output_names(self) -> set[str]:
        """The outputs that other steps can refer to."""
        return {output.name for output in self.outputs} | ACTIONS[self.action].outputs

    @property
    def targets(self) -> list[str]:
        """All steps that can come after this one."""
        action = ACTIONS[self.action]
        named = [
            *action.targets(self.inputs),
            self.successor if action.falls_through(self.inputs) else None,
            self.following if self.on_failure == "Continue" and not self.is_end else None,
            self.failure_target,
            self.cancel_target,
            *(target for step in self.inner.values() for target in step.targets if target not in self.inner),
        ]
        return list(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True)
class Runbook:
    """An Automation document that can run."""

    assume_role: str
    parameters: dict[str, Parameter]
    variables: dict[str, Parameter]
    steps: dict[str, Step]
    outputs: list[str]

    @property
    def all_steps(self) -> dict[str, Step]:
        """All steps, those that loops repeat included."""
        return dict(_flattened(self.steps))

    @property
    def waits(self) -> bool:
        """Whether AWS counts its executions as waiting ones."""
        return any(ACTIONS[step.action].waits for step in self.all_steps.values())

    @property
    def first_step(self) -> Step:
        """The step that an execution begins with."""
        return next(iter(self.steps.values()))


def read(content: Any) -> Runbook:
    """Read the content of an Automation document; InvalidDocumentContent says what is wrong with it."""
    if typed(content, dict, "the document").get("schemaVersion") != "0.3":
        raise invalid('an Automation document has schemaVersion "0.3", as text')
    check_keys(content, DOCUMENT_KEYS, "the document")
    outputs = typed(content.get("outputs", []), list, "outputs")
    runbook = Runbook(
        assume_role=typed(content.get("assumeRole", ""), str, "assumeRole"),
        parameters=read_parameters(content.get("parameters")),
        variables=read_variables(content.get("variables")),
        steps=_read_steps(typed(content.get("mainSteps"), list, "mainSteps"), "mainSteps"),
        outputs=[typed(output, str, "an entry of outputs") for output in outputs],
    )
    _check_names(runbook)
    _check_references(runbook)
    _check_graph(runbook.steps, set())
    return runbook


def _flattened(steps: dict[str, Step]) -> Iterator[tuple[str, Step]]:
    for name, step in steps.items():
        yield name, step
        yield from _flattened(step.inner)


def _read_steps(raw_steps: list[Any], where: str) -> dict[str, Step]:
    if not raw_steps:
        raise invalid(f"{where} holds no step")
    names = [typed(typed(raw, dict, "a step").get("name"), str, "the name of a step") for raw in raw_steps]
    for name in names:
        if not re.fullmatch(r"[a-zA-Z0-9_]+", name):
            raise invalid(f"the step name {name!r} has other characters than letters, digits and _")
        if names.count(name) > 1:
            raise invalid(f"two steps have the name {name}")
    return {
        name: _read_step(name, raw, following)
        for name, raw, following in zip(names, raw_steps, [*names[1:], None], strict=True)
    }


def _read_step(name: str, raw: dict[str, Any], following: str | None) -> Step:
    where = f"the step {name}"
    check_keys(raw, STEP_KEYS, where)
    action_name = typed(raw.get("action"), str, f"the action of {where}")
    action = ACTIONS.get(action_name)
    if action is None:
        raise unsupported(
            f"the action {action_name} of {where}; it has {', '.join(sorted(ACTIONS))}",
            "InvalidDocumentContent",
        )
    inputs = typed(raw.get("inputs", {}), dict, f"the inputs of {where}")
    for problem in action.problems(inputs):
        raise invalid(f"{where} ({action_name}): {problem}")
    inner: dict[str, Step] = {}
    if isinstance(action, Loop):
        steps = f"Steps of {where}"
        inner = _read_steps(typed(inputs["Steps"], list, steps), steps)
        inputs = {key: value for key, value in inputs.items() if key != "Steps"}
    step = Step(
        name=name,
        action=action_name,
        inputs=inputs,
        outputs=_read_outputs(typed(raw.get("outputs", []), list, f"the outputs of {where}"), where),
        max_attempts=typed(raw.get("maxAttempts", 1), int, f"maxAttempts of {where}"),
        timeout_seconds=raw.get("timeoutSeconds"),
        on_failure=typed(raw.get("onFailure", "Abort"), str, f"onFailure of {where}"),
        on_cancel=typed(raw.get("onCancel", "Abort"), str, f"onCancel of {where}"),
        is_end=typed(raw.get("isEnd", False), bool, f"isEnd of {where}"),
        next_step=raw.get("nextStep"),
        explicitly_critical=raw.get("isCritical"),
        following=following,
        inner=inner,
    )
    _check_flow(step, where)
    longest = action.longest_timeout
    if longest and step.timeout_seconds and step.timeout_seconds > longest:
        raise invalid(f"timeoutSeconds of {where} is more than {longest:.0f}, the most of {action_name}")
    if step.outputs and not action.declares_outputs:
        raise invalid(f"{where}: {action_name} declares no outputs of its own")
    return step


def _read_outputs(raw_outputs: list[Any], where: str) -> list[Output]:
    outputs = []
    for raw in raw_outputs:
        check_keys(typed(raw, dict, f"an output of {where}"), OUTPUT_KEYS, f"an output of {where}")
        name = typed(raw.get("Name"), str, f"the Name of an output of {where}")
        declared = raw.get("Type", "String")
        if declared not in TYPES:
            raise invalid(f"the output {name} of {where} has the unknown type {declared!r}")
        try:
            path = selector(raw.get("Selector"))
        except ValueError as error:
            raise invalid(f"the output {name} of {where}: {error}") from error
        outputs.append(Output(name, path.text, declared))
    return outputs


def _check_flow(step: Step, where: str) -> None:
    if step.max_attempts < 1:
        raise invalid(f"maxAttempts of {where} is less than 1")
    if (
        step.timeout_seconds is not None
        and typed(step.timeout_seconds, int, f"timeoutSeconds of {where}") < 1
    ):
        raise invalid(f"timeoutSeconds of {where} is less than 1")
    if step.next_step is not None:
        typed(step.next_step, str, f"nextStep of {where}")
    if step.explicitly_critical is not None:
        typed(step.explicitly_critical, bool, f"isCritical of {where}")
    if step.on_failure not in ("Abort", "Continue") and not step.failure_target:
        raise invalid(f"onFailure of {where} is {step.on_failure!r}, not Abort, Continue or step:NAME")
    if step.on_cancel != "Abort" and not step.cancel_target:
        raise invalid(f"onCancel of {where} is {step.on_cancel!r}, not Abort or step:NAME")
    for problem in _ambiguities(step):
        raise unsupported(
            f"{problem}, as in {where}: AWS does not say what it means", "InvalidDocumentContent"
        )


def _ambiguities(step: Step) -> Iterator[str]:
    if step.is_end and step.failure_target:
        yield "isEnd together with onFailure step:NAME"
    if step.on_failure == "Continue" and step.next_step not in (None, step.following):
        yield "onFailure Continue with a nextStep that is not the following step"
    if step.on_failure == "Abort" and step.explicitly_critical is False:
        yield "onFailure Abort with isCritical false"


def _check_references(runbook: Runbook) -> None:
    for reference in references(runbook.assume_role):
        if reference not in runbook.parameters:
            raise invalid(f"assumeRole refers to {{{{ {reference} }}}}, which is not a parameter")
    for step in runbook.all_steps.values():
        where = f"the inputs of the step {step.name}"
        for key in keys(step.inputs):
            if "{{" in str(key):
                raise invalid(f"{where}: the key {key!r} holds a reference; keys cannot")
        for text in texts(step.inputs):
            if "{{" in REFERENCE.sub("", text):
                raise invalid(f"{where}: {text!r} holds a nested or unfinished reference")
        for reference in references(step.inputs):
            problem = _reference_problem(runbook, reference)
            if problem:
                raise invalid(f"{where} refer to {{{{ {reference} }}}}: {problem}")
    for output in runbook.outputs:
        if "." not in output or _reference_problem(runbook, output):
            raise invalid(f"outputs holds {output}, which no step declares")


def _reference_problem(runbook: Runbook, reference: str) -> str | None:
    kind, colon, name = reference.partition(":")
    if colon:
        match kind:
            case "variable" if name in runbook.variables:
                return None
            case "global" if name in GLOBALS:
                return None
            case "automation" if name == "EXECUTION_ID":
                return None
            case "ssm":
                return "Parameter Store can be read only in the default of a parameter"
        return "there is no such value"
    step, dot, output = reference.partition(".")
    if not dot:
        return None if reference in runbook.parameters else "there is no such parameter"
    if step not in runbook.all_steps:
        return f"there is no step {step}"
    if output not in runbook.all_steps[step].output_names:
        return f"the step {step} has no output {output}"
    return None


def _check_graph(steps: dict[str, Step], outside: set[str]) -> None:
    """Check that the steps lead to steps, and never back; those of a loop may also lead out of it."""
    graph = TopologicalSorter[str]()
    for step in steps.values():
        _check_graph(step.inner, outside | steps.keys())
        for target in step.targets:
            if target not in steps and target not in outside:
                raise invalid(f"the step {step.name} goes on to {target}, and there is no such step")
        after_cancel = steps.get(step.cancel_target or "")
        if after_cancel and after_cancel.action in NOT_AFTER_CANCEL:
            raise invalid(f"onCancel of the step {step.name} cannot go on to {after_cancel.action}")
        graph.add(step.name, *(target for target in step.targets if target in steps))
    try:
        graph.prepare()
    except CycleError as error:
        # graphlib names the cycle from target to source.
        raise invalid(f"the steps run in a circle: {' -> '.join(reversed(error.args[1]))}") from error


def _check_names(runbook: Runbook) -> None:
    names = [name for name, _ in _flattened(runbook.steps)]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise invalid(f"two steps have the name {duplicate}")


def _step_target(value: str) -> str | None:
    return value.removeprefix("step:") if value.startswith("step:") else None
