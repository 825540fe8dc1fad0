"""Types that only moto's own models know: enough for the resources that surround what is tested."""

from __future__ import annotations

from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.resources.base import Properties, ResourceType
from localcloud.settings import ACCOUNT_ID, REGION


class MotoModel(ResourceType):
    """A type by moto's model of it. What changes is replaced, because moto's updates leave much out."""

    def __init__(self, name: str):
        self.name = name  # type: ignore[misc]
        self._model = parsing.resource_class_from_type(name)
        self.name_property = parsing.resource_name_property_from_type(name) or ""  # type: ignore[misc]
        self._made: dict[str, Any] = {}

    def create(self, name: str, properties: Properties) -> str:
        made = self._model.create_from_cloudformation_json(
            name,
            {"Type": self.name, "Properties": properties},
            ACCOUNT_ID,
            REGION,
            LogicalId=name,
            StackId="",
            ResourceType=self.name,
        )
        self._made[made.physical_resource_id] = made
        return made.physical_resource_id

    def delete(self, physical_id: str, properties: Properties) -> None:
        made = self._made.pop(physical_id, None)
        if made is not None and callable(getattr(made, "delete", None)):
            made.delete(ACCOUNT_ID, REGION)
            return
        self._model.delete_from_cloudformation_json(
            physical_id, {"Type": self.name, "Properties": properties}, ACCOUNT_ID, REGION
        )

    def replaces(self, changed: set[str], after: Properties) -> bool:
        return bool(changed)

    def check_attribute(self, logical_id: str, attribute: str) -> None:
        if not self._model.has_cfn_attr(attribute):
            super().check_attribute(logical_id, attribute)

    def attribute(self, attribute: str, physical_id: str, properties: Properties) -> Any:
        try:
            return self._made[physical_id].get_cfn_attribute(attribute)
        except UnformattedGetAttTemplateException:
            raise InvalidTemplate(
                f"Template error: {self.name} does not support attribute type {attribute} in Fn::GetAtt"
            ) from None
