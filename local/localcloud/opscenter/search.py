"""The filters of DescribeOpsItems."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.errors import ServiceError
from localcloud.opscenter.items import OpsItem
from localcloud.opscenter.operational_data import automation_ids, resource_arns, searchable

LONGEST_TITLE = 100


@dataclass(frozen=True)
class Filter:
    """What a filter looks at, and the operators that AWS documents for it."""

    seen: Callable[[OpsItem], list[Any]]
    operators: frozenset[str]
    read: Callable[[str], Any] = str


def matches(item: OpsItem, filters: list[dict[str, Any]]) -> bool:
    """Say whether an item passes all filters; a filter passes if one of its values does."""
    return all(_passes(item, asked) for asked in filters)


def check(filters: list[dict[str, Any]]) -> None:
    """Refuse operators that a filter of DescribeOpsItems does not have, and values that it cannot read."""
    for asked in filters:
        key, operator = asked["Key"], asked["Operator"]
        if operator not in FILTERS[key].operators:
            operators = ", ".join(sorted(FILTERS[key].operators))
            raise ServiceError("ValidationException", f"The filter {key} takes {operators}, not {operator}.")
        for value in asked["Values"]:
            FILTERS[key].read(value)


def _passes(item: OpsItem, asked: dict[str, Any]) -> bool:
    known = FILTERS[asked["Key"]]
    compare = COMPARISONS[asked["Operator"]]
    return any(compare(seen, known.read(value)) for seen in known.seen(item) for value in asked["Values"])


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ServiceError("ValidationException", f"{text!r} is not an ISO 8601 time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _title(text: str) -> str:
    if len(text) > LONGEST_TITLE:
        raise ServiceError("ValidationException", f"A Title filter has at most {LONGEST_TITLE} characters.")
    return text


def _key_and_value(text: str) -> tuple[str, str]:
    try:
        pair = json.loads(text)
        return pair["key"], pair["value"]
    except (KeyError, TypeError, ValueError) as error:
        form = '{"key": "…", "value": "…"}'
        raise ServiceError(
            "ValidationException", f"An OperationalData filter has the form {form}."
        ) from error


def _searchable_pairs(item: OpsItem) -> list[tuple[str, str]]:
    return [(key, entry["Value"]) for key, entry in searchable(item.operational_data).items()]


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equal": lambda seen, value: seen == value,
    "Contains": lambda seen, value: value in seen,
    "GreaterThan": lambda seen, value: seen > value,
    "LessThan": lambda seen, value: seen < value,
}

EQUAL = frozenset({"Equal"})
CONTAINS = frozenset({"Contains"})
ORDER = frozenset({"GreaterThan", "LessThan"})


def _time_filter(member: str) -> Filter:
    def seen(item: OpsItem) -> list[datetime]:
        return [datetime.fromtimestamp(item.times[member], UTC)] if member in item.times else []

    return Filter(seen, ORDER, _time)


FILTERS = {
    "AccountId": Filter(lambda item: [item.account_id], EQUAL),
    "ActualEndTime": _time_filter("ActualEndTime"),
    "ActualStartTime": _time_filter("ActualStartTime"),
    "AutomationId": Filter(lambda item: automation_ids(item.operational_data), EQUAL),
    "Category": Filter(lambda item: [item.category], EQUAL),
    "CreatedBy": Filter(lambda item: [item.created_by], EQUAL | CONTAINS),
    "CreatedTime": Filter(lambda item: [item.created_time], ORDER, _time),
    "LastModifiedTime": Filter(lambda item: [item.last_modified_time], ORDER, _time),
    "OperationalData": Filter(_searchable_pairs, EQUAL, _key_and_value),
    "OperationalDataKey": Filter(lambda item: [key for key, _ in _searchable_pairs(item)], EQUAL),
    "OperationalDataValue": Filter(
        lambda item: [value for _, value in _searchable_pairs(item)], EQUAL | CONTAINS
    ),
    "OpsItemId": Filter(lambda item: [item.id], EQUAL),
    "OpsItemType": Filter(lambda item: [item.ops_item_type], EQUAL),
    "PlannedEndTime": _time_filter("PlannedEndTime"),
    "PlannedStartTime": _time_filter("PlannedStartTime"),
    "Priority": Filter(lambda item: [str(item.priority)], EQUAL),
    "ResourceId": Filter(lambda item: resource_arns(item.operational_data), CONTAINS),
    "Severity": Filter(lambda item: [item.severity], EQUAL),
    "Source": Filter(lambda item: [item.source], EQUAL | CONTAINS),
    "Status": Filter(lambda item: [item.status], EQUAL),
    "Title": Filter(lambda item: [item.title], EQUAL | CONTAINS, _title),
    # These look at access requests, change requests and insights, of which the local cloud makes none.
    **{
        key: Filter(lambda item: [], EQUAL | CONTAINS)
        for key in (
            "AccessRequestByApproverArn",
            "AccessRequestByApproverId",
            "AccessRequestByIsReplica",
            "AccessRequestByRequesterArn",
            "AccessRequestByRequesterId",
            "AccessRequestBySourceAccountId",
            "AccessRequestBySourceOpsItemId",
            "AccessRequestBySourceRegion",
            "AccessRequestByTargetResourceId",
            "ChangeRequestByApproverArn",
            "ChangeRequestByApproverName",
            "ChangeRequestByRequesterArn",
            "ChangeRequestByRequesterName",
            "ChangeRequestByTargetsResourceGroup",
            "ChangeRequestByTemplate",
            "InsightByType",
        )
    },
}
