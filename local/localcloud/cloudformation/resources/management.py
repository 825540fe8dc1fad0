"""Systems Manager, AWS Config, CloudWatch and its logs, and stacks in stacks."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import yaml
from botocore.exceptions import ClientError

from localcloud.cloudformation.resources.base import (
    Properties,
    ResourceType,
    arn,
    call,
    retag,
    retag_arn,
    tag_list,
    tag_map,
    without,
)


class Document(ResourceType):
    """A document. `UpdateMethod: NewVersion` makes a new default version; otherwise it is replaced."""

    name = "AWS::SSM::Document"
    name_property = "Name"
    tags = list
    longest_name = 128

    def create(self, name: str, properties: Properties) -> str:
        members = without(properties, "UpdateMethod", "Content", "Name")
        call("ssm", "create_document", Name=name, Content=_content(properties), **members)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        if without(before, "Tags", "UpdateMethod") != without(after, "Tags", "UpdateMethod"):
            version = self._new_version(physical_id, after)
            call("ssm", "update_document_default_version", Name=physical_id, DocumentVersion=version)
        _retag_managed("Document", physical_id, before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("ssm", "delete_document", Name=physical_id)

    def replaces(self, changed: set[str], after: Properties) -> bool:
        in_place = {"Tags", "UpdateMethod"} | (
            {"Attachments", "Content", "DocumentFormat", "Requires", "TargetType", "VersionName"}
            if after.get("UpdateMethod") == "NewVersion"
            else set()
        )
        return bool(changed - in_place)

    @staticmethod
    def _new_version(name: str, properties: Properties) -> str:
        """Return the version that has this content: a new one, or an older one that has it already."""
        content = _content(properties)
        try:
            answer = call(
                "ssm",
                "update_document",
                Name=name,
                Content=content,
                DocumentFormat=properties.get("DocumentFormat"),
                VersionName=properties.get("VersionName"),
                TargetType=properties.get("TargetType"),
                DocumentVersion="$LATEST",
            )
            return answer["DocumentDescription"]["DocumentVersion"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "DuplicateDocumentContent":
                raise
        for version in call("ssm", "list_document_versions", Name=name)["DocumentVersions"]:
            number = version["DocumentVersion"]
            known = call("ssm", "get_document", Name=name, DocumentVersion=number)["Content"]
            if _read(known, properties) == _read(content, properties):
                return number
        raise ValueError(f"{name} has no version with the content that it is said to have")


def _content(properties: Properties) -> str:
    content = properties["Content"]
    if isinstance(content, str):
        return content
    if properties.get("DocumentFormat") == "YAML":
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000)
    return json.dumps(content, ensure_ascii=False)


def _read(content: str, properties: Properties) -> Any:
    """Return what the content says, whichever format it is given out in."""
    return content if properties.get("DocumentFormat") == "TEXT" else yaml.safe_load(content)


def _retag_managed(kind: str, name: str, before: Properties, after: Properties) -> None:
    retag(
        before,
        after,
        lambda tags: call(
            "ssm", "add_tags_to_resource", ResourceType=kind, ResourceId=name, Tags=tag_list(tags)
        ),
        lambda keys: call(
            "ssm", "remove_tags_from_resource", ResourceType=kind, ResourceId=name, TagKeys=keys
        ),
    )


class Parameter(ResourceType):
    """A parameter of Parameter Store. An update writes the declared value again, whoever changed it since."""

    name = "AWS::SSM::Parameter"
    name_property = "Name"
    attributes: ClassVar = {
        "Type": lambda _, properties: properties["Type"],
        "Value": lambda _, properties: properties["Value"],
    }
    tags = dict

    def create(self, name: str, properties: Properties) -> str:
        if properties.get("Type") == "SecureString":
            raise ValueError("SecureString is not a type that a template can create")
        tags = tag_list(properties.get("Tags"))
        call("ssm", "put_parameter", **{**properties, "Name": name, "Tags": tags})
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        members = {**without(after, "Tags"), "Name": physical_id}
        call("ssm", "put_parameter", **members, Overwrite=True)
        _retag_managed("Parameter", physical_id, before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("ssm", "delete_parameter", Name=physical_id)


class ConfigRule(ResourceType):
    """A rule of AWS Config; what it says of resources is for whoever uses the local cloud to decide."""

    name = "AWS::Config::ConfigRule"
    name_property = "ConfigRuleName"
    attributes: ClassVar = {
        "Arn": lambda name, _: _rule(name)["ConfigRuleArn"],
        "ConfigRuleId": lambda name, _: _rule(name)["ConfigRuleId"],
    }
    longest_name = 128

    def create(self, name: str, properties: Properties) -> str:
        call("config", "put_config_rule", ConfigRule={**properties, "ConfigRuleName": name})
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        self.create(physical_id, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("config", "delete_config_rule", ConfigRuleName=physical_id)


def _rule(name: str) -> dict[str, Any]:
    return call("config", "describe_config_rules", ConfigRuleNames=[name])["ConfigRules"][0]


class Alarm(ResourceType):
    """An alarm."""

    name = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"
    attributes: ClassVar = {"Arn": lambda name, _: arn("cloudwatch", f"alarm:{name}")}
    tags = list

    def create(self, name: str, properties: Properties) -> str:
        call("cloudwatch", "put_metric_alarm", **{**properties, "AlarmName": name})
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        call("cloudwatch", "put_metric_alarm", **{**without(after, "Tags"), "AlarmName": physical_id})
        alarm = self.attribute("Arn", physical_id, after)
        retag_arn("cloudwatch", alarm, before, after, "ResourceARN")

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("cloudwatch", "delete_alarms", AlarmNames=[physical_id])


class Dashboard(ResourceType):
    """A dashboard."""

    name = "AWS::CloudWatch::Dashboard"
    name_property = "DashboardName"

    def create(self, name: str, properties: Properties) -> str:
        answer = call("cloudwatch", "put_dashboard", **{**properties, "DashboardName": name})
        if messages := answer.get("DashboardValidationMessages"):
            raise ValueError(f"the body is not valid: {messages}")
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        self.create(physical_id, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("cloudwatch", "delete_dashboards", DashboardNames=[physical_id])


class LogGroup(ResourceType):
    """A log group."""

    name = "AWS::Logs::LogGroup"
    name_property = "LogGroupName"
    replaced_by = frozenset({"LogGroupClass"})
    attributes: ClassVar = {"Arn": lambda name, _: arn("logs", f"log-group:{name}:*")}
    tags = list
    longest_name = 512

    def create(self, name: str, properties: Properties) -> str:
        call(
            "logs",
            "create_log_group",
            logGroupName=name,
            kmsKeyId=properties.get("KmsKeyId"),
            tags=tag_map(properties.get("Tags")) or None,
            logGroupClass=properties.get("LogGroupClass"),
        )
        self._retain(name, properties)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        self._retain(physical_id, after)
        if key := after.get("KmsKeyId"):
            call("logs", "associate_kms_key", logGroupName=physical_id, kmsKeyId=key)
        elif before.get("KmsKeyId"):
            call("logs", "disassociate_kms_key", logGroupName=physical_id)
        group = arn("logs", f"log-group:{physical_id}")
        retag(
            before,
            after,
            lambda tags: call("logs", "tag_resource", resourceArn=group, tags=tags),
            lambda keys: call("logs", "untag_resource", resourceArn=group, tagKeys=keys),
        )

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("logs", "delete_log_group", logGroupName=physical_id)

    @staticmethod
    def _retain(name: str, properties: Properties) -> None:
        if days := properties.get("RetentionInDays"):
            call("logs", "put_retention_policy", logGroupName=name, retentionInDays=days)
        else:
            call("logs", "delete_retention_policy", logGroupName=name)


class MetricFilter(ResourceType):
    """A filter that makes metrics of log lines."""

    name = "AWS::Logs::MetricFilter"
    name_property = "FilterName"
    replaced_by = frozenset({"LogGroupName"})
    longest_name = 512

    def create(self, name: str, properties: Properties) -> str:
        call(
            "logs",
            "put_metric_filter",
            logGroupName=properties["LogGroupName"],
            filterName=name,
            filterPattern=properties["FilterPattern"],
            metricTransformations=[
                _transformation(transformation) for transformation in properties["MetricTransformations"]
            ],
        )
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        # moto would keep the old pattern beside the new one.
        self.delete(physical_id, before)
        self.create(physical_id, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        group = properties["LogGroupName"]
        call("logs", "delete_metric_filter", logGroupName=group, filterName=physical_id)


def _transformation(properties: Properties) -> Properties:
    members = {name[:1].lower() + name[1:]: value for name, value in properties.items()}
    if "dimensions" in members:
        members["dimensions"] = {d["Key"]: d["Value"] for d in members["dimensions"]}
    return members


class NestedStack(ResourceType):
    """A stack of its own, from a template in S3."""

    name = "AWS::CloudFormation::Stack"
    replaced_by = frozenset({"TimeoutInMinutes"})
    tags = list
    longest_name = 128

    def create(self, name: str, properties: Properties) -> str:
        stack = call("cloudformation", "create_stack", StackName=name, **_request(properties))["StackId"]
        _check_stack(stack, "CREATE_COMPLETE")
        return stack

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        try:
            request = without(_request(after), "TimeoutInMinutes")
            call("cloudformation", "update_stack", StackName=physical_id, **request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
        _check_stack(physical_id, "CREATE_COMPLETE", "UPDATE_COMPLETE")

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("cloudformation", "delete_stack", StackName=physical_id)
        _check_stack(physical_id, "DELETE_COMPLETE")

    def check_attribute(self, logical_id: str, attribute: str) -> None:
        if not attribute.startswith("Outputs."):
            super().check_attribute(logical_id, attribute)

    def attribute(self, attribute: str, physical_id: str, properties: Properties) -> Any:
        key = attribute.removeprefix("Outputs.")
        for output in _stack(physical_id).get("Outputs", []):
            if output["OutputKey"] == key:
                return output["OutputValue"]
        raise ValueError(f"the nested stack has no output {key}")


def _request(properties: Properties) -> Properties:
    parameters = properties.get("Parameters", {}).items()
    return {
        **properties,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters],
        "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }


def _stack(stack_id: str) -> dict[str, Any]:
    return call("cloudformation", "describe_stacks", StackName=stack_id)["Stacks"][0]


def _check_stack(stack_id: str, *statuses: str) -> None:
    stack = _stack(stack_id)
    if stack["StackStatus"] not in statuses:
        raise ValueError(f"Embedded stack {stack_id} was not successfully created, updated or deleted")


TYPES = (Document, Parameter, ConfigRule, Alarm, Dashboard, LogGroup, MetricFilter, NestedStack)
