"""Resource Groups Tagging API where moto's differs: a list of ARNs stands alone and is looked up."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.core.responses import ActionResult
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend
from moto.resourcegroupstaggingapi.responses import ResourceGroupsTaggingAPIResponse
from moto.s3.models import S3Backend

from localcloud.errors import invalid_request

NOT_BESIDE_ARNS = ("ResourceTypeFilters", "TagFilters", "ResourcesPerPage", "TagsPerPage", "PaginationToken")


def install() -> None:
    """Wrap GetResources."""
    response, backend = ResourceGroupsTaggingAPIResponse, ResourceGroupsTaggingAPIBackend
    response.get_resources = _checking(response.get_resources)
    backend._get_resources_generator = _looking_up(backend._get_resources_generator)


def _checking(original: Any) -> Any:
    @functools.wraps(original)
    def get_resources(self: ResourceGroupsTaggingAPIResponse) -> ActionResult:
        arns = self._get_param("ResourceARNList")
        if arns:
            beside = [name for name in NOT_BESIDE_ARNS if self._get_param(name)]
            if beside:
                raise invalid_request(
                    self.service_name, f"ResourceARNList cannot be used together with {', '.join(beside)}."
                )
            for arn in arns:
                if not arn.startswith("arn:"):
                    raise invalid_request(self.service_name, f"{arn} is not a valid ARN.")
        return original(self)

    return get_resources


def _looking_up(original: Any) -> Any:
    @functools.wraps(original)
    def find(
        self: ResourceGroupsTaggingAPIBackend,
        tag_filters: Any = None,
        resource_type_filters: Any = None,
        resource_arn_list: list[str] | None = None,
    ) -> Iterator[TaggedResource]:
        if not resource_arn_list:
            yield from original(self, tag_filters, resource_type_filters, resource_arn_list)
            return
        wanted = set(resource_arn_list)
        owners = {id(owner): owner for arn in wanted if (owner := self._get_backend_for_resource(arn))}
        for owner in owners.values():
            for resource in owner.iter_tagged_resources():
                if resource.arn in wanted and resource.tags and _is_here(self, owner, resource.arn):
                    yield resource

    return find


def _is_here(backend: ResourceGroupsTaggingAPIBackend, owner: Any, arn: str) -> bool:
    """Say whether the resource is in the Region that is asked; moto keeps all buckets together."""
    if not isinstance(owner, S3Backend):
        return True
    bucket = owner.buckets.get(arn.rpartition(":")[2])
    return bucket is not None and bucket.region_name == backend.region_name
