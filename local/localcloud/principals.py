"""Who makes an API call, from the access key it is signed with."""

from __future__ import annotations

from functools import lru_cache

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from localcloud.settings import ACCOUNT_ID, PARTITION

ROOT = f"arn:{PARTITION}:iam::{ACCOUNT_ID}:root"


def principal_of(access_key: str) -> str:
    """Return the ARN of the role session or user that has the key; an unknown key is the account's root."""
    return _known_principal(access_key) or ROOT


def credentials_of(role_arn: str, session_name: str) -> dict[str, str]:
    """Return fresh credentials of the role, as boto3 takes them."""
    session = sts_backends[ACCOUNT_ID][PARTITION].assume_role(
        region_name="us-east-1",
        role_session_name=session_name,
        role_arn=role_arn,
        policy="",
        duration=3_600,
        external_id="",
    )
    return {
        "aws_access_key_id": session.access_key_id,
        "aws_secret_access_key": session.secret_access_key,
        "aws_session_token": session.session_token,
    }


@lru_cache(maxsize=10_000)
def _known_principal(access_key: str) -> str | None:
    session = sts_backends[ACCOUNT_ID][PARTITION].get_assumed_role_from_access_key(access_key)
    if session:
        return session.arn
    for user in iam_backends[ACCOUNT_ID][PARTITION].users.values():
        if any(key.access_key_id == access_key for key in user.access_keys):
            return user.arn
    return None
