"""SQS: who sends to an encrypted queue uses its key."""

from __future__ import annotations

from collections.abc import Iterator

from moto.sqs.models import sqs_backends

from localcloud.permissions import encryption
from localcloud.permissions.actions.operation import Place, Request
from localcloud.permissions.policies import Check
from localcloud.settings import ACCOUNT_ID


def _send_message(request: Request, place: Place) -> Iterator[Check]:
    yield from sending(request["QueueUrl"].rsplit("/", 1)[-1], place)


def sending(name: str, place: Place) -> Iterator[Check]:
    """Yield what sending to the queue of this name needs."""
    yield Check.of("sqs:SendMessage", place.arn("sqs", name))
    queue = sqs_backends[ACCOUNT_ID][place.region].queues.get(name)
    key = queue.kms_master_key_id if queue else None
    yield from encryption.checks(key, "sqs", place, "kms:GenerateDataKey", "kms:Decrypt")


OPERATIONS = {"SendMessage": _send_message}
