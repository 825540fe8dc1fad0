"""boto3 clients of the running local cloud."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from localcloud.settings import ADMINISTRATOR, REGION, settings

_POOL = Config(max_pool_connections=50)
_making = threading.Lock()


def client(service: str, credentials: dict[str, str] | None = None, config: Config | None = None) -> Any:
    """Return a boto3 client, which threads may share; the administrator's is made only once."""
    if credentials or config:
        return _make(service, settings.endpoint_url, credentials or ADMINISTRATOR, config)
    with _making:
        return _administrators(service, settings.endpoint_url)


@cache
def _administrators(service: str, endpoint_url: str) -> Any:
    return _make(service, endpoint_url, ADMINISTRATOR, _POOL)


def _make(service: str, endpoint_url: str, credentials: dict[str, str], config: Config | None) -> Any:
    session = boto3.session.Session(region_name=REGION, **credentials)
    return session.client(service, endpoint_url=endpoint_url, config=config)
