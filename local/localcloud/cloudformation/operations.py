"""CloudFormation's operations on stacks and change sets, as the API has them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.cloudformation import capabilities, deployment, macros, parameters
from localcloud.cloudformation.errors import InsufficientCapabilities, InvalidTemplate
from localcloud.cloudformation.plan import Plan
from localcloud.cloudformation.stacks import (
    ChangeSet,
    Output,
    Resource,
    Stack,
    Target,
    new_change_set_id,
    new_stack,
    store,
)
from localcloud.cloudformation.template import (
    Content,
    body_of,
    declarations,
    parse,
    transforms,
)
from localcloud.cloudformation.values import text
from localcloud.errors import ServiceError, unsupported
from localcloud.paging import UnknownToken, page
from localcloud.settings import REGION

Request = dict[str, Any]
Handler = Callable[[Request], dict[str, Any] | None]

NOTHING_CHANGED = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
CHANGES_PER_PAGE = 50
EVENTS_PER_PAGE = 100
RESOURCES_PER_PAGE = 100
UPDATABLE = {
    "CREATE_COMPLETE",
    "IMPORT_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_FAILED",
    "CREATE_FAILED",
}

OPERATIONS: dict[str, Callable[[CloudFormationResponse], ActionResult]] = {}

_beginning = threading.Lock()
"""Two operations cannot both find the same stack at rest."""


def operation(handler: Handler) -> Handler:
    """Make a handler of a request the operation of its name."""

    @wraps(handler)
    def method(response: CloudFormationResponse) -> ActionResult:
        if response.region != REGION:
            raise unsupported(f"stacks in {response.region}: it has one Region, {REGION}", "ValidationError")
        answer = handler(dict(response._get_params()))
        return EmptyResult() if answer is None else ActionResult(answer)

    OPERATIONS[handler.__name__] = method
    return handler


# --- Change sets ----------------------------------------------------------------------------------


@operation
def create_change_set(request: Request) -> dict[str, Any]:
    """Plan a creation or an update. It is ready when this answers: nothing of it takes time here."""
    name, kind = request["StackName"], request.get("ChangeSetType", "UPDATE")
    if kind not in ("CREATE", "UPDATE"):
        raise unsupported(f"change sets of the type {kind}", "ValidationError")
    stack = store().find(name)
    if kind == "UPDATE":
        stack = store().get(name)
        if stack.status == "REVIEW_IN_PROGRESS":
            raise InvalidTemplate(f"Stack [{name}] does not exist")
        _check_updatable(stack)
    elif stack and stack.status != "REVIEW_IN_PROGRESS":
        raise InvalidTemplate(f"Stack [{name}] already exists and cannot be created again with the changeSet")
    if any(c.name == request["ChangeSetName"] and c.stack is stack for c in store().change_sets):
        raise ServiceError(
            "AlreadyExistsException",
            f"ChangeSet [{request['ChangeSetName']}] already exists",
        )
    body = body_of(request, stack.target.body if stack and stack.target else None)
    content = parse(body)
    macro_names = transforms(content)
    if not macro_names:
        _require(capabilities.missing(content, request.get("Capabilities", [])))
    values = _parameter_values(content, request, stack)
    created = stack is None
    stack = stack or new_stack(name, "REVIEW_IN_PROGRESS")
    change_set = ChangeSet(
        id=new_change_set_id(request["ChangeSetName"]),
        name=request["ChangeSetName"],
        type=kind,
        stack=stack,
        created=stack.events[-1].at,
        description=request.get("Description"),
        request=request,
    )
    try:
        change_set.target = _target(body, content, values, request, stack)
        missing = capabilities.missing(change_set.target.content, request.get("Capabilities", []))
        if missing:
            change_set.fail(str(InsufficientCapabilities(missing).message))
        else:
            plan = Plan(stack, change_set.target)
            change_set.changes = plan.changes()
            if kind == "UPDATE" and plan.changes_nothing(change_set.changes):
                change_set.fail(NOTHING_CHANGED)
    except InvalidTemplate as error:
        # What is wrong with a template that has macros is found after the answer: the description has it.
        if not macro_names:
            if created:
                store().stacks.remove(stack)
            raise
        change_set.fail(str(error.message))
    store().change_sets.append(change_set)
    return {"Id": change_set.id, "StackId": stack.id}


@operation
def describe_change_set(request: Request) -> dict[str, Any]:
    """Tell what a change set would do, a page of its changes at a time."""
    change_set = _change_set(request)
    target = change_set.target
    changes, token = _page(change_set.changes, request, CHANGES_PER_PAGE)
    return {
        **_change_set_summary(change_set),
        "Capabilities": change_set.request.get("Capabilities", []),
        "Changes": changes,
        "NextToken": token,
        "NotificationARNs": target.notification_arns if target else [],
        "Parameters": _shown_parameters(target),
        "RollbackConfiguration": {},
        "Tags": change_set.request.get("Tags", []),
    }


@operation
def list_change_sets(request: Request) -> dict[str, Any]:
    """Return the change sets of a stack."""
    stack = store().get(request["StackName"])
    return {"Summaries": [_change_set_summary(c) for c in store().change_sets if c.stack is stack]}


@operation
def delete_change_set(request: Request) -> None:
    """Forget a change set."""
    try:
        store().change_sets.remove(_change_set(request))
    except ServiceError as error:
        if error.code != "ChangeSetNotFound":
            raise


@operation
def execute_change_set(request: Request) -> None:
    """Do what a change set says.

    The answer comes when it is done: clients look at once and then sleep for up to half a minute.
    """
    change_set = _change_set(request)
    stack, target = change_set.stack, change_set.target
    with _beginning:
        if change_set.execution_status != "AVAILABLE" or target is None:
            raise ServiceError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{change_set.id}] cannot be executed in its current status of"
                f" [{change_set.status}]",
            )
        if stack.in_progress:
            raise InvalidTemplate(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        running = deployment.Deployment(stack, Plan(stack, target))
        change_set.execution_status = "EXECUTE_IN_PROGRESS"
        stack.status = "CREATE_IN_PROGRESS" if stack.target is None else "UPDATE_IN_PROGRESS"
    store().change_sets[:] = [c for c in store().change_sets if c.stack is not stack or c is change_set]
    keep = text(request.get("DisableRollback", False)) == "true"
    on_failure = "DO_NOTHING" if keep else change_set.request.get("OnStackFailure", "ROLLBACK")
    running.run(on_failure)
    done = stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    change_set.execution_status = "EXECUTE_COMPLETE" if done else "EXECUTE_FAILED"


# --- Stacks ---------------------------------------------------------------------------------------


@operation
def create_stack(request: Request) -> dict[str, Any]:
    """Create a stack without looking at a change set first."""
    name = request["StackName"]
    with _beginning:
        if store().find(name):
            raise ServiceError("AlreadyExistsException", f"Stack [{name}] already exists")
        body = body_of(request)
        content = parse(body)
        given = request.get("Capabilities", [])
        _require(capabilities.missing_for_macros(content, given))
        values = _parameter_values(content, request, None)
        stack = new_stack(name, "REVIEW_IN_PROGRESS")
        try:
            target = _target(body, content, values, request, stack)
            _require(capabilities.missing(target.content, given))
            running = deployment.Deployment(stack, Plan(stack, target))
        except ServiceError:
            store().stacks.remove(stack)
            raise
        stack.events.clear()
        stack.status = "CREATE_IN_PROGRESS"
    stack.termination_protection = bool(request.get("EnableTerminationProtection"))
    stack.timeout_minutes = request.get("TimeoutInMinutes")
    stack.policy = request.get("StackPolicyBody")
    stack.disable_rollback = bool(request.get("DisableRollback"))
    running.run("DO_NOTHING" if stack.disable_rollback else request.get("OnFailure", "ROLLBACK"))
    return {"StackId": stack.id}


@operation
def update_stack(request: Request) -> dict[str, Any]:
    """Update a stack without looking at a change set first."""
    with _beginning:
        stack = store().get(request["StackName"])
        _check_updatable(stack)
        body = body_of(request, stack.target.body)
        content = parse(body)
        given = request.get("Capabilities", [])
        _require(capabilities.missing_for_macros(content, given))
        values = _parameter_values(content, request, stack)
        target = _target(body, content, values, request, stack)
        _require(capabilities.missing(target.content, given))
        plan = Plan(stack, target)
        if plan.changes_nothing(plan.changes()):
            raise InvalidTemplate("No updates are to be performed.")
        running = deployment.Deployment(stack, plan)
        stack.status = "UPDATE_IN_PROGRESS"
    running.run("DO_NOTHING" if request.get("DisableRollback") else "ROLLBACK")
    return {"StackId": stack.id}


@operation
def rollback_stack(request: Request) -> dict[str, Any]:
    """Take back what a failed operation has left, because its rollback was disabled."""
    stack = store().get(request["StackName"])
    with _beginning:
        way_back, stack.way_back = stack.way_back, None
        if way_back is None:
            raise InvalidTemplate(f"Stack:{stack.id} is in {stack.status} state and can not be rolled back.")
    way_back()
    return {"StackId": stack.id}


@operation
def delete_stack(request: Request) -> None:
    """Delete a stack; one that does not exist is deleted already."""
    with _beginning:
        stack = store().find(request["StackName"])
        if stack is None or stack.status == "DELETE_COMPLETE":
            return
        if stack.termination_protection:
            raise InvalidTemplate(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        if stack.in_progress:
            raise InvalidTemplate(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")
        stack.status = "DELETE_IN_PROGRESS"
    deployment.delete(stack, request.get("RetainResources"))
    store().change_sets[:] = [c for c in store().change_sets if c.stack is not stack]


@operation
def describe_stacks(request: Request) -> dict[str, Any]:
    """Describe one stack, or all that are not deleted."""
    if name := request.get("StackName"):
        return {"Stacks": [_described(store().get(name))]}
    stacks = [stack for stack in store().stacks if stack.status != "DELETE_COMPLETE"]
    shown, token = _page(stacks, request, RESOURCES_PER_PAGE)
    return {"Stacks": [_described(stack) for stack in shown], "NextToken": token}


@operation
def list_stacks(request: Request) -> dict[str, Any]:
    """List stacks, deleted ones too."""
    wanted = request.get("StackStatusFilter")
    stacks = [stack for stack in store().stacks if not wanted or stack.status in wanted]
    shown, token = _page(stacks, request, RESOURCES_PER_PAGE)
    members = ("StackId", "StackName", "CreationTime", "LastUpdatedTime", "DeletionTime", "StackStatus")
    return {
        "StackSummaries": [
            {
                **{name: value for name, value in _described(stack).items() if name in members},
                "TemplateDescription": _described(stack)["Description"],
                "StackStatusReason": stack.reason,
            }
            for stack in shown
        ],
        "NextToken": token,
    }


@operation
def describe_stack_events(request: Request) -> dict[str, Any]:
    """Tell a stack's story, the latest first."""
    if not request.get("StackName"):
        raise InvalidTemplate(
            "1 validation error detected: Value null at 'stackName': Member must not be null"
        )
    stack = store().get(request["StackName"])
    shown, token = _page(stack.events[::-1], request, EVENTS_PER_PAGE)
    events = [
        {
            "StackId": stack.id,
            "StackName": stack.name,
            "EventId": event.event_id,
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id,
            "ResourceType": event.type,
            "Timestamp": event.at,
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
            "ClientRequestToken": event.token,
        }
        for event in shown
    ]
    return {"StackEvents": events, "NextToken": token}


