"""Makes a stack what its target says, resource by resource, and takes it all back when one fails."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.core.exceptions import ServiceException

from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.plan import Plan, changed
from localcloud.cloudformation.resources import resource_type
from localcloud.cloudformation.resources.base import ResourceType
from localcloud.cloudformation.stacks import Output, Resource, Stack, Target, store
from localcloud.cloudformation.template import Declaration
from localcloud.cloudformation.values import text

KEPT_ON_ROLLBACK = {"Retain"}
KEPT_ON_DELETION = {"Retain", "RetainExceptOnCreate"}
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


class _ResourceFailure(Exception):
    """A resource could not be made, changed or removed; its event says why."""


class Deployment:
    """One creation or update of a stack."""

    def __init__(self, stack: Stack, plan: Plan):
        self._stack, self._plan, self._target = stack, plan, plan.target
        self._creating = stack.target is None
        self._undo: list[Callable[[], None]] = []
        self._replaced: list[Resource] = []
        plan.scope.reference, plan.scope.attribute = self._reference, self._attribute

    def run(self, on_failure: str = "ROLLBACK") -> None:
        """Go through all resources. On failure: ROLLBACK, DELETE, or DO_NOTHING."""
        stack = self._stack
        before = stack.target
        stack.way_back = None
        stack.target = self._target
        stack.updated = None if self._creating else datetime.now(UTC)
        kind = "CREATE" if self._creating else "UPDATE"
        stack.set_status(f"{kind}_IN_PROGRESS", "User Initiated")
        failed: dict[str, str] = {}
        for declaration in self._plan.order:
            verb = "update" if declaration.logical_id in stack.resources else "create"
            try:
                self._bring_about(declaration)
            except _ResourceFailure:
                failed[declaration.logical_id] = verb
                break
        if failed:
            return self._fail(failed, before, on_failure)
        try:
            stack.outputs = self._outputs()
        except Exception as error:
            return self._fail({}, before, on_failure, _reason(error))
        stack.imports = self._plan.imports
        if not self._creating:
            self._clean_up()
        stack.set_status(f"{kind}_COMPLETE")
        return None

    def _bring_about(self, declaration: Declaration) -> None:
        existing = self._stack.resources.get(declaration.logical_id)
        type_ = resource_type(declaration.type)
        try:
            properties = self._plan.properties(declaration)
        except Exception as error:
            physical_id = existing.physical_id if existing else ""
            raise self._failure(
                declaration, physical_id, "UPDATE" if existing else "CREATE", _reason(error)
            ) from None
        if existing is None:
            resource = self._create(declaration, type_, properties)
            self._undo.append(lambda: self._undo_creation(resource))
        elif differences := changed(existing.properties, properties):
            if type_.replaces(set(differences), properties):
                self._replace(declaration, type_, existing, properties)
            else:
                self._update(declaration, type_, existing, properties)
        else:
            self._note(existing, declaration)

    def _create(self, declaration: Declaration, type_: ResourceType, properties: dict[str, Any]) -> Resource:
        stack, logical_id = self._stack, declaration.logical_id
        stack.tell(logical_id, "", declaration.type, "CREATE_IN_PROGRESS")
        name = properties.get(type_.name_property) if type_.name_property else None
        name = text(name or _generated_name(stack.name, logical_id, type_))
        try:
            physical_id = type_.create(name, properties)
        except Exception as error:
            raise self._failure(declaration, "", "CREATE", _reason(error)) from error
        resource = Resource(
            logical_id=logical_id,
            type=declaration.type,
            physical_id=physical_id,
            properties=properties,
            depends_on=self._plan.dependencies[logical_id],
            deletion_policy=declaration.deletion_policy,
            update_replace_policy=declaration.update_replace_policy,
            status="CREATE_COMPLETE",
            changed=datetime.now(UTC),
        )
        stack.resources[logical_id] = resource
        stack.tell(
            logical_id, physical_id, declaration.type, "CREATE_IN_PROGRESS", "Resource creation Initiated"
        )
        stack.tell(logical_id, physical_id, declaration.type, "CREATE_COMPLETE")
        return resource

    def _update(
        self, declaration: Declaration, type_: ResourceType, existing: Resource, properties: dict[str, Any]
    ) -> None:
        before = existing.properties

        def put_back() -> None:
            type_.update(existing.physical_id, existing.properties, before)
            existing.properties = before
            self._mark(existing, "UPDATE_COMPLETE")

        self._mark(existing, "UPDATE_IN_PROGRESS")
        try:
            type_.update(existing.physical_id, before, properties)
        except Exception as error:
            # What the failed update did before it failed is taken back too.
            existing.properties = {**before, **properties}
            self._undo.append(put_back)
            existing.status = "UPDATE_FAILED"
            raise self._failure(declaration, existing.physical_id, "UPDATE", _reason(error)) from error
        existing.properties = properties
        self._note(existing, declaration)
        self._undo.append(put_back)
        self._mark(existing, "UPDATE_COMPLETE")

    def _replace(
        self, declaration: Declaration, type_: ResourceType, existing: Resource, properties: dict[str, Any]
    ) -> None:
        named = type_.name_property
        if named and properties.get(named) and properties.get(named) == existing.properties.get(named):
            raise self._failure(
                declaration,
                existing.physical_id,
                "UPDATE",
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename"
                f" {properties[named]} and update the stack again.",
            )
        self._stack.tell(
            existing.logical_id, existing.physical_id, existing.type, "UPDATE_IN_PROGRESS", REPLACING
        )
        created = self._create(declaration, type_, properties)

        def put_back() -> None:
            self._remove(created)
            self._stack.resources[existing.logical_id] = existing

        self._replaced.append(existing)
        self._undo.append(put_back)

    def _note(self, existing: Resource, declaration: Declaration) -> None:
        """Take over what is not a property."""
        existing.depends_on = self._plan.dependencies[declaration.logical_id]
        existing.deletion_policy = declaration.deletion_policy
        existing.update_replace_policy = declaration.update_replace_policy

    def _undo_creation(self, resource: Resource) -> None:
        if resource.deletion_policy in KEPT_ON_ROLLBACK:
            self._mark(resource, "DELETE_SKIPPED")
            return
        self._remove(resource)
        if not self._creating:
            self._stack.resources.pop(resource.logical_id, None)

    def _clean_up(self) -> None:
        """Remove what is replaced or no longer declared. What cannot be removed is left, as AWS leaves it."""
        gone = [r for name, r in self._stack.resources.items() if name not in self._plan.declared]
        self._stack.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        for resource in reversed(self._replaced):
            if resource.update_replace_policy == "Delete":
                self._remove(resource)
        for resource in _dependents_first(gone):
            if resource.deletion_policy in KEPT_ON_DELETION:
                self._mark(resource, "DELETE_SKIPPED")
            else:
                self._remove(resource)
            self._stack.resources.pop(resource.logical_id, None)

    def _fail(
        self, failed: dict[str, str], before: Target | None, on_failure: str, why: str | None = None
    ) -> None:
        stack = self._stack
        reason = why or " ".join(
            f"The following resource(s) failed to {verb}: [{name}]." for name, verb in failed.items()
        )
        kind = "CREATE" if self._creating else "UPDATE"
        if on_failure == "DO_NOTHING":
            stack.way_back = lambda: self._roll_back(before, "User Initiated")
            stack.set_status(f"{kind}_FAILED", reason)
            return
        if on_failure == "DELETE" and self._creating:
            stack.set_status("CREATE_FAILED", f"{reason} Delete requested by user.")
            delete(stack)
            return
        asked = " Rollback requested by user." if self._creating else ""
        self._roll_back(before, reason + asked)

    def _roll_back(self, before: Target | None, reason: str) -> None:
        stack = self._stack
        status = "ROLLBACK" if self._creating else "UPDATE_ROLLBACK"
        stack.set_status(f"{status}_IN_PROGRESS", reason)
        stuck = None
        for undo in reversed(self._undo):
            try:
                undo()
            except Exception as error:
                stuck = f"The way back failed too: {_reason(error)}"
        if not self._creating:
            stack.target = before
        stack.set_status(f"{status}_FAILED" if stuck else f"{status}_COMPLETE", stuck)

    def _remove(self, resource: Resource) -> bool:
        return _removed(self._stack, resource)

    def _mark(self, resource: Resource, status: str, reason: str | None = None) -> None:
        _mark(self._stack, resource, status, reason)

    def _failure(
        self, declaration: Declaration, physical_id: str, verb: str, reason: str
    ) -> _ResourceFailure:
        self._stack.tell(declaration.logical_id, physical_id, declaration.type, f"{verb}_FAILED", reason)
        return _ResourceFailure(reason)

    def _reference(self, logical_id: str) -> str:
        resource = self._stack.resources[logical_id]
        return resource_type(resource.type).reference(resource.physical_id)

    def _attribute(self, logical_id: str, attribute: str) -> Any:
        resource = self._stack.resources.get(logical_id)
        if resource is None:
            raise InvalidTemplate(
                f"Template error: instance of Fn::GetAtt references undefined resource {logical_id}"
            )
        type_ = resource_type(resource.type)
        type_.check_attribute(logical_id, attribute)
        return type_.attribute(attribute, resource.physical_id, resource.properties)

    def _outputs(self) -> list[Output]:
        outputs = self._plan.outputs()
        exports = store().exports()
        for output in outputs:
            owner = exports.get(output.export_name or "", (self._stack, None))[0]
            if owner is not self._stack:
                raise InvalidTemplate(
                    f"Export with name {output.export_name} is already exported by stack {owner.name}."
                )
        for lost in {o.export_name for o in self._stack.outputs} - {o.export_name for o in outputs}:
            if lost and (users := store().importers(lost)):
                raise InvalidTemplate(f"Export {lost} cannot be deleted as it is in use by {users[0].name}")
        return outputs


def delete(stack: Stack, retain: list[str] | None = None) -> None:
    """Remove all resources of a stack, except what its policies or the caller keep."""
    stack.set_status("DELETE_IN_PROGRESS", "User Initiated")
    for output in stack.outputs:
        if output.export_name and (users := store().importers(output.export_name)):
            stack.set_status(
                "DELETE_FAILED",
                f"Export {output.export_name} cannot be deleted as it is in use by {users[0].name}",
            )
            return
    failed = []
    for resource in _dependents_first(list(stack.resources.values())):
        if resource.deletion_policy in KEPT_ON_DELETION or resource.logical_id in (retain or []):
            _mark(stack, resource, "DELETE_SKIPPED")
        elif resource.status != "DELETE_COMPLETE" and not _removed(stack, resource):
            failed.append(resource.logical_id)
    if failed:
        stack.set_status(
            "DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. "
        )
        return
    stack.outputs, stack.imports = [], set()
    stack.deleted = datetime.now(UTC)
    stack.set_status("DELETE_COMPLETE")


def _removed(stack: Stack, resource: Resource) -> bool:
    _mark(stack, resource, "DELETE_IN_PROGRESS")
    try:
        resource_type(resource.type).remove(resource.physical_id, resource.properties)
    except Exception as error:
        _mark(stack, resource, "DELETE_FAILED", _reason(error))
        return False
    _mark(stack, resource, "DELETE_COMPLETE")
    return True


def _mark(stack: Stack, resource: Resource, status: str, reason: str | None = None) -> None:
    resource.status, resource.reason, resource.changed = status, reason, datetime.now(UTC)
    stack.tell(resource.logical_id, resource.physical_id, resource.type, status, reason)


def _dependents_first(resources: list[Resource]) -> list[Resource]:
    """Return resources so that nothing goes before what needs it."""
    remaining = {resource.logical_id: resource for resource in resources}
    ordered: list[Resource] = []
    while remaining:
        needed = {name for resource in remaining.values() for name in resource.depends_on}
        free = [name for name in remaining if name not in needed] or list(remaining)
        ordered += [remaining.pop(name) for name in reversed(free)]
    return ordered


def _generated_name(stack_name: str, logical_id: str, type_: ResourceType) -> str:
    suffix = "".join(random.choices(string.ascii_uppercase + string.digits, k=12))
    room = type_.longest_name - len(suffix) - 2
    logical_part = logical_id[: max(room - len(stack_name), room // 2)]
    name = f"{stack_name[: room - len(logical_part)]}-{logical_part}-{suffix}"
    return name.lower() if type_.lower_case_name else name


def _reason(error: Exception) -> str:
    match error:
        case ServiceException():
            return str(error.message)
        case ClientError() | BotoCoreError():
            return f'Resource handler returned message: "{error}"'
    return f"The local cloud's handler failed: {type(error).__name__}: {error}"
