"""boto3 clients of the running local cloud."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.client import ClientCreator
from botocore.config import Config
from botocore.loaders import Loader
from botocore.model import ServiceModel

from localcloud.settings import ADMINISTRATOR, REGION, settings

_POOL = Config(max_pool_connections=50)
_making = threading.Lock()
_models = Loader()
"""Shared, because reading a service's model takes longer than a call."""


def install() -> None:
    """Make the methods of a service's clients only once: those of EC2 take longer than ten calls do."""
    create = ClientCreator._create_methods
    made: dict[tuple[str, str], dict[str, Any]] = {}

    def create_methods(self: ClientCreator, service_model: ServiceModel) -> dict[str, Any]:
        key = service_model.service_name, service_model.api_version
        if key not in made:
            made[key] = create(self, service_model)
        return dict(made[key])

    ClientCreator._create_methods = create_methods


def client(service: str, credentials: dict[str, str] | None = None, config: Config | None = None) -> Any:
    """Return a boto3 client, which threads may share; the administrator's is made only once."""
    if credentials or config:
        return _make(service, settings.endpoint_url, credentials or ADMINISTRATOR, config)
    with _making:
        return _administrators(service, settings.endpoint_url)


def client_of_user(service: str, name: str) -> Any:
    """Return a client of an IAM user, who is made if there is none of this name: an approver, for example."""
    iam = client("iam")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return client(
        service,
        {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]},
    )


@cache
def _administrators(service: str, endpoint_url: str) -> Any:
    return _make(service, endpoint_url, ADMINISTRATOR, _POOL)


def _make(service: str, endpoint_url: str, credentials: dict[str, str], config: Config | None) -> Any:
    botocore_session = botocore.session.Session()
    botocore_session.register_component("data_loader", _models)
    session = boto3.session.Session(region_name=REGION, botocore_session=botocore_session, **credentials)
    return session.client(service, endpoint_url=endpoint_url, config=config)
