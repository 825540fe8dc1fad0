"""Handing a message to another service's resource, as EventBridge, Lambda and CloudWatch's alarms do it.

A fault whose caller is `events.amazonaws.com` hits EventBridge's deliveries: they come late, or twice. Those
of alarms are hit by `lambda.alarms.cloudwatch.amazonaws.com`.
"""

from __future__ import annotations

import json

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import lambda_backends
from moto.core.exceptions import JsonRESTError, ServiceException
from moto.events.models import events_backends
from moto.sns.exceptions import TopicNotFound
from moto.sns.models import sns_backends
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends

from localcloud import faults
from localcloud.faults import Fault
from localcloud.permissions.policies import Check
from localcloud.permissions.services import service_may
from localcloud.settings import ACCOUNT_ID, REGION

EVENTBRIDGE = "events.amazonaws.com"
ALARMS = "lambda.alarms.cloudwatch.amazonaws.com"
OPERATIONS = {
    "lambda": ("lambda", "Invoke"),
    "sqs": ("sqs", "SendMessage"),
    "sns": ("sns", "Publish"),
    "event-bus": ("events", "PutEvents"),
}
"""What a delivery is a call of."""


class Undeliverable(Exception):
    """The message cannot be handed over, and trying again will not help."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class AnswerLost(Exception):
    """The message was handed over, and the sender does not know it."""


def service_of(arn: str) -> str:
    """Return the service an ARN names, with the resource type where a service has several."""
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[-1]
    return "event-bus" if service == "events" and resource.startswith("event-bus/") else service


def is_dead_letter_queue(arn: str) -> bool:
    """Return whether EventBridge and the Scheduler take the queue for their dead letters: no FIFO queue."""
    return service_of(arn) == "sqs" and not arn.endswith(".fifo")


def send(
    arn: str,
    body: str,
    *,
    permitted_to: tuple[str, str] | None = None,
    attributes: dict[str, str] | None = None,
    group_id: str | None = None,
    forwarded: bool = False,
) -> None:
    """Hand the body to a function, queue, topic or bus.

    `permitted_to` is the service and the source ARN that the target's own policy has to let in; without it
    the sender acts under a role. `forwarded` says that the body is an event which a bus has sent already.
    """
    fault = _fault(arn, permitted_to[0]) if permitted_to else None
    if fault:
        fault.begin(OPERATIONS[service_of(arn)][0])
    try:
        match service_of(arn):
            case "lambda":
                _to_function(arn, body, permitted_to)
            case "sqs":
                _to_queue(arn, body, permitted_to, attributes or {}, group_id)
            case "sns":
                _to_topic(arn, body, permitted_to)
            case "event-bus":
                _to_bus(arn, body, forwarded)
            case service:
                raise NotImplementedError(f"The local cloud cannot send to {service}: {arn}")
    except ServiceException as error:
        # What a service refuses it will refuse again; it never asks EventBridge to come back.
        raise Undeliverable("SDK_CLIENT_ERROR", f"{error.code}: {error.message}") from error
    if fault and fault.kind == "lost-response":
        raise AnswerLost(f"{arn} did not answer")


def _fault(arn: str, sender: str) -> Fault | None:
    """Return the fault that the sender meets: one that means everybody is about API calls."""
    if not any(fault.caller == sender for fault in faults.active()):
        return None
    return faults.hitting(*OPERATIONS[service_of(arn)], sender)


def _to_function(arn: str, body: str, permitted_to: tuple[str, str] | None) -> None:
    from localcloud import functions

    try:
        function = lambda_backends[ACCOUNT_ID][REGION].get_function(arn)
    except UnknownFunctionException:
        raise _missing(arn) from None
    _check({"Statement": function.policy.statements}, "lambda:InvokeFunction", arn, permitted_to)
    try:
        json.loads(body)
    except ValueError as error:
        raise Undeliverable("INVALID_JSON", f"The input of {arn} is not JSON: {error}") from None
    functions.invoke_asynchronously(function, body)


def _to_queue(
    arn: str,
    body: str,
    permitted_to: tuple[str, str] | None,
    attributes: dict[str, str],
    group_id: str | None,
) -> None:
    backend = sqs_backends[ACCOUNT_ID][REGION]
    name = arn.rsplit(":", 1)[-1]
    try:
        queue = backend.get_queue(name)
    except QueueDoesNotExist:
        raise _missing(arn) from None
    _check(queue.policy, "sqs:SendMessage", arn, permitted_to)
    backend.send_message(
        name,
        body,
        message_attributes={
            key: {"DataType": "String", "StringValue": value} for key, value in attributes.items() if value
        },
        group_id=group_id,
    )


def _to_topic(arn: str, body: str, permitted_to: tuple[str, str] | None) -> None:
    backend = sns_backends[ACCOUNT_ID][REGION]
    try:
        topic = backend.get_topic(arn)
    except TopicNotFound:
        raise _missing(arn) from None
    _check(topic.policy, "sns:Publish", arn, permitted_to)
    backend.publish(body, arn=arn)


def _to_bus(arn: str, body: str, forwarded: bool) -> None:
    from localcloud.events.bus import publish

    name = arn.rsplit("/", 1)[-1]
    try:
        events_backends[ACCOUNT_ID][REGION].describe_event_bus(name)
    except JsonRESTError:
        raise _missing(arn) from None
    if forwarded:
        raise Undeliverable(
            "THIRD_ACCOUNT_HOP_DETECTED",
            "Events received from another event bus cannot be forwarded to this event bus.",
        )
    publish(json.loads(body), name, forwarded=True)


def _missing(arn: str) -> Undeliverable:
    return Undeliverable("NO_RESOURCE", f"The target {arn} does not exist.")


def _check(policy: str | dict | None, action: str, arn: str, permitted_to: tuple[str, str] | None) -> None:
    if permitted_to is None:
        return
    service, source = permitted_to
    account = None if service == EVENTBRIDGE else ACCOUNT_ID
    if not service_may(service, Check.of(action, arn), policy, source, account):
        raise Undeliverable(
            "NO_PERMISSIONS", f"The policy of {arn} does not allow {service} {action} from {source}."
        )