@operation
def list_stack_resources(request: Request) -> dict[str, Any]:
    """List what a stack has made."""
    stack = store().get(request["StackName"])
    shown, token = _page(list(stack.resources.values()), request, RESOURCES_PER_PAGE)
    members = [{**_resource(resource), "LastUpdatedTimestamp": resource.changed} for resource in shown]
    return {"StackResourceSummaries": members, "NextToken": token}


@operation
def describe_stack_resources(request: Request) -> dict[str, Any]:
    """Describe what a stack has made, or the stack that has made something."""
    if name := request.get("StackName"):
        stack = store().get(name)
    else:
        stack = _owner(request.get("PhysicalResourceId"))
    wanted = request.get("LogicalResourceId")
    resources = [r for r in stack.resources.values() if wanted in (None, r.logical_id)]
    return {
        "StackResources": [
            {
                **_resource(resource),
                "StackId": stack.id,
                "StackName": stack.name,
                "Timestamp": resource.changed,
            }
            for resource in resources
        ]
    }


@operation
def describe_stack_resource(request: Request) -> dict[str, Any]:
    """Describe one resource of a stack."""
    stack, logical_id = store().get(request["StackName"]), request["LogicalResourceId"]
    if logical_id not in stack.resources:
        raise InvalidTemplate(f"Resource {logical_id} does not exist for stack {stack.name}")
    resource = stack.resources[logical_id]
    detail = {
        **_resource(resource),
        "StackId": stack.id,
        "StackName": stack.name,
        "LastUpdatedTimestamp": resource.changed,
    }
    return {"StackResourceDetail": detail}


