"""SNS, SQS, EventBridge and its Scheduler."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from localcloud.cloudformation.resources.base import (
    Properties,
    ResourceType,
    arn,
    by_name,
    call,
    retag,
    retag_arn,
    tag_list,
    tag_map,
    without,
)
from localcloud.cloudformation.values import text
from localcloud.settings import ACCOUNT_ID


def _set_attributes(operation: str, old: dict[str, str], new: dict[str, str], **of: str) -> None:
    """Set what differs between the attributes of a topic or a subscription."""
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            call("sns", operation, **of, AttributeName=name, AttributeValue=new.get(name, ""))


def _attributes(properties: Properties) -> dict[str, str]:
    """Return properties as the attributes of SNS and SQS: all of them text."""
    return {
        name: json.dumps(value) if isinstance(value, dict | list) else text(value)
        for name, value in properties.items()
    }


class Topic(ResourceType):
    """A topic, with the subscriptions that stand in it."""

    name = "AWS::SNS::Topic"
    name_property = "TopicName"
    replaced_by = frozenset({"FifoTopic"})
    attributes: ClassVar = {
        "TopicArn": lambda topic, _: topic,
        "TopicName": lambda topic, _: topic.rsplit(":", 1)[-1],
    }
    tags = list

    def create(self, name: str, properties: Properties) -> str:
        topic = call(
            "sns",
            "create_topic",
            Name=name,
            Attributes=self._settings(properties),
            Tags=tag_list(properties.get("Tags")),
        )["TopicArn"]
        for subscription in properties.get("Subscription", []):
            call("sns", "subscribe", TopicArn=topic, **subscription)
        return topic

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        old, new = self._settings(before), self._settings(after)
        _set_attributes("set_topic_attributes", old, new, TopicArn=physical_id)
        wanted = after.get("Subscription", [])
        known = before.get("Subscription", [])
        for subscription in (s for s in wanted if s not in known):
            call("sns", "subscribe", TopicArn=physical_id, **subscription)
        if gone := {s["Endpoint"] for s in known if s not in wanted}:
            subscriptions = call("sns", "list_subscriptions_by_topic", TopicArn=physical_id)["Subscriptions"]
            for subscription in (s for s in subscriptions if s["Endpoint"] in gone):
                call("sns", "unsubscribe", SubscriptionArn=subscription["SubscriptionArn"])
        retag_arn("sns", physical_id, before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("sns", "delete_topic", TopicArn=physical_id)

    @staticmethod
    def _settings(properties: Properties) -> dict[str, str]:
        return _attributes(without(properties, "TopicName", "Tags", "Subscription"))


class TopicPolicy(ResourceType):
    """The policy of topics; without it they have the policy that AWS gives a new topic."""

    name = "AWS::SNS::TopicPolicy"

    def create(self, name: str, properties: Properties) -> str:
        for topic in properties["Topics"]:
            self._put(topic, properties["PolicyDocument"])
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        for topic in set(before["Topics"]) - set(after["Topics"]):
            self._put(topic, _owners_policy(topic))
        self.create(physical_id, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        for topic in properties["Topics"]:
            self._put(topic, _owners_policy(topic))

    @staticmethod
    def _put(topic: str, policy: Any) -> None:
        call(
            "sns",
            "set_topic_attributes",
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=policy,
        )


def _owners_policy(topic: str) -> dict[str, Any]:
    return {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:GetTopicAttributes"],
                "Resource": topic,
                "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT_ID}},
            }
        ],
    }


class Subscription(ResourceType):
    """A topic's subscription; e-mail stays with the journal."""

    name = "AWS::SNS::Subscription"
    replaced_by = frozenset({"TopicArn", "Protocol", "Endpoint"})
    attributes: ClassVar = {"Arn": lambda subscription, _: subscription}

    def create(self, name: str, properties: Properties) -> str:
        members = {key: properties[key] for key in self.replaced_by if key in properties}
        answer = call(
            "sns",
            "subscribe",
            **members,
            Attributes=self._settings(properties),
            ReturnSubscriptionArn=True,
        )
        return answer["SubscriptionArn"]

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        old, new = self._settings(before), self._settings(after)
        _set_attributes("set_subscription_attributes", old, new, SubscriptionArn=physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("sns", "unsubscribe", SubscriptionArn=physical_id)

    def _settings(self, properties: Properties) -> dict[str, str]:
        return _attributes(without(properties, *self.replaced_by, "Region"))


class Queue(ResourceType):
    """A queue."""

    name = "AWS::SQS::Queue"
    name_property = "QueueName"
    replaced_by = frozenset({"FifoQueue"})
    attributes: ClassVar = {
        "Arn": lambda url, _: arn("sqs", url.rsplit("/", 1)[-1]),
        "QueueName": lambda url, _: url.rsplit("/", 1)[-1],
        "QueueUrl": lambda url, _: url,
    }
    tags = list
    longest_name = 80

    def create(self, name: str, properties: Properties) -> str:
        return call(
            "sqs",
            "create_queue",
            QueueName=name,
            Attributes=self._settings(properties),
            tags=tag_map(properties.get("Tags")),
        )["QueueUrl"]

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        new = self._settings(after)
        gone = {name: "" for name in self._settings(before) if name not in new}
        call("sqs", "set_queue_attributes", QueueUrl=physical_id, Attributes={**gone, **new})
        retag(
            before,
            after,
            lambda tags: call("sqs", "tag_queue", QueueUrl=physical_id, Tags=tags),
            lambda keys: call("sqs", "untag_queue", QueueUrl=physical_id, TagKeys=keys),
        )

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("sqs", "delete_queue", QueueUrl=physical_id)

    @staticmethod
    def _settings(properties: Properties) -> dict[str, str]:
        return _attributes(without(properties, "QueueName", "Tags"))


class QueuePolicy(ResourceType):
    """The policy of queues."""

    name = "AWS::SQS::QueuePolicy"

    def create(self, name: str, properties: Properties) -> str:
        for queue in properties["Queues"]:
            self._put(queue, json.dumps(properties["PolicyDocument"]))
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        for queue in set(before["Queues"]) - set(after["Queues"]):
            self._put(queue, "")
        self.create(physical_id, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        for queue in properties["Queues"]:
            self._put(queue, "")

    @staticmethod
    def _put(queue: str, policy: str) -> None:
        call("sqs", "set_queue_attributes", QueueUrl=queue, Attributes={"Policy": policy})


class EventBus(ResourceType):
    """A bus."""

    name = "AWS::Events::EventBus"
    name_property = "Name"
    attributes: ClassVar = {
        "Arn": lambda name, _: arn("events", f"event-bus/{name}"),
        "Name": lambda name, _: name,
    }
    tags = list

    def create(self, name: str, properties: Properties) -> str:
        call("events", "create_event_bus", **{**without(properties, "Policy"), "Name": name})
        if policy := properties.get("Policy"):
            call("events", "put_permission", EventBusName=name, Policy=policy)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        call("events", "update_event_bus", **{**without(after, "Policy", "Tags"), "Name": physical_id})
        if (policy := after.get("Policy")) != before.get("Policy"):
            call("events", "put_permission", EventBusName=physical_id, Policy=policy)
        _retag_event_resource(self.attribute("Arn", physical_id, after), before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("events", "delete_event_bus", Name=physical_id)


def _retag_event_resource(resource: str, before: Properties, after: Properties) -> None:
    retag_arn("events", resource, before, after, "ResourceARN")


class EventBusPolicy(ResourceType):
    """One statement in the policy of a bus."""

    name = "AWS::Events::EventBusPolicy"
    replaced_by = frozenset({"EventBusName", "StatementId"})

    def create(self, name: str, properties: Properties) -> str:
        bus, statement_id = properties.get("EventBusName", "default"), properties["StatementId"]
        if "Statement" in properties:
            policy = json.loads(
                call("events", "describe_event_bus", Name=bus).get("Policy") or '{"Version": "2012-10-17"}'
            )
            others = [s for s in policy.get("Statement", []) if s.get("Sid") != statement_id]
            policy["Statement"] = [*others, {"Sid": statement_id, **properties["Statement"]}]
            call("events", "put_permission", EventBusName=bus, Policy=policy)
        else:
            call("events", "put_permission", **{**properties, "EventBusName": bus})
        return f"{bus}|{statement_id}"

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        self.create("", after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        bus, statement_id = physical_id.split("|")
        call("events", "remove_permission", EventBusName=bus, StatementId=statement_id)


class Rule(ResourceType):
    """A rule with its targets."""

    name = "AWS::Events::Rule"
    name_property = "Name"
    replaced_by = frozenset({"EventBusName"})
    attributes: ClassVar = {"Arn": lambda rule, _: arn("events", f"rule/{rule.replace('|', '/')}")}
    tags = list
    longest_name = 64

    def create(self, name: str, properties: Properties) -> str:
        bus = properties.get("EventBusName", "default").rsplit("/", 1)[-1]
        physical_id = name if bus == "default" else f"{bus}|{name}"
        self._put(physical_id, properties)
        return physical_id

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        self._put(physical_id, after)
        wanted = by_name(after.get("Targets"), "Id")
        if gone := [name for name in by_name(before.get("Targets"), "Id") if name not in wanted]:
            call("events", "remove_targets", **self._place(physical_id), Ids=gone)
        _retag_event_resource(self.attribute("Arn", physical_id, after), before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        place = self._place(physical_id)
        if ids := list(by_name(properties.get("Targets"), "Id")):
            call("events", "remove_targets", **place, Ids=ids)
        call("events", "delete_rule", Name=place["Rule"], EventBusName=place["EventBusName"])

    def _put(self, physical_id: str, properties: Properties) -> None:
        place = self._place(physical_id)
        rule = {**without(properties, "Targets"), "Name": place["Rule"]}
        call("events", "put_rule", **{**rule, "EventBusName": place["EventBusName"]})
        if targets := properties.get("Targets"):
            answer = call("events", "put_targets", **place, Targets=targets)
            if failed := answer.get("FailedEntries"):
                raise ValueError(f"targets were refused: {failed}")

    @staticmethod
    def _place(physical_id: str) -> dict[str, str]:
        bus, _, name = physical_id.rpartition("|")
        return {"Rule": name, "EventBusName": bus or "default"}


class Schedule(ResourceType):
    """A schedule of EventBridge Scheduler."""

    name = "AWS::Scheduler::Schedule"
    name_property = "Name"
    replaced_by = frozenset({"GroupName"})
    attributes: ClassVar = {
        "Arn": lambda name, p: arn("scheduler", f"schedule/{p.get('GroupName', 'default')}/{name}")
    }
    longest_name = 64

    def create(self, name: str, properties: Properties) -> str:
        call("scheduler", "create_schedule", **{**properties, "Name": name})
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        call("scheduler", "update_schedule", **{**after, "Name": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("scheduler", "delete_schedule", Name=physical_id, GroupName=properties.get("GroupName"))


class ScheduleGroup(ResourceType):
    """A group of schedules; it goes with all that are in it."""

    name = "AWS::Scheduler::ScheduleGroup"
    name_property = "Name"
    attributes: ClassVar = {"Arn": lambda name, _: arn("scheduler", f"schedule-group/{name}")}
    tags = list
    longest_name = 64

    def create(self, name: str, properties: Properties) -> str:
        call("scheduler", "create_schedule_group", **{**properties, "Name": name})
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        group = self.attribute("Arn", physical_id, after)
        retag_arn("scheduler", group, before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("scheduler", "delete_schedule_group", Name=physical_id)


TYPES = (
    Topic,
    TopicPolicy,
    Subscription,
    Queue,
    QueuePolicy,
    EventBus,
    EventBusPolicy,
    Rule,
    Schedule,
    ScheduleGroup,
)
