"""What the world hears of an OpsItem: AWS's events, its topics, its history, and the journal."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.core.exceptions import ServiceException
from moto.sns.models import sns_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud import journal
from localcloud.events import emit
from localcloud.model import operation
from localcloud.opscenter.items import OpsItem, OpsItems, ops_items_of
from localcloud.opscenter.operational_data import invalid
from localcloud.paging import UnknownToken, page

SOURCE = "aws.ssm"


@dataclass(frozen=True)
class Change:
    """One entry of an OpsItem's history."""

    ops_item_id: str
    detail_type: str
    detail: dict[str, Any]
    created_by: str
    event_id: str = field(default_factory=lambda: str(uuid4()))
    created_time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def describe(self) -> dict[str, Any]:
        """Return the change as ``OpsItemEventSummary``."""
        return {
            "OpsItemId": self.ops_item_id,
            "EventId": self.event_id,
            "Source": SOURCE,
            "DetailType": self.detail_type,
            "Detail": json.dumps(self.detail),
            "CreatedBy": {"Arn": self.created_by},
            "CreatedTime": self.created_time,
        }


def tell(items: OpsItems, item: OpsItem, change: str) -> None:
    """Tell of a change; called under the lock, so that all hear of the changes in their order."""
    journal.record(
        "ops-item",
        ops_item_id=item.id,
        change=change,
        status=item.status,
        title=item.title,
        severity=item.severity,
    )
    if change == "Delete":
        return
    detail = {
        "ops-item-id": item.id,
        "ops-item-type": item.ops_item_type,
        "title": item.title,
        "description": item.description,
        "status": item.status,
        "source": item.source,
        "created-by": item.created_by,
        "created-time": _microseconds(item.created_time),
    }
    if change == "Update":
        detail["modified-by"] = item.last_modified_by
        detail["modified-time"] = _microseconds(item.last_modified_time)
    items.changes.append(Change(item.id, f"OpsItem {change}", detail, item.last_modified_by))
    emit(f"OpsItem {change}", SOURCE, detail, [item.arn])
    _notify(item, change, detail)


@operation("ListOpsItemEvents")
def list_ops_item_events(response: SimpleSystemManagerResponse, request: dict[str, Any]) -> dict[str, Any]:
    """List the changes of OpsItems, the newest first. What AWS puts into ``Detail`` is not documented."""
    filters = request.get("Filters") or []
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        for each in filters:
            for item_id in each["Values"]:
                items.get(item_id)
        found = [
            change.describe()
            for change in reversed(items.changes)
            if all(change.ops_item_id in each["Values"] for each in filters)
        ]
    try:
        summaries, token = page(found, request)
    except UnknownToken as error:
        raise invalid(f"The token {error} is not valid.", "NextToken") from error
    return {"Summaries": summaries, **({"NextToken": token} if token else {})}


OPERATIONS = (list_ops_item_events,)


def _notify(item: OpsItem, change: str, detail: dict[str, Any]) -> None:
    """Tell the item's topics, which may be gone by now. The form of AWS's message is not documented."""
    for notification in item.notifications:
        _, _, _, _, account_id, _ = notification["Arn"].split(":", 5)
        with suppress(ServiceException):
            sns_backends[account_id][item.region].publish(
                message=json.dumps(detail), arn=notification["Arn"], subject=f"OpsItem {change}"
            )


def _microseconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
