"""What every resource type of CloudFormation here is: made, changed and removed by the service's own API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from botocore.exceptions import ClientError
from botocore.model import Shape

from localcloud.clients import client
from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.settings import ACCOUNT_ID, PARTITION, REGION

Properties = dict[str, Any]

ABSENT = ("NotFound", "NoSuch", "DoesNotExist", "NonExistent", "InvalidDocument")
"""Parts of the codes by which services say that something is not there."""


class ResourceType:
    """How one type is made, changed and removed.

    A property that no method here takes out is handed to the service, which refuses what it does not know.
    """

    name: ClassVar[str]
    name_property: ClassVar[str] = ""
    """The property that names the resource; another name needs another resource."""
    replaced_by: ClassVar[frozenset[str]] = frozenset()
    """Other properties that cannot change in place."""
    attributes: ClassVar[dict[str, Callable[[str, Properties], Any]]] = {}
    """What `Fn::GetAtt` answers, from the physical id and the properties."""
    tags: ClassVar[type | None] = None
    """How `Tags` are written: a list of keys and values, or a dict."""
    longest_name: ClassVar[int] = 255
    lower_case_name: ClassVar[bool] = False

    def create(self, name: str, properties: Properties) -> str:
        """Make the resource and return its physical id."""
        raise NotImplementedError

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        """Change the resource in place."""
        raise InvalidTemplate(f"The local cloud cannot update {self.name} in place.")

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the resource."""
        raise NotImplementedError

    def remove(self, physical_id: str, properties: Properties) -> None:
        """Remove the resource, if it is still there."""
        try:
            self.delete(physical_id, properties)
        except ClientError as error:
            if not any(part in error.response["Error"]["Code"] for part in ABSENT):
                raise

    def replaces(self, changed: set[str], after: Properties) -> bool:
        """Tell whether a change of these properties needs a new resource."""
        return bool(changed & {self.name_property, *self.replaced_by})

    def reference(self, physical_id: str) -> str:
        """Return what `Ref` answers."""
        return physical_id

    def check_attribute(self, logical_id: str, attribute: str) -> None:
        """Refuse an attribute that the type does not have."""
        if attribute not in self.attributes:
            raise InvalidTemplate(
                f"Template error: resource {logical_id} does not support attribute type {attribute} in"
                " Fn::GetAtt"
            )

    def attribute(self, attribute: str, physical_id: str, properties: Properties) -> Any:
        """Return what `Fn::GetAtt` answers."""
        return self.attributes[attribute](physical_id, properties)

    def tagged(self, properties: Properties, stack_tags: dict[str, str]) -> Properties:
        """Add the stack's tags, where the type takes tags; its own win."""
        if self.tags is None or not stack_tags:
            return properties
        merged = {**stack_tags, **tag_map(properties.get("Tags"))}
        return {**properties, "Tags": merged if self.tags is dict else tag_list(merged)}


class Replaced(ResourceType):
    """A type that cannot change in place at all."""

    def replaces(self, changed: set[str], after: Properties) -> bool:
        """Every change needs a new resource."""
        return bool(changed)


def call(service: str, operation: str, **members: Any) -> dict[str, Any]:
    """Call the service, with the values of the template in the types of its API; None is left out."""
    api = client(service)
    model = api.meta.service_model.operation_model(api.meta.method_to_api_mapping[operation])
    return getattr(api, operation)(**_fitted(members, model.input_shape))


def _fitted(value: Any, shape: Shape) -> Any:
    """Return a value in the type that the API wants: templates hold numbers, flags and documents as text."""
    match shape.type_name, value:
        case "structure", dict():
            members = shape.members
            return {
                name: _fitted(item, members[name]) if name in members else item
                for name, item in value.items()
                if item is not None
            }
        case "map", dict():
            return {str(key): _fitted(item, shape.value) for key, item in value.items()}
        case "list", list():
            return [_fitted(item, shape.member) for item in value]
        case "boolean", str():
            return value.lower() == "true"
        case (("integer" | "long"), (str() | float())):
            return int(value)
        case (("float" | "double"), (str() | int())):
            return float(value)
        case "string", bool():
            return "true" if value else "false"
        case "string", (int() | float()):
            return str(value)
        case "string", (dict() | list()):
            return json.dumps(value)
    return value


def without(properties: Properties, *names: str) -> Properties:
    """Return the properties that are not taken care of otherwise."""
    return {name: value for name, value in properties.items() if name not in names}


def tag_map(tags: Any) -> dict[str, str]:
    """Return tags by their keys."""
    return dict(tags) if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags or []}


def tag_list(tags: Any) -> list[dict[str, str]]:
    """Return tags as a list of keys and values."""
    return [{"Key": key, "Value": value} for key, value in tag_map(tags).items()]


def retag(
    before: Properties,
    after: Properties,
    put: Callable[[dict[str, str]], Any],
    remove: Callable[[list[str]], Any],
) -> None:
    """Call `remove` and `put` with what differs between the tags."""
    old, new = tag_map(before.get("Tags")), tag_map(after.get("Tags"))
    if gone := [key for key in old if key not in new]:
        remove(gone)
    if changed := {key: value for key, value in new.items() if old.get(key) != value}:
        put(changed)


def retag_arn(
    service: str, resource: str, before: Properties, after: Properties, member: str = "ResourceArn"
) -> None:
    """The same for the many services that take an ARN, as this member, and a list of tags."""
    retag(
        before,
        after,
        lambda tags: call(service, "tag_resource", **{member: resource}, Tags=tag_list(tags)),
        lambda keys: call(service, "untag_resource", **{member: resource}, TagKeys=keys),
    )


def arn(service: str, resource: str, region: str = REGION, account: str = ACCOUNT_ID) -> str:
    """Return the ARN of a resource of this account."""
    return f"arn:{PARTITION}:{service}:{region}:{account}:{resource}"


def by_name(items: Iterable[dict[str, Any]] | None, key: str) -> dict[str, dict[str, Any]]:
    """Return items by the value of one of their members."""
    return {item[key]: item for item in items or []}
