"""Systems Manager OpsCenter: OpsItems, deduplicated, searchable, and announced by events."""

import functools
from typing import Any

from moto.ssm.models import SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.opscenter import changes, operations, related, summary
from localcloud.opscenter.items import ops_items_of

__all__ = ["install"]


def install() -> None:
    """Give moto's Systems Manager its OpsCenter."""
    for method in (
        *operations.OPERATIONS,
        *changes.OPERATIONS,
        *related.OPERATIONS,
        *summary.OPERATIONS,
    ):
        setattr(SimpleSystemManagerResponse, method.__name__, method)
    backend = SimpleSystemManagerBackend
    backend._validate_resource_type_and_id = _knowing_ops_items(backend._validate_resource_type_and_id)


def _knowing_ops_items(original: Any) -> Any:
    """Let OpsItems have tags."""

    @functools.wraps(original)
    def validate(self: SimpleSystemManagerBackend, resource_type: str, resource_id: str) -> str:
        if resource_type == "OpsItem" and resource_id in ops_items_of(self):
            return resource_id
        return original(self, resource_type, resource_id)

    return validate
