"""Related items of OpsItems: incidents and documents that a person or a tool has associated with one."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.errors import ServiceError
from localcloud.model import operation
from localcloud.opscenter.items import ops_items_of
from localcloud.opscenter.operational_data import invalid
from localcloud.paging import UnknownToken, page
from localcloud.principals import principal_of

ASSOCIATION_TYPES = ("IsParentOf", "RelatesTo")
RESOURCE_TYPES = ("AWS::SSMIncidents::IncidentRecord", "AWS::SSM::Document")

FILTERS = {
    "ResourceType": lambda related, value: related.resource_type == value,
    "AssociationId": lambda related, value: related.association_id == value,
    "ResourceUri": lambda related, value: related.resource_uri == value,
}

Response = SimpleSystemManagerResponse
Request = dict[str, Any]


@dataclass
class RelatedItem:
    """A resource that belongs to an OpsItem."""

    ops_item_id: str
    association_type: str
    resource_type: str
    resource_uri: str
    created_by: str
    association_id: str = field(default_factory=lambda: str(uuid4()))
    created_time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def describe(self) -> dict[str, Any]:
        """Return the related item as ``OpsItemRelatedItemSummary``."""
        return {
            "OpsItemId": self.ops_item_id,
            "AssociationId": self.association_id,
            "ResourceType": self.resource_type,
            "AssociationType": self.association_type,
            "ResourceUri": self.resource_uri,
            "CreatedBy": {"Arn": self.created_by},
            "CreatedTime": self.created_time,
            "LastModifiedBy": {"Arn": self.created_by},
            "LastModifiedTime": self.created_time,
        }


@operation("AssociateOpsItemRelatedItem")
def associate_ops_item_related_item(response: Response, request: Request) -> dict[str, Any]:
    """Associate a resource with an OpsItem, once."""
    for member, known in (("AssociationType", ASSOCIATION_TYPES), ("ResourceType", RESOURCE_TYPES)):
        if request[member] not in known:
            raise invalid(f"{member} is one of {', '.join(known)}.", member)
    if not request["ResourceUri"].startswith("arn:"):
        raise invalid("ResourceUri is the ARN of a resource.", "ResourceUri")
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        item = items.get(request["OpsItemId"])
        if any(related.resource_uri == request["ResourceUri"] for related in item.related_items):
            raise ServiceError(
                "OpsItemRelatedItemAlreadyExistsException",
                f"{request['ResourceUri']} is associated with {item.id} already.",
                ResourceUri=request["ResourceUri"],
                OpsItemId=item.id,
            )
        related = RelatedItem(
            ops_item_id=item.id,
            association_type=request["AssociationType"],
            resource_type=request["ResourceType"],
            resource_uri=request["ResourceUri"],
            created_by=principal_of(response.access_key),
        )
        item.related_items.append(related)
    return {"AssociationId": related.association_id}


@operation("DisassociateOpsItemRelatedItem")
def disassociate_ops_item_related_item(response: Response, request: Request) -> None:
    """Take an association away."""
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        item = items.get(request["OpsItemId"])
        kept = [each for each in item.related_items if each.association_id != request["AssociationId"]]
        if len(kept) == len(item.related_items):
            raise ServiceError(
                "OpsItemRelatedItemAssociationNotFoundException",
                f"{item.id} has no association {request['AssociationId']}.",
            )
        item.related_items = kept


@operation("ListOpsItemRelatedItems")
def list_ops_item_related_items(response: Response, request: Request) -> dict[str, Any]:
    """List the related items of one OpsItem, or of all, that pass all filters."""
    filters = request.get("Filters") or []
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        found = [
            related.describe()
            for item in items
            if request.get("OpsItemId", item.id) == item.id
            for related in item.related_items
            if all(any(FILTERS[each["Key"]](related, value) for value in each["Values"]) for each in filters)
        ]
    try:
        summaries, token = page(found, request)
    except UnknownToken as error:
        raise invalid(f"The token {error} is not valid.", "NextToken") from error
    return {"Summaries": summaries, **({"NextToken": token} if token else {})}


OPERATIONS = (
    associate_ops_item_related_item,
    disassociate_ops_item_related_item,
    list_ops_item_related_items,
)
