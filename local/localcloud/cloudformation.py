"""Resource types that moto's CloudFormation lacks, and its refusal of types that nobody here knows.

moto skips an unknown type in silence. Here a type has its effect, or is recorded because it has none locally,
or fails the stack.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from moto.awslambda.models import lambda_backends
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Stack
from moto.config.models import config_backends
from moto.core.exceptions import ServiceException
from moto.events.models import EventBus, events_backends
from moto.iam.models import Role, iam_backends
from moto.scheduler.models import scheduler_backends
from moto.sns.models import Topic, sns_backends
from moto.sqs.models import Queue, sqs_backends

from localcloud.settings import ACCOUNT_ID, PARTITION, REGION, settings

Properties = dict[str, Any]


class Resource:
    """A resource of a stack, by the interface that moto expects of its own models."""

    type: ClassVar[str]
    name_property: ClassVar[str] = ""
    attributes: ClassVar[dict[str, str]] = {}
    """What `Fn::GetAtt` answers, with `{name}` for the physical name."""

    def __init__(self, name: str, properties: Properties):
        self.physical_resource_id = name
        self.properties = properties
        self.apply()

    def apply(self) -> None:
        """Give the resource its effect."""

    def remove(self) -> None:
        """Take its effect back."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Resource:
        return cls(resource_name, cloudformation_json["Properties"])

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Resource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Resource:
        original_resource.remove()
        return cls(new_resource_name, cloudformation_json["Properties"])

    def delete(self, account_id: str, region_name: str) -> None:
        self.remove()

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in cls.attributes

    def get_cfn_attribute(self, attribute_name: str) -> str:
        template = self.attributes.get(attribute_name)
        if template is None:
            raise ValidationError(
                message=f"The local cloud knows no attribute {attribute_name} of {self.type}."
            )
        return template.format(name=self.physical_resource_id)

    @staticmethod
    def is_created() -> bool:
        return True


class EventInvokeConfig(Resource):
    """Retries and destinations of a function's asynchronous invocations."""

    type = "AWS::Lambda::EventInvokeConfig"

    def apply(self) -> None:
        config = {key: v for key, v in self.properties.items() if key not in ("FunctionName", "Qualifier")}
        for key in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds"):
            if key in config:
                config[key] = int(config[key])
        backend = lambda_backends[ACCOUNT_ID][REGION]
        backend.put_function_event_invoke_config(self.properties["FunctionName"], config)


class Subscription(Resource):
    """A topic's subscription; e-mail stays with the journal."""

    type = "AWS::SNS::Subscription"

    def apply(self) -> None:
        backend = sns_backends[ACCOUNT_ID][REGION]
        p = self.properties
        subscription = backend.subscribe(p["TopicArn"], p["Endpoint"], p["Protocol"])
        self.physical_resource_id = subscription.arn
        for attribute in ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery"):
            if attribute in p:
                value = p[attribute] if isinstance(p[attribute], str) else json.dumps(p[attribute])
                backend.set_subscription_attributes(subscription.arn, attribute, value)

    def remove(self) -> None:
        sns_backends[ACCOUNT_ID][REGION].unsubscribe(self.physical_resource_id)


class TopicPolicy(Resource):
    type = "AWS::SNS::TopicPolicy"

    def apply(self) -> None:
        policy = json.dumps(self.properties["PolicyDocument"])
        for topic in self.properties["Topics"]:
            sns_backends[ACCOUNT_ID][REGION].set_topic_attribute(topic, "policy", policy)


class QueuePolicy(Resource):
    type = "AWS::SQS::QueuePolicy"

    def apply(self) -> None:
        policy = json.dumps(self.properties["PolicyDocument"])
        for url in self.properties["Queues"]:
            backend = sqs_backends[ACCOUNT_ID][REGION]
            backend.set_queue_attributes(url.rsplit("/", 1)[-1], {"Policy": policy})


class EventBusPolicy(Resource):
    """The bus shows it; who may put events is for the tests of the template to say."""

    type = "AWS::Events::EventBusPolicy"

    def apply(self) -> None:
        bus = events_backends[ACCOUNT_ID][REGION].describe_event_bus(
            self.properties.get("EventBusName", "default")
        )
        bus.add_policy(
            {"Statement": [{"Sid": self.properties["StatementId"], **self.properties["Statement"]}]}
        )


class ConfigRule(Resource):
    """AWS Config has it, and never evaluates it."""

    type = "AWS::Config::ConfigRule"
    name_property = "ConfigRuleName"
    attributes: ClassVar[dict[str, str]] = {"Arn": ""}

    def apply(self) -> None:
        rule = {**self.properties, "ConfigRuleName": self.physical_resource_id}
        if "InputParameters" in rule:
            rule["InputParameters"] = json.dumps(rule["InputParameters"])
        backend = config_backends[ACCOUNT_ID][REGION]
        backend.put_config_rule(rule)
        self._arn = backend.config_rules[self.physical_resource_id].config_rule_arn

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self._arn if attribute_name == "Arn" else super().get_cfn_attribute(attribute_name)

    def remove(self) -> None:
        config_backends[ACCOUNT_ID][REGION].delete_config_rule(self.physical_resource_id)