@operation
def list_exports(request: Request) -> dict[str, Any]:
    """List what stacks export."""
    exports = [
        {"ExportingStackId": stack.id, "Name": name, "Value": output.value}
        for name, (stack, output) in store().exports().items()
    ]
    shown, token = _page(exports, request, RESOURCES_PER_PAGE)
    return {"Exports": shown, "NextToken": token}


@operation
def list_imports(request: Request) -> dict[str, Any]:
    """List the stacks that use an export."""
    users = store().importers(request["ExportName"])
    if not users:
        raise InvalidTemplate(f"Export '{request['ExportName']}' is not imported by any stack.")
    return {"Imports": [stack.name for stack in users]}


@operation
def update_termination_protection(request: Request) -> dict[str, Any]:
    """Guard a stack against its deletion, or no longer."""
    stack = store().get(request["StackName"])
    stack.termination_protection = text(request["EnableTerminationProtection"]) == "true"
    return {"StackId": stack.id}


@operation
def get_stack_policy(request: Request) -> dict[str, Any]:
    """Return the policy of a stack, which the local cloud keeps and does not apply."""
    return {"StackPolicyBody": store().get(request["StackName"]).policy}


@operation
def set_stack_policy(request: Request) -> None:
    """Keep the policy of a stack."""
    store().get(request["StackName"]).policy = request.get("StackPolicyBody")


