"""The policies of topics, queues, buses and keys, which say for themselves who may reach them."""

from __future__ import annotations

import json
from typing import Any

from moto.events.models import events_backends
from moto.kms.models import kms_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from localcloud.settings import ACCOUNT_ID


def policy_of(arn: str) -> str | None:
    """Return the policy of a resource, if it has one and is of a kind that is looked at here."""
    if not arn.startswith("arn:"):
        return None
    _, _, service, region, _, name = arn.split(":", 5)
    last = name.rpartition("/")[2]
    resource: Any = None
    match service:
        case "sns":
            resource = sns_backends[ACCOUNT_ID][region].topics.get(arn)
        case "sqs":
            resource = sqs_backends[ACCOUNT_ID][region].queues.get(name)
        case "events":
            resource = events_backends[ACCOUNT_ID][region].event_buses.get(last)
        case "kms":
            resource = kms_backends[ACCOUNT_ID][region].keys.get(last)
    policy = resource.policy if resource else None
    # moto keeps what it was given: a text, or what CloudFormation has in its place.
    return json.dumps(policy) if isinstance(policy, dict) else policy
