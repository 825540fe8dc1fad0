"""The API operations of OpsCenter."""

import re
from datetime import UTC, datetime
from typing import Any

from moto.ssm.models import SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.errors import ServiceError, unsupported
from localcloud.model import operation
from localcloud.opscenter import operational_data, search
from localcloud.opscenter.changes import tell
from localcloud.opscenter.items import OpsItem, OpsItems, ops_items_of
from localcloud.opscenter.operational_data import invalid
from localcloud.paging import UnknownToken, page
from localcloud.principals import principal_of

TYPES = ("/aws/issue", "/aws/insight")
STATUSES = ("Open", "InProgress", "Resolved")
MOST_RELATED_ITEMS = 10

TIMES = ("ActualEndTime", "ActualStartTime", "PlannedEndTime", "PlannedStartTime")

# The members of an update that simply replace a field of the item.
REPLACED = {
    "Title": "title",
    "Description": "description",
    "Status": "status",
    "Priority": "priority",
    "Category": "category",
    "Severity": "severity",
    "RelatedOpsItems": "related_ops_items",
    "Notifications": "notifications",
}

Response = SimpleSystemManagerResponse
Request = dict[str, Any]


@operation("CreateOpsItem")
def create_ops_item(response: Response, request: Request) -> dict[str, Any]:
    """Create an OpsItem, unless its dedup string names an unresolved one."""
    backend = response.ssm_backend
    _check_members(backend, request)
    _check_source(request["Source"])
    if request.get("OpsItemType", TYPES[0]) not in TYPES:
        raise unsupported(f"OpsItems of another type than {' and '.join(TYPES)}")
    if request.get("AccountId", backend.account_id) != backend.account_id:
        raise _access_denied(request["AccountId"])
    item = OpsItem(
        arn_prefix=f"arn:{backend.partition}:ssm:{backend.region_name}:{backend.account_id}:opsitem/",
        title=request["Title"],
        description=request["Description"],
        source=request["Source"],
        created_by=principal_of(response.access_key),
        ops_item_type=request.get("OpsItemType", TYPES[0]),
        priority=request.get("Priority"),
        category=request.get("Category"),
        severity=request.get("Severity"),
        related_ops_items=request.get("RelatedOpsItems") or [],
        notifications=request.get("Notifications") or [],
        times={name: request[name] for name in TIMES if request.get(name) is not None},
        operational_data=request.get("OperationalData") or {},
    )
    items = ops_items_of(backend)
    with items.lock:
        items.add(item)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or []}
        backend.add_tags_to_resource("OpsItem", item.id, tags)
        tell(items, item, "Create")
    return {"OpsItemId": item.id, "OpsItemArn": item.arn}


@operation("GetOpsItem")
def get_ops_item(response: Response, request: Request) -> dict[str, Any]:
    """Return an OpsItem."""
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        return {"OpsItem": _item(items, request).describe()}


@operation("UpdateOpsItem")
def update_ops_item(response: Response, request: Request) -> None:
    """Change an OpsItem; operational data is merged into what it has."""
    _check_members(response.ssm_backend, request)
    written = request.get("OperationalData") or {}
    deleted = request.get("OperationalDataToDelete") or []
    operational_data.check_keeps_dedup(written, deleted)
    if request.get("Status", STATUSES[0]) not in STATUSES:
        raise invalid(
            f"The status of an OpsItem of type /aws/issue is one of {', '.join(STATUSES)}.", "Status"
        )
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        item = _item(items, request)
        if request.get("Status", "Resolved") != "Resolved":
            items.check_unique(item)
        for member, name in REPLACED.items():
            if request.get(member) is not None:
                setattr(item, name, request[member])
        item.times |= {name: request[name] for name in TIMES if request.get(name) is not None}
        kept = {key: entry for key, entry in item.operational_data.items() if key not in deleted}
        item.operational_data = {**kept, **written}
        item.version += 1
        item.last_modified_by = principal_of(response.access_key)
        item.last_modified_time = datetime.now(UTC)
        tell(items, item, "Update")


@operation("DeleteOpsItem")
def delete_ops_item(response: Response, request: Request) -> None:
    """Delete an OpsItem; one that is not there is deleted already."""
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        item = items.delete(request["OpsItemId"])
        if item:
            response.ssm_backend._resource_tags["OpsItem"].pop(item.id, None)
            tell(items, item, "Delete")


@operation("DescribeOpsItems")
def describe_ops_items(response: Response, request: Request) -> dict[str, Any]:
    """List OpsItems that pass all filters, the newest first."""
    filters = request.get("OpsItemFilters") or []
    search.check(filters)
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        found = [item.summarize() for item in items if search.matches(item, filters)]
    try:
        summaries, token = page(found, request)
    except UnknownToken as error:
        raise ServiceError("ValidationException", f"The token {error} is not valid.") from error
    return {"OpsItemSummaries": summaries, **({"NextToken": token} if token else {})}


OPERATIONS = (create_ops_item, get_ops_item, update_ops_item, delete_ops_item, describe_ops_items)


def _item(items: OpsItems, request: Request) -> OpsItem:
    """Return the item that a request names, in this account."""
    item = items.get(request["OpsItemId"])
    arn = request.get("OpsItemArn", item.arn)
    if arn.split(":")[4] != item.account_id:
        raise _access_denied(arn.split(":")[4])
    if arn != item.arn:
        raise invalid(f"{arn} is not the ARN of {item.id}.", "OpsItemArn")
    return item


def _access_denied(account_id: str) -> ServiceError:
    return ServiceError(
        "OpsItemAccessDeniedException",
        f"This account is no delegated administrator and has no access to OpsItems of {account_id}.",
    )


def _check_members(backend: SimpleSystemManagerBackend, request: Request) -> None:
    for notification in request.get("Notifications") or []:
        topic = rf"arn:{backend.partition}:sns:{backend.region_name}:\d{{12}}:[\w.-]+"
        if not re.fullmatch(topic, notification.get("Arn", "")):
            raise invalid(f"{notification.get('Arn')} is no SNS topic of this Region.", "Notifications")
    if len(request.get("RelatedOpsItems") or []) > MOST_RELATED_ITEMS:
        raise invalid(f"An OpsItem has at most {MOST_RELATED_ITEMS} related OpsItems.", "RelatedOpsItems")
    operational_data.check(request.get("OperationalData") or {})


def _check_source(source: str) -> None:
    for reserved in ("aws", "amazon", "amzn"):
        if reserved in source.lower():
            raise invalid(f"Source must not contain {reserved}.", "Source")
