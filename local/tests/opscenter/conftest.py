"""A running local cloud, and its Systems Manager through boto3."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from localcloud.server import LocalCloud
from localcloud.settings import ADMINISTRATOR, REGION


@pytest.fixture(scope="module")
def ssm() -> Iterator[Any]:
    """Return a client of a local cloud with nothing in it."""
    with LocalCloud() as cloud:
        yield boto3.client(
            "ssm",
            endpoint_url=cloud.endpoint_url,
            region_name=REGION,
            # What is wrong with a request is for the local cloud to say.
            config=Config(parameter_validation=False),
            **ADMINISTRATOR,
        )


@pytest.fixture
def create(ssm: Any) -> Callable[..., dict[str, Any]]:
    """Return a function that creates an OpsItem and returns it as GetOpsItem does."""

    def create(dedup: str | None = None, resource: str | None = None, **members: Any) -> dict[str, Any]:
        data = members.pop("OperationalData", {})
        if dedup:
            data["/aws/dedup"] = {"Value": json.dumps({"dedupString": dedup}), "Type": "SearchableString"}
        if resource:
            data["/aws/resources"] = {"Value": json.dumps([{"arn": resource}]), "Type": "SearchableString"}
        request = {"Title": "Open port", "Description": "22", "Source": "Mend", "OperationalData": data}
        created = ssm.create_ops_item(**{**request, **members})
        return ssm.get_ops_item(OpsItemId=created["OpsItemId"])["OpsItem"]

    return create
