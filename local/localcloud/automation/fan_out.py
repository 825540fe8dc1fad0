"""Targets of a start: an execution with rate control runs the runbook once for each of them, as children."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.resourcegroupstaggingapi.models import resourcegroupstaggingapi_backends

from localcloud.automation.documents import Step
from localcloud.errors import ServiceError, unsupported

MEMBERS = ("MaxConcurrency", "MaxErrors", "TargetMaps", "TargetParameterName", "Targets")
DEFAULT_CONCURRENCY = "10"
DEFAULT_ERRORS = "0"
"""AWS does not document what it allows when a start does not say."""
INSTANCES = "AWS::EC2::Instance"

Request = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One target: its name, and the parameters that its child gets besides the others."""

    name: str
    parameters: dict[str, list[str]]

    def step(self) -> Step:
        """Return the step by which the API shows the target's child."""
        return Step(
            name=self.name,
            action="aws:executeAutomation",
            inputs={},
            outputs=[],
            max_attempts=1,
            timeout_seconds=None,
            on_failure="Continue",
            on_cancel="Abort",
            is_end=False,
            next_step=None,
            explicitly_critical=True,
            following=None,
        )


@dataclass(frozen=True)
class FanOut:
    """The targets, and how many may run and fail."""

    targets: list[Target]
    request: Request
    """The members of the start that say so."""

    @property
    def steps(self) -> list[Step]:
        """The steps by which the API shows the children."""
        return [target.step() for target in self.targets]

    @property
    def concurrency(self) -> int:
        """How many may run at once."""
        return max(1, _amount(self.request.get("MaxConcurrency", DEFAULT_CONCURRENCY), len(self.targets)))

    @property
    def errors(self) -> int:
        """How many errors are allowed; at the next one, no more targets begin."""
        return _amount(self.request.get("MaxErrors", DEFAULT_ERRORS), len(self.targets))

    def describe(self) -> dict[str, Any]:
        """Return the members that executions show of it."""
        names = [target.name for target in self.targets]
        return {
            "Targets": [],
            **self.request,
            "ResolvedTargets": {"ParameterValues": names, "Truncated": False},
        }


def read_fan_out(request: Request, backend: Any, target_type: str) -> FanOut | None:
    """Return the targets that a start names; it has none if it names none."""
    asked = {name: request[name] for name in MEMBERS if request.get(name)}
    if "Targets" in asked and "TargetMaps" in asked:
        raise _invalid("Targets and TargetMaps cannot be given together")
    if "TargetMaps" in asked:
        targets = [Target(_name(mapping), mapping) for mapping in asked["TargetMaps"]]
    elif "Targets" in asked:
        parameter = asked.get("TargetParameterName")
        if not parameter:
            raise _invalid("Targets need a TargetParameterName")
        [target] = asked["Targets"]
        values = list(_resolve(target, backend, target_type))
        targets = [Target(value, {parameter: [value]}) for value in values]
    elif asked:
        raise _invalid(f"{next(iter(asked))} needs Targets or TargetMaps")
    else:
        return None
    if not targets:
        raise ServiceError("InvalidTarget", "The targets match no resource.")
    return FanOut(targets, asked)


def _resolve(target: dict[str, Any], backend: Any, target_type: str) -> Iterator[str]:
    key, values = target.get("Key", ""), target.get("Values") or []
    if key == "ParameterValues":
        yield from values
    elif key == INSTANCES and values == ["*"]:
        instances = ec2_backends[backend.account_id][backend.region_name].all_instances()
        yield from (instance.id for instance in instances if instance.state != "terminated")
    elif key.startswith("tag:"):
        tag = {"Key": key.removeprefix("tag:"), "Values": values}
        yield from _tagged(backend, tag, _tagging_type(target_type))
    else:
        raise unsupported(f"the target {key} with the values {', '.join(values)}", "InvalidTarget")


def _tagged(backend: Any, tag: dict[str, Any], resource_type: str) -> Iterator[str]:
    tagging = resourcegroupstaggingapi_backends[backend.account_id][backend.region_name]
    token = None
    while True:
        token, resources = tagging.get_resources(
            token, tag_filters=[tag], resource_type_filters=[resource_type]
        )
        for resource in resources:
            yield resource.arn.replace("/", ":").rpartition(":")[2]
        if token is None:
            return


def _tagging_type(target_type: str) -> str:
    """Write ``/AWS::EC2::Instance`` as ``ec2:instance``."""
    if not target_type.startswith("/AWS::"):
        raise ServiceError("InvalidTarget", "Targets by tag need a document with a TargetType.")
    _, service, kind = target_type.split("::", 2)
    return f"{service.lower()}:{kind.lower()}"


def _amount(text: str, of: int) -> int:
    return of * int(text[:-1]) // 100 if text.endswith("%") else int(text)


def _name(mapping: dict[str, list[str]]) -> str:
    return ",".join(value for values in mapping.values() for value in values)


def _invalid(problem: str) -> ServiceError:
    return ServiceError("InvalidAutomationExecutionParametersException", f"{problem}.")
