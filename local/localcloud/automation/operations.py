"""The API operations of Automation."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from moto.core.exceptions import ServiceException
from moto.ssm.models import Document
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.automation import executor
from localcloud.automation.actions.automation import PARENT_HEADER
from localcloud.automation.alarm_configuration import AlarmConfiguration
from localcloud.automation.behaviour import behaviour
from localcloud.automation.executions import FINAL_STATUSES, Execution, StepExecution, executions_of
from localcloud.automation.fan_out import read_fan_out
from localcloud.automation.interpolation import resolve
from localcloud.automation.parameters import bind, stored
from localcloud.automation.roles import check_assumable
from localcloud.errors import ServiceError, unsupported
from localcloud.model import operation, service_model
from localcloud.paging import UnknownToken, page
from localcloud.principals import principal_of

MOST_TAGS = 5
DEEPEST_NESTING = 5

UNSUPPORTED_START_MEMBERS = ("TargetLocations", "TargetLocationsURL")

Response = SimpleSystemManagerResponse
Request = dict[str, Any]
Item = TypeVar("Item")
Tests = dict[str, Callable[[Item, str], bool]]


@operation("StartAutomationExecution")
def start_automation_execution(response: Response, request: Request) -> dict[str, Any]:
    """Start a runbook, once per client token."""
    for member in UNSUPPORTED_START_MEMBERS:
        if request.get(member):
            raise unsupported(f"{member} of StartAutomationExecution")
    store = executions_of(response.ssm_backend)
    store.starts.check()
    token = request.get("ClientToken", "").lower()
    asked = {name: value for name, value in request.items() if name != "ClientToken"}
    with store.lock:
        if token in store.started_requests:
            first_asked, execution_id = store.started_requests[token]
            if asked != first_asked or behaviour.repeated_client_token == "error":
                raise ServiceError(
                    "IdempotentParameterMismatch",
                    f"The client token {token} was used for another request, which started {execution_id}.",
                )
            return {"AutomationExecutionId": execution_id}
        execution = _new_execution(response, request)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or []}
        response.ssm_backend._resource_tags["Automation"][execution.id] = tags
        executor.start(execution, store)
        if token:
            store.started_requests[token] = asked, execution.id
    return {"AutomationExecutionId": execution.id}


@operation("GetAutomationExecution")
def get_automation_execution(response: Response, request: Request) -> dict[str, Any]:
    """Return an execution with its steps."""
    return {"AutomationExecution": execution_of(response, request).describe()}


@operation("StopAutomationExecution")
def stop_automation_execution(response: Response, request: Request) -> None:
    """Cancel an execution, or let it end after its current step."""
    execution = execution_of(response, request)
    with execution.lock:
        if execution.status in FINAL_STATUSES or execution.status == "Cancelling":
            raise ServiceError(
                "InvalidAutomationStatusUpdateException",
                f"The execution {execution.id} is {execution.status} and cannot be stopped.",
            )
        if request.get("Type") == "Complete":
            execution.interruption.complete()
        else:
            executor.cancel(execution)


@operation("DescribeAutomationExecutions")
def describe_automation_executions(response: Response, request: Request) -> dict[str, Any]:
    """List executions, the newest first."""
    tags = response.ssm_backend._resource_tags["Automation"]
    tests: Tests[Execution] = {
        "DocumentNamePrefix": lambda execution, value: execution.document_name.startswith(value),
        "ExecutionStatus": lambda execution, value: execution.status == value,
        "ExecutionId": lambda execution, value: execution.id == value,
        "ParentExecutionId": lambda execution, value: (
            execution.parent is not None and execution.parent.id == value
        ),
        "CurrentAction": lambda execution, value: (
            execution.current_step is not None and execution.current_step.action == value
        ),
        "StartTimeBefore": lambda execution, value: execution.started <= _time(value),
        "StartTimeAfter": lambda execution, value: execution.started >= _time(value),
        # Change and access requests have them, starts from the console, and targets that are refused here.
        "AutomationSubtype": lambda execution, value: False,
        "OpsItemId": lambda execution, value: False,
        "TargetResourceGroup": lambda execution, value: False,
        "AutomationType": lambda execution, value: value == "Local",
        "TagKey": lambda execution, value: value in tags.get(execution.id, {}),
    }
    found = _filtered(executions_of(response.ssm_backend), request, tests)
    executions, token = _page(found, request)
    members = {"AutomationExecutionMetadataList": [execution.summarize() for execution in executions]}
    return {**members, "NextToken": token or ""}


@operation("DescribeAutomationStepExecutions")
def describe_automation_step_executions(response: Response, request: Request) -> dict[str, Any]:
    """List the steps of an execution in their order, or in the reverse of it."""
    execution = execution_of(response, request)
    tests: Tests[StepExecution] = {
        "StartTimeBefore": lambda step, value: step.started is not None and step.started <= _time(value),
        "StartTimeAfter": lambda step, value: step.started is not None and step.started >= _time(value),
        "StepExecutionStatus": lambda step, value: step.status == value,
        "StepExecutionId": lambda step, value: step.id == value,
        "StepName": lambda step, value: step.step.name == value,
        "Action": lambda step, value: step.step.action == value,
        "ParentStepExecutionId": lambda step, value: _parent(step, "StepExecutionId") == value,
        "ParentStepIteration": lambda step, value: _parent(step, "Iteration") == value,
        "ParentStepIteratorValue": lambda step, value: _parent(step, "IteratorValue") == value,
    }
    with execution.lock:
        found = _filtered(execution.step_executions, request, tests)
        if request.get("ReverseOrder"):
            found.reverse()
        steps, token = _page(found, request)
        return {"StepExecutions": [step.describe() for step in steps], "NextToken": token or ""}


OPERATIONS = (
    start_automation_execution,
    get_automation_execution,
    stop_automation_execution,
    describe_automation_executions,
    describe_automation_step_executions,
)


def _new_execution(response: Response, request: Request) -> Execution:
    document = _document(response, request["DocumentName"], request.get("DocumentVersion") or "$DEFAULT")
    backend = response.ssm_backend
    declared = document.runbook.parameters
    given = request.get("Parameters") or {}
    given = {**stored(declared, given, backend.get_parameter), **given}
    fan_out = read_fan_out(request, backend, document.target_type or "")
    first = fan_out.targets[0].parameters if fan_out else {}
    parameters = bind(declared, {**given, **first})
    if len(request.get("Tags") or []) > MOST_TAGS:
        raise ServiceError("ValidationException", f"An execution takes at most {MOST_TAGS} tags.")
    execution = Execution(
        document_name=document.name,
        document_version=document.document_version,
        runbook=document.runbook,
        parameters={name: value for name, value in parameters.items() if name not in first.keys() - given},
        given=given,
        role_arn=resolve(document.runbook.assume_role, parameters.get),
        executed_by=principal_of(response.access_key),
        owner=document.owner,
        account_id=backend.account_id,
        region=backend.region_name,
        partition=backend.partition,
        mode=request.get("Mode", "Auto"),
        alarm=AlarmConfiguration.read(request),
        fan_out=fan_out,
        parent=executions_of(backend).get(response.headers.get(PARENT_HEADER, "")),
    )
    children = [execution.for_target(target) for target in fan_out.targets] if fan_out else []
    for role_arn in dict.fromkeys(each.role_arn for each in [execution, *children]):
        _check_role(role_arn, execution)
    if execution.depth > DEEPEST_NESTING:
        raise ServiceError(
            "AutomationExecutionLimitExceededException",
            f"{document.name} would run more than {DEEPEST_NESTING} levels below the first execution.",
        )
    return execution


def _check_role(role_arn: str, execution: Execution) -> None:
    if not role_arn:
        raise unsupported(f"runbooks without a role, and {execution.document_name} was given none")
    check_assumable(role_arn, execution.account_id, execution.partition)


def _document(response: Response, name_or_arn: str, version: str) -> Document:
    backend = response.ssm_backend
    name = name_or_arn
    for account_id in (backend.account_id, ""):
        prefix = f"arn:{backend.partition}:ssm:{backend.region_name}:{account_id}:"
        name = name.removeprefix(f"{prefix}document/").removeprefix(f"{prefix}automation-definition/")
    versions = backend._documents.get(name)
    if versions is None or not hasattr(versions.get_default_version(), "runbook"):
        raise ServiceError(
            "AutomationDefinitionNotFoundException", f"There is no Automation document {name_or_arn}."
        )
    try:
        return versions.find(version)
    except ServiceException as error:
        raise ServiceError(
            "AutomationDefinitionVersionNotFoundException", f"The document {name} has no version {version}."
        ) from error


def execution_of(response: Response, request: Request) -> Execution:
    """Return the execution that a request names."""
    execution = executions_of(response.ssm_backend).get(request["AutomationExecutionId"])
    if execution is None:
        raise ServiceError(
            "AutomationExecutionNotFoundException",
            f"There is no automation execution {request['AutomationExecutionId']}.",
        )
    return execution


def _parent(step: StepExecution, member: str) -> str | None:
    """Return what a step of a loop says of it, as text."""
    details = step.iteration.describe() if step.iteration else {}
    return str(details[member]) if member in details else None


def _filtered(items: Iterable[Item], request: Request, tests: Tests[Item]) -> list[Item]:
    """Return the items that pass all filters; a filter passes if one of its values does."""
    filters = request.get("Filters") or []
    for asked in filters:
        if asked["Key"] not in tests:
            raise ServiceError("InvalidFilterKey", f"There is no filter {asked['Key']}.")
        for value in asked["Values"]:
            VALUE_CHECKS.get(asked["Key"], str)(value)
    return [
        item
        for item in items
        if all(any(tests[asked["Key"]](item, value) for value in asked["Values"]) for asked in filters)
    ]


def _page(found: list[Any], request: Request) -> tuple[list[Any], str | None]:
    try:
        return page(found, request)
    except UnknownToken as error:
        raise ServiceError("InvalidNextToken", f"The token {error} is not valid.") from error


def _status(text: str) -> str:
    known = service_model("ssm").shape_for("AutomationExecutionStatus").enum
    if text not in known:
        raise ServiceError("InvalidFilterValue", f"{text!r} is not one of {', '.join(known)}.")
    return text


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ServiceError("InvalidFilterValue", f"{text!r} is not an ISO 8601 time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


VALUE_CHECKS: dict[str, Callable[[str], Any]] = {
    "ExecutionStatus": _status,
    "StartTimeAfter": _time,
    "StartTimeBefore": _time,
    "StepExecutionStatus": _status,
}
"""What the values of these filters have to be; it is an error also when there is nothing to filter."""
