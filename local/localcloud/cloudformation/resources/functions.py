"""Lambda: functions, who may invoke them, and how asynchronous invocations go."""

from typing import Any, ClassVar

from localcloud.cloudformation.resources.base import (
    Properties,
    Replaced,
    ResourceType,
    arn,
    call,
    retag,
    tag_map,
    without,
)

DEFAULTS: Properties = {"Description": "", "Environment": {"Variables": {}}, "MemorySize": 128, "Timeout": 3}


class Function(ResourceType):
    """A function; its code is an object in S3, as `sam package` or the local deployment put it there."""

    name = "AWS::Lambda::Function"
    name_property = "FunctionName"
    replaced_by = frozenset({"PackageType"})
    attributes: ClassVar = {"Arn": lambda name, _: arn("lambda", f"function:{name}")}
    tags = list
    longest_name = 64

    def create(self, name: str, properties: Properties) -> str:
        members = without(properties, "FunctionName", "Tags", "ReservedConcurrentExecutions", "KmsKeyArn")
        call(
            "lambda",
            "create_function",
            FunctionName=name,
            Tags=tag_map(properties.get("Tags")),
            KMSKeyArn=properties.get("KmsKeyArn"),
            **{**members, "Code": _code(properties)},
        )
        self._reserve(name, properties)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        if _code(before) != _code(after) or before.get("Architectures") != after.get("Architectures"):
            call(
                "lambda",
                "update_function_code",
                FunctionName=physical_id,
                Architectures=after.get("Architectures"),
                **_code(after),
            )
        elsewhere = ("Code", "Architectures", "FunctionName", "KmsKeyArn", "PackageType", "Tags")
        settings = without(after, *elsewhere, "ReservedConcurrentExecutions")
        call(
            "lambda",
            "update_function_configuration",
            FunctionName=physical_id,
            KMSKeyArn=after.get("KmsKeyArn"),
            **{**DEFAULTS, **settings},
        )
        if before.get("ReservedConcurrentExecutions") != after.get("ReservedConcurrentExecutions"):
            self._reserve(physical_id, after)
        resource = self.attribute("Arn", physical_id, after)
        retag(
            before,
            after,
            lambda tags: call("lambda", "tag_resource", Resource=resource, Tags=tags),
            lambda keys: call("lambda", "untag_resource", Resource=resource, TagKeys=keys),
        )

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("lambda", "delete_function", FunctionName=physical_id)

    @staticmethod
    def _reserve(name: str, properties: Properties) -> None:
        reserved = properties.get("ReservedConcurrentExecutions")
        if reserved is None:
            call("lambda", "delete_function_concurrency", FunctionName=name)
        else:
            call(
                "lambda",
                "put_function_concurrency",
                FunctionName=name,
                ReservedConcurrentExecutions=reserved,
            )


def _code(properties: Properties) -> dict[str, Any]:
    code = dict(properties["Code"])
    if isinstance(code.get("ZipFile"), str):
        code["ZipFile"] = code["ZipFile"].encode()
    return code


class Permission(Replaced):
    """A statement in a function's policy."""

    name = "AWS::Lambda::Permission"
    longest_name = 100

    def create(self, name: str, properties: Properties) -> str:
        call("lambda", "add_permission", StatementId=name, **properties)
        return name

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("lambda", "remove_permission", FunctionName=properties["FunctionName"], StatementId=physical_id)


class EventInvokeConfig(ResourceType):
    """Retries and destinations of a function's asynchronous invocations."""

    name = "AWS::Lambda::EventInvokeConfig"
    replaced_by = frozenset({"FunctionName", "Qualifier"})

    def create(self, name: str, properties: Properties) -> str:
        call("lambda", "put_function_event_invoke_config", **properties)
        return f"{properties['FunctionName']}|{properties['Qualifier']}"

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        call("lambda", "put_function_event_invoke_config", **after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("lambda", "delete_function_event_invoke_config", FunctionName=properties["FunctionName"])


TYPES = (Function, Permission, EventInvokeConfig)
