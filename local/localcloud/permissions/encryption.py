"""The calls to KMS that a service makes with the rights of its caller, when what it holds is encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from moto.kms.models import kms_backends

from localcloud.permissions.policies import Check
from localcloud.settings import ACCOUNT_ID

if TYPE_CHECKING:
    from localcloud.permissions.actions.operation import Place

AWS_OWNED = "alias/aws/"


def checks(key: str | None, service: str, place: Place, *actions: str) -> Iterator[Check]:
    """Yield what the caller needs of the key, if there is one and the account's own policies decide about it.

    Keys of AWS (`alias/aws/sns`) let in everybody of the account who comes through the service.
    """
    backend = kms_backends[ACCOUNT_ID][place.region]
    if not key or key.removeprefix("arn:").split(":")[-1].startswith(AWS_OWNED):
        return
    found = backend.keys.get(backend.any_id_to_key_id(key))
    if found is None or any(alias.startswith(AWS_OWNED) for alias in found.aliases):
        return
    for action in actions:
        yield Check.of(action, found.arn, kms__viaservice=f"{service}.{place.region}.amazonaws.com")
