"""What a target means for a stack: which resources, in which order, and what will change."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import Any

from botocore.exceptions import ClientError

from localcloud.cloudformation import parameters
from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.resources import resource_type
from localcloud.cloudformation.resources.base import ResourceType
from localcloud.cloudformation.stacks import Output, Resource, Stack, Target, store
from localcloud.cloudformation.template import Declaration, declarations
from localcloud.cloudformation.values import UNKNOWN, Scope, text


class Plan:
    """The resources of a target, checked and in the order of their dependencies."""

    def __init__(self, stack: Stack, target: Target):
        """Check the target; an InvalidTemplate says what cannot be."""
        self.stack, self.target = stack, target
        self.imports: set[str] = set()
        content = target.content
        self.scope = Scope(
            content=content,
            parameters=parameters.worth(content.get("Parameters") or {}, target.parameters),
            stack_name=stack.name,
            stack_id=stack.id,
            notification_arns=target.notification_arns,
            exported=self._exported,
            reference=self._unresolved,
            attribute=lambda resource, _: self._unresolved(resource),
        )
        declared = declarations(content)
        self._check_types(declared)
        for name in content.get("Conditions") or {}:
            self.scope.condition(name)
        self.declared = {
            name: declaration
            for name, declaration in declared.items()
            if declaration.condition is None or self.scope.condition(declaration.condition)
        }
        self.dependencies = {name: self._dependencies(d) for name, d in self.declared.items()}
        self._check_outputs()
        self._check_attributes()
        self.order = [self.declared[name] for name in self._sorted()]

    def properties(self, declaration: Declaration) -> dict[str, Any]:
        """Return the evaluated properties of a resource, with the stack's tags where it takes tags."""
        properties = self.scope.value(declaration.properties)
        if "{{resolve:" in str(properties):
            raise InvalidTemplate(f"{declaration.logical_id}: the local cloud has no dynamic references.")
        return resource_type(declaration.type).tagged(properties, self.target.tags)

    def outputs(self) -> list[Output]:
        """Return the outputs whose condition holds."""
        outputs = []
        for key, output in self._declared_outputs().items():
            export = output.get("Export")
            outputs.append(
                Output(
                    key=key,
                    value=text(self.scope.value(output["Value"])),
                    description=output.get("Description"),
                    export_name=text(self.scope.value(export["Name"])) if export else None,
                )
            )
        return outputs

    def changes(self) -> list[dict[str, Any]]:
        """Return what would change, as change sets describe it."""
        known: dict[str, Resource | None] = dict(self.stack.resources)

        def reference(name: str) -> str:
            resource = known.get(name)
            return resource_type(resource.type).reference(resource.physical_id) if resource else UNKNOWN

        def attribute(name: str, attribute: str) -> str:
            resource = known.get(name)
            if resource is None:
                return UNKNOWN
            type_ = resource_type(resource.type)
            try:
                return type_.attribute(attribute, resource.physical_id, resource.properties)
            except (ClientError, LookupError):
                return UNKNOWN  # somebody has removed it by hand

        self.scope.reference, self.scope.attribute = reference, attribute
        changes = []
        for declaration in self.order:
            existing = self.stack.resources.get(declaration.logical_id)
            if existing is None:
                known[declaration.logical_id] = None
                changes.append(_change("Add", declaration.logical_id, declaration.type))
                continue
            after = self.properties(declaration)
            differences = changed(existing.properties, after)
            if not differences:
                continue
            replacement = _replacement(resource_type(declaration.type), differences, after)
            if replacement != "False":
                known[declaration.logical_id] = None
            changes.append(
                _change(
                    "Modify",
                    declaration.logical_id,
                    declaration.type,
                    existing,
                    replacement,
                    _details(resource_type(declaration.type), differences, after),
                )
            )
        for name, resource in reversed(self.stack.resources.items()):
            if name not in self.declared:
                changes.append(_change("Remove", name, resource.type, resource))
        return changes

    def changes_nothing(self, changes: list[dict[str, Any]]) -> bool:
        """Tell whether a stack that exists is already as the target says."""
        current = self.stack.target
        return (
            not changes
            and current is not None
            and current.tags == self.target.tags
            and current.notification_arns == self.target.notification_arns
            and self.outputs() == self.stack.outputs
        )

    def _exported(self, name: str) -> str:
        self.imports.add(name)
        exports = store().exports()
        if name not in exports:
            raise InvalidTemplate(f"No export named {name} found.")
        return exports[name][1].value

    @staticmethod
    def _unresolved(name: str) -> Any:
        raise InvalidTemplate(
            f"Template format error: Unresolved resource dependencies [{name}] in the template: only"
            " parameters can stand here"
        )

    def _check_types(self, declared: dict[str, Declaration]) -> None:
        unknown = sorted({d.type for d in declared.values() if resource_type(d.type) is None})
        if unknown:
            raise InvalidTemplate(
                f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]. The local cloud"
                " has the types that local/localcloud/cloudformation/resources describes."
            )
        for name, existing in self.stack.resources.items():
            if name in declared and declared[name].type != existing.type:
                raise InvalidTemplate(
                    "Update of resource type is not permitted. The new template modifies resource type of the"
                    f" following resources: [{name}]"
                )

    def _dependencies(self, declaration: Declaration) -> set[str]:
        known = declarations(self.target.content)
        if missing := [name for name in declaration.depends_on if name not in known]:
            raise _unresolved_dependencies(missing, "Resources")
        referred = self._resources_in(declaration.properties, "Resources")
        return {name for name in (*declaration.depends_on, *referred) if name in self.declared}

    def _resources_in(self, expression: Any, block: str) -> set[str]:
        names = {
            name
            for name in self.scope.resources_in(expression)
            if name not in self.scope.parameters and not name.startswith("AWS::")
        }
        if missing := sorted(names - self.declared.keys()):
            raise _unresolved_dependencies(missing, block)
        return names

    def _declared_outputs(self) -> dict[str, dict[str, Any]]:
        return {
            key: output
            for key, output in (self.target.content.get("Outputs") or {}).items()
            if "Condition" not in output or self.scope.condition(output["Condition"])
        }

    def _check_outputs(self) -> None:
        for output in self._declared_outputs().values():
            self._resources_in(output, "Outputs")

    def _check_attributes(self) -> None:
        for resource, attribute in _attributes_in([d.properties for d in self.declared.values()]):
            if resource in self.declared:
                resource_type(self.declared[resource].type).check_attribute(resource, attribute)

    def _sorted(self) -> list[str]:
        try:
            return list(TopologicalSorter(self.dependencies).static_order())
        except CycleError as error:
            circle = ", ".join(dict.fromkeys(error.args[1]))
            raise InvalidTemplate(f"Circular dependency between resources: [{circle}]") from None


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the properties that differ, with both values."""
    return {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


def _unresolved_dependencies(names: list[str], block: str) -> InvalidTemplate:
    return InvalidTemplate(
        f"Template format error: Unresolved resource dependencies [{', '.join(names)}] in the {block} block"
        " of the template"
    )


def _attributes_in(expression: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if isinstance(expression, list):
        for item in expression:
            found += _attributes_in(item)
    elif isinstance(expression, dict):
        for name, argument in expression.items():
            if name == "Fn::GetAtt":
                resource, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
                found += [(resource, attribute)] if isinstance(attribute, str) else []
            else:
                found += _attributes_in(argument)
    return found


def _replacement(type_: ResourceType, differences: dict[str, tuple[Any, Any]], after: dict[str, Any]) -> str:
    replacing = [value for name, (_, value) in differences.items() if type_.replaces({name}, after)]
    if not replacing:
        return "False"
    return "Conditional" if all(UNKNOWN in str(value) for value in replacing) else "True"


def _change(
    action: str,
    logical_id: str,
    type_: str,
    existing: Resource | None = None,
    replacement: str | None = None,
    details: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    change: dict[str, Any] = {
        "Action": action,
        "LogicalResourceId": logical_id,
        "ResourceType": type_,
        "Scope": sorted({detail["Target"]["Attribute"] for detail in details or []}),
        "Details": details or [],
    }
    if existing:
        change["PhysicalResourceId"] = existing.physical_id
    if replacement:
        change["Replacement"] = replacement
    return {"Type": "Resource", "ResourceChange": change}


def _details(
    type_: ResourceType, differences: dict[str, tuple[Any, Any]], after: dict[str, Any]
) -> list[dict[str, Any]]:
    details = []
    for name, (_, value) in sorted(differences.items()):
        target = {"Attribute": "Tags"} if name == "Tags" else {"Attribute": "Properties", "Name": name}
        target["RequiresRecreation"] = "Always" if type_.replaces({name}, after) else "Never"
        evaluation = "Dynamic" if UNKNOWN in str(value) else "Static"
        details.append({"Target": target, "Evaluation": evaluation, "ChangeSource": "DirectModification"})
    return details
