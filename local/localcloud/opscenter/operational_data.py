"""Operational data of OpsItems: which keys and values a caller may write, and what the reserved ones say."""

import json
import re
from collections.abc import Iterator
from typing import Any

from localcloud.errors import ServiceError

DEDUP = "/aws/dedup"
RESOURCES = "/aws/resources"
AUTOMATIONS = "/aws/automations"
RESERVED_KEYS = {DEDUP, RESOURCES, AUTOMATIONS}

LARGEST_VALUE_BYTES = 20 * 1024
LONGEST_DEDUP_STRING = 512
MOST_RESOURCES = 100
MOST_AUTOMATIONS = 10

_RESERVED_PREFIX = re.compile(r"/?(amazon|amzn|aws|ssm)", re.IGNORECASE)

OperationalData = dict[str, dict[str, str]]


def check(data: OperationalData) -> None:
    """Refuse what OpsCenter would not take."""
    for key, entry in data.items():
        if key not in RESERVED_KEYS and _RESERVED_PREFIX.match(key):
            raise invalid(f"The key {key} of OperationalData begins with a reserved prefix.")
        if "Value" not in entry:
            raise invalid(f"The key {key} of OperationalData has no value.")
        if len(entry["Value"].encode()) > LARGEST_VALUE_BYTES:
            raise invalid(f"The value of {key} in OperationalData is larger than 20 KB.")
    if DEDUP in data:
        _check_dedup(data[DEDUP])
    if len(list(_members(data, RESOURCES, "arn"))) > MOST_RESOURCES:
        raise invalid(f"{RESOURCES} holds more than {MOST_RESOURCES} resources.")
    if len(list(_members(data, AUTOMATIONS, "automationId"))) > MOST_AUTOMATIONS:
        raise invalid(f"{AUTOMATIONS} holds more than {MOST_AUTOMATIONS} runbooks.")


def check_keeps_dedup(written: OperationalData, deleted: list[str]) -> None:
    """Refuse an update that touches the dedup string."""
    if DEDUP in written or DEDUP in deleted:
        raise invalid(f"{DEDUP} cannot be changed after the OpsItem was created.")


def dedup_string(data: OperationalData) -> str | None:
    """Return the dedup string, if there is one."""
    return json.loads(data[DEDUP]["Value"])["dedupString"] if DEDUP in data else None


def resource_arns(data: OperationalData) -> list[str]:
    """Return the ARNs of the related resources."""
    return list(_members(data, RESOURCES, "arn"))


def automation_ids(data: OperationalData) -> list[str]:
    """Return the names of the runbooks that the OpsItem offers."""
    return list(_members(data, AUTOMATIONS, "automationId"))


def searchable(data: OperationalData) -> OperationalData:
    """Return what everyone may see who may list OpsItems."""
    return {key: entry for key, entry in data.items() if entry.get("Type") == "SearchableString"}


def invalid(problem: str, parameter: str = "OperationalData") -> ServiceError:
    """Refuse a parameter of an OpsItem."""
    return ServiceError("OpsItemInvalidParameterException", problem, ParameterNames=[parameter])


def _check_dedup(entry: dict[str, str]) -> None:
    if entry.get("Type") != "SearchableString":
        raise invalid(f"{DEDUP} is of Type SearchableString.")
    try:
        text = json.loads(entry["Value"])["dedupString"]
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(f'The value of {DEDUP} is not of the form {{"dedupString": "…"}}.') from error
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_DEDUP_STRING:
        raise invalid(f"The dedupString of {DEDUP} is no text of 1 to {LONGEST_DEDUP_STRING} characters.")


def _members(data: OperationalData, key: str, member: str) -> Iterator[str]:
    if key not in data:
        return
    try:
        entries: Any = json.loads(data[key]["Value"])
        yield from [str(entry[member]) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(f'The value of {key} is not of the form [{{"{member}": "…"}}].') from error
