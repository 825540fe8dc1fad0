"""The role that a runbook runs under: whether it can be assumed, and AWS clients with its credentials."""

import json
import threading
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from moto.iam.models import iam_backends

from localcloud.errors import ServiceError
from localcloud.principals import credentials_of
from localcloud.settings import settings

AUTOMATION_SERVICE = "ssm.amazonaws.com"

API_TIMEOUT_SECONDS = 25.0
"""The longest that ``aws:executeAwsApi`` may take for one call."""


class AssumedRole:
    """Credentials of the runbook's role for one execution, used by the one thread that runs it."""

    def __init__(self, role_arn: str, session_name: str, region: str) -> None:
        # The service itself assumes the role, so nobody's API call shows in the journal.
        self._credentials = credentials_of(role_arn, session_name)
        self._region = region
        self._clients: dict[tuple[str, float], BaseClient] = {}

    def client(self, service: str, timeout: float, most_seconds: float = API_TIMEOUT_SECONDS) -> BaseClient:
        """Return a boto3 client of the local cloud that gives up after the time-out.

        Making one takes longer than most calls, so that those which wait as long are made only once.
        """
        seconds = min(timeout, most_seconds)
        known = self._clients.get((service, seconds))
        if known is None:
            known = self._clients[service, seconds] = self._make_client(service, seconds)
        return known

    def _make_client(self, service: str, read_timeout: float) -> BaseClient:
        config = Config(
            connect_timeout=5,
            read_timeout=read_timeout,
            # Actions repeat what is throttled themselves; what else fails here is meant to fail.
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        )
        with _making:
            return _session().client(
                service,
                region_name=self._region,
                endpoint_url=settings.endpoint_url,
                config=config,
                **self._credentials,
            )

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that give a script these credentials."""
        return {
            **{name.upper(): value for name, value in self._credentials.items()},
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ENDPOINT_URL": settings.endpoint_url,
        }


def check_assumable(role_arn: str, account_id: str, partition: str) -> None:
    """Refuse a role that does not exist or does not trust Automation, as AWS does at the start."""
    role = next(
        (role for role in iam_backends[account_id][partition].get_roles() if role.arn == role_arn), None
    )
    if role is None:
        raise _not_assumable(f"there is no role {role_arn}")
    if not any(_trusts_automation(statement) for statement in _statements(role.assume_role_policy_document)):
        raise _not_assumable(f"the role {role_arn} does not trust {AUTOMATION_SERVICE}")


def _statements(policy: str) -> list[dict[str, Any]]:
    statements = json.loads(policy)["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _trusts_automation(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    return (
        statement.get("Effect") == "Allow"
        and any(
            fnmatchcase("sts:assumerole", action.lower()) for action in _listed(statement.get("Action", []))
        )
        and AUTOMATION_SERVICE in _listed(services)
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _not_assumable(reason: str) -> ServiceError:
    return ServiceError(
        "InvalidAutomationExecutionParametersException",
        f"The defined assume role is unable to be assumed. The local cloud says why: {reason}.",
    )


_making = threading.Lock()
"""Threads must not share a session at the same time."""


@cache
def _session() -> boto3.Session:
    """Return the session of all roles: making one, and reading EC2's model, takes longer than a call."""
    return boto3.Session()
