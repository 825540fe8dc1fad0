"""boto3 clients of the running local cloud."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from localcloud.settings import ADMINISTRATOR, REGION, settings


def client(service: str, credentials: dict[str, str] | None = None, config: Config | None = None) -> Any:
    """Return a boto3 client with a session of its own, so that threads can each have one."""
    session = boto3.session.Session(region_name=REGION, **(credentials or ADMINISTRATOR))
    return session.client(service, endpoint_url=settings.endpoint_url, config=config)
