"""SNS: who publishes to an encrypted topic uses its key."""

from __future__ import annotations

from collections.abc import Iterator

from moto.sns.models import sns_backends

from localcloud.permissions import encryption
from localcloud.permissions.actions.operation import Place, Request
from localcloud.permissions.policies import Check
from localcloud.settings import ACCOUNT_ID


def _publish(request: Request, place: Place) -> Iterator[Check]:
    yield from publishing(request.get("TopicArn") or request["TargetArn"], place)


def publishing(arn: str, place: Place) -> Iterator[Check]:
    """Yield what publishing to the topic needs."""
    yield Check.of("sns:Publish", arn)
    topic = sns_backends[ACCOUNT_ID][place.region].topics.get(arn)
    key = topic.kms_master_key_id if topic else None
    yield from encryption.checks(key, "sns", place, "kms:GenerateDataKey", "kms:Decrypt")


OPERATIONS = {"Publish": _publish}