# --- Templates ------------------------------------------------------------------------------------


@operation
def get_template(request: Request) -> dict[str, Any]:
    """Return a template as it was given, or as it is after its transforms."""
    if request.get("ChangeSetName"):
        target = _change_set(request).target
    else:
        target = store().get(request["StackName"]).target
    processed = request.get("TemplateStage", "Original") == "Processed"
    body = (json.dumps(target.content) if processed else target.body) if target else ""
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


@operation
def get_template_summary(request: Request) -> dict[str, Any]:
    """Tell what a template declares."""
    if name := request.get("StackName"):
        stack = store().get(name)
        if stack.target is None:
            raise InvalidTemplate("GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
        content = parse(stack.target.body)
    else:
        content = parse(body_of(request))
    return {
        **_summary(content),
        "Metadata": text(content["Metadata"]) if "Metadata" in content else None,
        "Parameters": [
            {**_template_parameter(name, p), "ParameterType": p.get("Type", "String")}
            | {"ParameterConstraints": {"AllowedValues": [text(v) for v in p.get("AllowedValues", [])]}}
            for name, p in (content.get("Parameters") or {}).items()
        ],
        "ResourceTypes": sorted({d.type for d in declarations(content).values()}),
        "Version": text(content.get("AWSTemplateFormatVersion", "2010-09-09")),
    }


@operation
def validate_template(request: Request) -> dict[str, Any]:
    """Check a template's form."""
    content = parse(body_of(request))
    return {
        **_summary(content),
        "Parameters": [
            _template_parameter(name, parameter)
            for name, parameter in (content.get("Parameters") or {}).items()
        ],
    }


def _summary(content: dict[str, Any]) -> dict[str, Any]:
    needed, why = capabilities.needed(content)
    reason = f"The following resource(s) require capabilities: [{', '.join(why)}]"
    return {
        "Capabilities": needed,
        "CapabilitiesReason": reason if why else None,
        "DeclaredTransforms": transforms(content),
        "Description": content.get("Description"),
    }


def _template_parameter(name: str, declaration: dict[str, Any]) -> dict[str, Any]:
    default = declaration.get("Default")
    return {
        "ParameterKey": name,
        "DefaultValue": None if default is None else text(default),
        "NoEcho": text(declaration.get("NoEcho", "")) == "true",
        "Description": declaration.get("Description"),
    }


# --- What the operations share --------------------------------------------------------------------


def _parameter_values(content: Content, request: Request, stack: Stack | None) -> dict[str, str]:
    previous = stack.target.parameters if stack and stack.target else {}
    return parameters.given_values(content.get("Parameters") or {}, request.get("Parameters", []), previous)


def _target(body: str, content: Content, values: dict[str, str], request: Request, stack: Stack) -> Target:
    worth = parameters.worth(content.get("Parameters") or {}, values)
    before = stack.target
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    return Target(
        body=body,
        content=macros.expanded(content, worth) if transforms(content) else content,
        parameters=values,
        tags=tags if "Tags" in request or before is None else before.tags,
        capabilities=request.get("Capabilities", []),
        role_arn=request.get("RoleARN") or (before.role_arn if before else None),
        notification_arns=request.get("NotificationARNs", before.notification_arns if before else []),
        token=request.get("ClientRequestToken"),
    )


def _require(missing: list[str]) -> None:
    if missing:
        raise InsufficientCapabilities(missing)


def _check_updatable(stack: Stack) -> None:
    if stack.status not in UPDATABLE or stack.target is None:
        raise InvalidTemplate(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def _change_set(request: Request) -> ChangeSet:
    name, stack_name = request["ChangeSetName"], request.get("StackName")
    for change_set in reversed(store().change_sets):
        if change_set.id == name:
            return change_set
        if change_set.name == name and stack_name in (change_set.stack.name, change_set.stack.id):
            return change_set
    if not name.startswith("arn:") and not stack_name:
        raise InvalidTemplate("StackName must be specified if ChangeSetName is not specified as an ARN.")
    raise ServiceError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")


def _change_set_summary(change_set: ChangeSet) -> dict[str, Any]:
    return {
        "ChangeSetId": change_set.id,
        "ChangeSetName": change_set.name,
        "StackId": change_set.stack.id,
        "StackName": change_set.stack.name,
        "CreationTime": change_set.created,
        "Description": change_set.description,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "IncludeNestedStacks": False,
    }


def _described(stack: Stack) -> dict[str, Any]:
    target = stack.target
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "Description": target.content.get("Description") if target else None,
        "Parameters": _shown_parameters(target),
        "Capabilities": target.capabilities if target else [],
        "Outputs": [_output(output) for output in stack.outputs],
        "Tags": [{"Key": key, "Value": value} for key, value in (target.tags if target else {}).items()],
        "NotificationARNs": target.notification_arns if target else [],
        "RoleARN": target.role_arn if target else None,
        "DisableRollback": stack.disable_rollback,
        "TimeoutInMinutes": stack.timeout_minutes,
        "EnableTerminationProtection": stack.termination_protection,
        "RollbackConfiguration": {},
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def _shown_parameters(target: Target | None) -> list[dict[str, Any]]:
    return parameters.shown(target.content.get("Parameters") or {}, target.parameters) if target else []


def _output(output: Output) -> dict[str, Any]:
    return {
        "OutputKey": output.key,
        "OutputValue": output.value,
        "Description": output.description,
        "ExportName": output.export_name,
    }


def _resource(resource: Resource) -> dict[str, Any]:
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def _owner(physical_id: str | None) -> Stack:
    for stack in store().stacks:
        if any(resource.physical_id == physical_id for resource in stack.resources.values()):
            return stack
    raise InvalidTemplate(f"Stack for {physical_id} does not exist")


def _page(items: list[Any], request: Request, size: int) -> tuple[list[Any], str | None]:
    try:
        return page(items, request, size)
    except UnknownToken as error:
        raise InvalidTemplate(f"NextToken {error} is not one that was given out") from None
