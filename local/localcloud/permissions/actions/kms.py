"""KMS: keys are called by id, ARN or alias, and known to IAM by ARN."""

from __future__ import annotations

from moto.kms.models import kms_backends

from localcloud.permissions.actions.operation import Place, Request, on
from localcloud.settings import ACCOUNT_ID


def _key(request: Request, place: Place) -> str:
    backend = kms_backends[ACCOUNT_ID][place.region]
    named = request["KeyId"]
    key = backend.keys.get(backend.any_id_to_key_id(named))
    if key:
        return key.arn
    return named if named.startswith("arn:") else place.arn("kms", f"key/{named}")


OPERATIONS = {
    operation: on(f"kms:{operation}", _key)
    for operation in ("DescribeKey", "DisableKeyRotation", "EnableKeyRotation", "GetKeyRotationStatus")
}
