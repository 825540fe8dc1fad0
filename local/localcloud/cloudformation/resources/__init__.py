"""The resource types that a template can declare here."""

from __future__ import annotations

from functools import cache

from moto.cloudformation import parsing

from localcloud.cloudformation.resources import functions, identity, management, messaging, storage
from localcloud.cloudformation.resources.base import ResourceType
from localcloud.cloudformation.resources.moto_models import MotoModel

_OWN: dict[str, type[ResourceType]] = {
    type_.name: type_
    for module in (functions, identity, management, messaging, storage)
    for type_ in module.TYPES
}


@cache
def resource_type(name: str) -> ResourceType | None:
    """Return what makes resources of this type; None if nobody here knows it."""
    if name in _OWN:
        return _OWN[name]()
    return MotoModel(name) if name in parsing.get_model_map() else None
