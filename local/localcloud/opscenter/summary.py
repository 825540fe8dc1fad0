"""GetOpsSummary, as far as it speaks of OpsItems: counts by an attribute, or the items' attributes."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.errors import ServiceError, unsupported
from localcloud.model import operation
from localcloud.opscenter.items import OpsItem, ops_items_of
from localcloud.paging import UnknownToken, page

TYPE = "AWS:OpsItem"

ATTRIBUTES: dict[str, Callable[[OpsItem], Any]] = {
    "Category": lambda item: item.category,
    "CreatedBy": lambda item: item.created_by,
    "OpsItemId": lambda item: item.id,
    "OpsItemType": lambda item: item.ops_item_type,
    "Priority": lambda item: item.priority,
    "Severity": lambda item: item.severity,
    "Source": lambda item: item.source,
    "Status": lambda item: item.status,
    "Title": lambda item: item.title,
}

COMPARISONS: dict[str, Callable[[str, list[str]], bool]] = {
    "Equal": lambda seen, values: seen in values,
    "NotEqual": lambda seen, values: seen not in values,
    "BeginWith": lambda seen, values: seen.startswith(tuple(values)),
}


@operation("GetOpsSummary")
def get_ops_summary(response: SimpleSystemManagerResponse, request: dict[str, Any]) -> dict[str, Any]:
    """Count OpsItems by an attribute, or list their attributes."""
    if request.get("SyncName"):
        raise ServiceError(
            "ResourceDataSyncNotFoundException", f"There is no resource data sync {request['SyncName']}."
        )
    filters = [_read_filter(each) for each in request.get("Filters") or []]
    items = ops_items_of(response.ssm_backend)
    with items.lock:
        found = [item for item in items if all(passes(item) for passes in filters)]
    aggregators = request.get("Aggregators") or []
    if aggregators:
        entities = [_entity(_counts(found, aggregator)) for aggregator in aggregators]
    else:
        for attribute in request.get("ResultAttributes") or []:
            _check_type(attribute["TypeName"])
        entities = [{"Id": item.id, **_entity([_attributes(item)])} for item in found]
    try:
        entities, token = page(entities, request)
    except UnknownToken as error:
        raise ServiceError("InvalidNextToken", f"The token {error} is not valid.") from error
    return {"Entities": entities, **({"NextToken": token} if token else {})}


OPERATIONS = (get_ops_summary,)


def _read_filter(asked: dict[str, Any]) -> Callable[[OpsItem], bool]:
    type_name, _, attribute = asked["Key"].rpartition(".")
    compare = COMPARISONS.get(asked.get("Type", "Equal"))
    if type_name != TYPE or attribute not in ATTRIBUTES:
        raise ServiceError(
            "InvalidFilter", f"The key {asked['Key']} is not {TYPE}. and one of {', '.join(ATTRIBUTES)}."
        )
    if compare is None:
        raise unsupported(f"the filter type {asked['Type']} of GetOpsSummary", "InvalidFilter")
    return lambda item: compare(_text(item, attribute), asked["Values"])


def _counts(items: list[OpsItem], aggregator: dict[str, Any]) -> list[dict[str, str]]:
    _check_type(aggregator.get("TypeName", TYPE))
    attribute = aggregator.get("AttributeName")
    further = [name for name in ("Aggregators", "Filters", "Values") if aggregator.get(name)]
    if aggregator.get("AggregatorType") != "count" or attribute not in ATTRIBUTES or further:
        raise unsupported(
            f"other aggregators than a count by one of {', '.join(ATTRIBUTES)}", "InvalidAggregatorException"
        )
    counted = Counter(_text(item, attribute) for item in items)
    return [{"Count": str(number), attribute: value} for value, number in counted.most_common()]


def _check_type(type_name: str) -> None:
    if type_name != TYPE:
        raise unsupported(f"data of another type than {TYPE}", "InvalidTypeNameException")


def _attributes(item: OpsItem) -> dict[str, str]:
    return {name: _text(item, name) for name in ATTRIBUTES if _text(item, name)}


def _text(item: OpsItem, attribute: str) -> str:
    value = ATTRIBUTES[attribute](item)
    return "" if value is None else str(value)


def _entity(content: list[dict[str, str]]) -> dict[str, Any]:
    return {"Data": {TYPE: {"Content": content}}}