class Alarm(Resource):
    """Recorded: nothing here publishes the metrics that would raise it."""

    type = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"
    attributes: ClassVar[dict[str, str]] = {
        "Arn": f"arn:{PARTITION}:cloudwatch:{REGION}:{ACCOUNT_ID}:alarm:{{name}}"
    }


class Schedule(Resource):
    """EventBridge Scheduler has it."""

    type = "AWS::Scheduler::Schedule"
    name_property = "Name"

    def apply(self) -> None:
        p = self.properties
        scheduler_backends[ACCOUNT_ID][REGION].create_schedule(
            description=p.get("Description"),
            end_date=p.get("EndDate"),
            flexible_time_window=p["FlexibleTimeWindow"],
            group_name=p.get("GroupName"),
            kms_key_arn=p.get("KmsKeyArn"),
            name=self.physical_resource_id,
            schedule_expression=p["ScheduleExpression"],
            schedule_expression_timezone=p.get("ScheduleExpressionTimezone"),
            start_date=p.get("StartDate"),
            state=p.get("State"),
            target=p["Target"],
            action_after_completion=None,
        )

    def remove(self) -> None:
        backend = scheduler_backends[ACCOUNT_ID][REGION]
        backend.delete_schedule(self.properties.get("GroupName"), self.physical_resource_id)


class ResourceFailure(ServiceException):
    """A resource could not be created; the message names it, as that of CloudFormation's stack event does."""

    code = "ValidationError"


_TYPES: dict[str, type[Resource]] = {
    resource.type: resource
    for resource in (
        EventInvokeConfig,
        Subscription,
        TopicPolicy,
        QueuePolicy,
        EventBusPolicy,
        ConfigRule,
        Alarm,
        Schedule,
    )
}


def install() -> None:
    """Add our types to moto's, and correct what moto leaves out of its own."""
    moto_class_of = parsing.resource_class_from_type
    moto_name_property_of = parsing.resource_name_property_from_type
    moto_parse_resource = parsing.parse_resource

    def class_of(resource_type: str) -> Any:
        if resource_type in _TYPES:
            return _TYPES[resource_type]
        if resource_type not in parsing.get_model_map() and resource_type not in parsing.NULL_MODELS:
            raise ValidationError(
                message=f"The local cloud does not know the resource type {resource_type}: "
                "say in local/localcloud/cloudformation.py what it does there."
            )
        return moto_class_of(resource_type)

    def name_property_of(resource_type: str) -> str | None:
        if resource_type in _TYPES:
            return _TYPES[resource_type].name_property
        return moto_name_property_of(resource_type)

    def parse_resource(*args: Any) -> Any:
        resource_class, resource, resource_type = moto_parse_resource(*args)
        _adapt(resource_type, resource["Properties"])
        return resource_class, resource, resource_type

    EventBus.physical_resource_id = property(lambda self: self.name)
    Queue.physical_resource_id = property(lambda self: f"{settings.endpoint_url}/{ACCOUNT_ID}/{self.name}")
    Stack.stack_resources = property(_stack_resources)
    parsing.parse_resource = parse_resource
    parsing.parse_and_create_resource = _naming_what_fails(parsing.parse_and_create_resource)
    parsing.resource_class_from_type = class_of
    parsing.resource_name_property_from_type = name_property_of
    Role.create_from_cloudformation_json = classmethod(_with_managed_policies(Role))
    Topic.has_cfn_attr = classmethod(lambda cls, attr: attr in ("TopicName", "TopicArn"))
    Topic.get_cfn_attribute = lambda self, name: {"TopicName": self.name, "TopicArn": self.arn}[name]


def _naming_what_fails(create: Any) -> Any:
    """Other services' errors would reach the client in their own protocol, which it cannot read here."""

    def create_resource(logical_id: str, resource: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return create(logical_id, resource, *args, **kwargs)
        except ResourceFailure:
            raise
        except Exception as error:
            reason = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
            raise ResourceFailure(f"{logical_id} ({resource['Type']}): {reason}") from error

    return create_resource


def _stack_resources(stack: Stack) -> list[Any]:
    """Return what the stack has: moto lists what its conditions have left out, and stumbles over it."""
    return [resource for resource in stack.resource_map.values() if resource is not None]


def _adapt(resource_type: str, properties: Properties) -> None:
    """Write properties as moto's models expect them."""
    if resource_type == "AWS::KMS::Key" and "Tags" in properties:
        properties["Tags"] = [{"TagKey": t["Key"], "TagValue": t["Value"]} for t in properties["Tags"]]
    if resource_type == "AWS::SSM::Parameter" and "Tags" in properties:
        properties["Tags"] = [{"Key": key, "Value": value} for key, value in properties["Tags"].items()]


def _with_managed_policies(role_class: type[Role]) -> Any:
    moto_create = role_class.create_from_cloudformation_json.__func__

    def create(
        cls: type[Role], resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any
    ) -> Role:
        role = moto_create(cls, resource_name, cloudformation_json, *args, **kwargs)
        for arn in cloudformation_json["Properties"].get("ManagedPolicyArns", []):
            iam_backends[ACCOUNT_ID][PARTITION].attach_role_policy(arn, role.name)
        return role

    return create
