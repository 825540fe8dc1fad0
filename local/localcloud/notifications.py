"""Every message published to a topic, in the journal as its readers get it."""

from __future__ import annotations

import functools
import json
from typing import Any

from moto.sns.models import Topic

from localcloud import journal
from localcloud.errors import ServiceError


def install() -> None:
    """Wrap the publishing of a topic."""
    Topic.publish = _journaled(Topic.publish)


def _journaled(publish: Any) -> Any:
    @functools.wraps(publish)
    def journaled(self: Topic, message: str, *args: Any, **kwargs: Any) -> str:
        structured = kwargs.get("message_structure") == "json"
        if structured:
            _check_structure(message)
        message_id = publish(self, message, *args, **kwargs)
        attributes = kwargs.get("message_attributes") or {}
        journal.record(
            "notification",
            topic_arn=self.arn,
            message_id=message_id,
            subject=kwargs.get("subject"),
            message=json.loads(message) if structured else message,
            attributes={name: attribute.get("Value") for name, attribute in attributes.items()},
        )
        return message_id

    return journaled


def _check_structure(message: str) -> None:
    """Refuse what SNS refuses, which moto does only when somebody has subscribed."""
    try:
        by_protocol = json.loads(message)
    except ValueError:
        by_protocol = None
    if not isinstance(by_protocol, dict):
        raise ServiceError(
            "InvalidParameter", "Invalid parameter: Message Structure - JSON message body failed to parse"
        )
    if "default" not in by_protocol:
        raise ServiceError(
            "InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body"
        )
