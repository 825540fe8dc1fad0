"""Systems Manager: parameters, documents, executions of runbooks, and OpsItems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.ssm.models import Document, ssm_backends

from localcloud.automation.executions import AMAZON
from localcloud.automation.interpolation import REFERENCE
from localcloud.automation.roles import AUTOMATION_SERVICE
from localcloud.permissions.actions.operation import Place, Request, on, on_anything, tags
from localcloud.permissions.policies import Check
from localcloud.settings import ACCOUNT_ID


def _parameters(request: Request, place: Place) -> Iterator[Check]:
    known = ssm_backends[ACCOUNT_ID][place.region]._parameters
    for name in request["Names"]:
        if name.startswith("arn:"):
            yield Check.of("ssm:GetParameters", name)
            continue
        if request.get("WithDecryption") and name in known and known[name][-1].type == "SecureString":
            raise NotImplementedError("what decrypting a SecureString needs of its key")
        # A selector, of a version or a label, is no part of the name.
        yield Check.of("ssm:GetParameters", _parameter(name.partition(":")[0], place))


def _parameters_by_path(request: Request, place: Place) -> Iterator[Check]:
    """Whoever may read a path may read all that is below it."""
    if request.get("WithDecryption"):
        raise NotImplementedError("what decrypting SecureStrings needs of their keys")
    recursive = _said(request, "Recursive")
    yield Check.of("ssm:GetParametersByPath", _parameter(request["Path"], place), **recursive)


def _put_parameter(request: Request, place: Place) -> Iterator[Check]:
    if request.get("Type") == "SecureString":
        raise NotImplementedError("what encrypting a SecureString needs of its key")
    parameter = _parameter(request["Name"], place)
    given = tags(request.get("Tags"))
    yield Check.of("ssm:PutParameter", parameter, **_said(request, "Overwrite"), **given)
    if given:
        yield Check.of("ssm:AddTagsToResource", parameter, **given)


def _parameter(name: str, place: Place) -> str:
    return name if name.startswith("arn:") else place.arn("ssm", f"parameter/{name.removeprefix('/')}")


def _said(request: Request, member: str) -> dict[str, str]:
    """Return the condition key of a switch that the request sets."""
    return {f"ssm:{member.lower()}": str(request[member]).lower()} if member in request else {}


def _start_execution(request: Request, place: Place) -> Iterator[Check]:
    """IAM looks at the execution and the document, and by AWS's older texts at the definition instead."""
    action = "ssm:StartAutomationExecution"
    yield Check.of(action, _document(request["DocumentName"], place))
    version = request.get("DocumentVersion", "$DEFAULT")
    definition = _document(request["DocumentName"], place, "automation-definition")
    yield Check.of(action, f"{definition}:{version}")
    new_execution = place.arn("ssm", "automation-execution/*")
    yield Check.of(action, new_execution)
    if request.get("Tags"):
        yield Check.of("ssm:AddTagsToResource", new_execution, **tags(request["Tags"]))
    if role := _role(request, place):
        yield Check.of("iam:PassRole", role, iam__passedtoservice=AUTOMATION_SERVICE)


def _role(request: Request, place: Place) -> str | None:
    """Return the role that the caller lends to the execution."""
    document = _known_document(request["DocumentName"], place)
    if document is None:
        return None
    runbook = document.runbook
    if not (reference := REFERENCE.fullmatch(runbook.assume_role or "")):
        return runbook.assume_role or None
    name = reference[1]
    given = request.get("Parameters", {}).get(name)
    return given[0] if given else runbook.parameters[name].default


def _calendar_state(request: Request, place: Place) -> Iterator[Check]:
    for calendar in request["CalendarNames"]:
        yield Check.of("ssm:GetCalendarState", _document(calendar, place))


def _create_ops_item(request: Request, place: Place) -> Iterator[Check]:
    yield Check.of("ssm:CreateOpsItem", "*", **tags(request.get("Tags")))
    if request.get("Tags"):
        yield Check.of("ssm:AddTagsToResource", place.arn("ssm", "opsitem/*"), **tags(request["Tags"]))


def _document(name: str, place: Place, kind: str = "document") -> str:
    """Return the ARN of a document; those of AWS's own have no account."""
    if name.startswith("arn:"):
        head, _, plain = name.rpartition("/")
        return f"{head.rpartition(':')[0]}:{kind}/{plain}"
    document = _known_document(name, place)
    owner = "" if document is not None and document.owner == AMAZON else ACCOUNT_ID
    return place.arn("ssm", f"{kind}/{name}", owner)


def _known_document(name: str, place: Place) -> Any:
    versions = ssm_backends[ACCOUNT_ID][place.region]._documents.get(name.rsplit("/", 1)[-1])
    document: Document | None = versions.get_default_version() if versions else None
    return document if hasattr(document, "runbook") else None


def _execution(request: Request, place: Place) -> str:
    return place.arn("ssm", f"automation-execution/{request['AutomationExecutionId']}")


def _ops_item(request: Request, place: Place) -> str:
    return place.arn("ssm", f"opsitem/{request['OpsItemId']}")


OPERATIONS = {
    "CreateOpsItem": _create_ops_item,
    "DescribeAutomationExecutions": on_anything("ssm:DescribeAutomationExecutions"),
    "DescribeAutomationStepExecutions": on("ssm:DescribeAutomationStepExecutions", _execution),
    "DescribeDocument": on("ssm:DescribeDocument", lambda request, place: _document(request["Name"], place)),
    "DescribeOpsItems": on_anything("ssm:DescribeOpsItems"),
    "DescribeParameters": on_anything("ssm:DescribeParameters"),
    "GetAutomationExecution": on("ssm:GetAutomationExecution", _execution),
    "GetCalendarState": _calendar_state,
    "GetOpsItem": on("ssm:GetOpsItem", _ops_item),
    "GetParameters": _parameters,
    "GetParametersByPath": _parameters_by_path,
    "PutParameter": _put_parameter,
    "SendAutomationSignal": on("ssm:SendAutomationSignal", _execution),
    "StartAutomationExecution": _start_execution,
    "StopAutomationExecution": on("ssm:StopAutomationExecution", _execution),
    "UpdateOpsItem": on("ssm:UpdateOpsItem", _ops_item),
}
