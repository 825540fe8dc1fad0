"""DynamoDB and S3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from localcloud.cloudformation.resources.base import (
    Properties,
    ResourceType,
    arn,
    by_name,
    call,
    retag_arn,
    tag_list,
    tag_map,
    without,
)
from localcloud.settings import PARTITION, REGION


class Table(ResourceType):
    """A DynamoDB table with its indexes."""

    name = "AWS::DynamoDB::Table"
    name_property = "TableName"
    replaced_by = frozenset({"KeySchema", "LocalSecondaryIndexes"})
    attributes: ClassVar = {
        "Arn": lambda name, _: arn("dynamodb", f"table/{name}"),
        "StreamArn": lambda name, _: call("dynamodb", "describe_table", TableName=name)["Table"][
            "LatestStreamArn"
        ],
    }
    tags = list

    def create(self, name: str, properties: Properties) -> str:
        elsewhere = ("TimeToLiveSpecification", "PointInTimeRecoverySpecification", "StreamSpecification")
        members = without(properties, *elsewhere, "SSESpecification", "TableName")
        call(
            "dynamodb",
            "create_table",
            TableName=name,
            SSESpecification=_encryption(properties),
            StreamSpecification=_stream(properties),
            **members,
        )
        self._set(name, {}, properties)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        direct = ("BillingMode", "ProvisionedThroughput", "DeletionProtectionEnabled", "TableClass")
        changes: Properties = {
            name: after.get(name, False if name == "DeletionProtectionEnabled" else None)
            for name in direct
            if after.get(name) != before.get(name)
        }
        for member, of in (("SSESpecification", _encryption), ("StreamSpecification", _stream)):
            if of(after) != of(before):
                changes[member] = of(after) or {"Enabled" if of is _encryption else "StreamEnabled": False}
        if changes:
            call("dynamodb", "update_table", TableName=physical_id, **changes)
        self._set_indexes(physical_id, before, after)
        self._set(physical_id, before, after)
        table = self.attribute("Arn", physical_id, after)
        retag_arn("dynamodb", table, before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("dynamodb", "delete_table", TableName=physical_id)

    @staticmethod
    def _set(table: str, before: Properties, after: Properties) -> None:
        for member, operation in (
            ("TimeToLiveSpecification", "update_time_to_live"),
            ("PointInTimeRecoverySpecification", "update_continuous_backups"),
        ):
            specification = after.get(member)
            if specification and specification != before.get(member):
                call("dynamodb", operation, TableName=table, **{member: specification})

    @staticmethod
    def _set_indexes(table: str, before: Properties, after: Properties) -> None:
        """Remove and add indexes one at a time, as the API wants it."""
        old, new = (by_name(p.get("GlobalSecondaryIndexes"), "IndexName") for p in (before, after))
        definitions = after["AttributeDefinitions"]
        for name in (name for name in old if old[name] != new.get(name)):
            _change_index(table, definitions, {"Delete": {"IndexName": name}})
        for name in (name for name in new if new[name] != old.get(name)):
            _change_index(table, definitions, {"Create": new[name]})


def _change_index(table: str, definitions: Any, change: dict[str, Any]) -> None:
    call(
        "dynamodb",
        "update_table",
        TableName=table,
        AttributeDefinitions=definitions,
        GlobalSecondaryIndexUpdates=[change],
    )


def _encryption(properties: Properties) -> Properties | None:
    specification = properties.get("SSESpecification")
    if not specification:
        return None
    return {**without(specification, "SSEEnabled"), "Enabled": specification.get("SSEEnabled", True)}


def _stream(properties: Properties) -> Properties | None:
    specification = properties.get("StreamSpecification")
    return {"StreamEnabled": True, **specification} if specification else None


class Bucket(ResourceType):
    """A bucket."""

    name = "AWS::S3::Bucket"
    name_property = "BucketName"
    replaced_by = frozenset({"ObjectLockEnabled"})
    attributes: ClassVar = {
        "Arn": lambda name, _: f"arn:{PARTITION}:s3:::{name}",
        "DomainName": lambda name, _: f"{name}.s3.amazonaws.com",
        "RegionalDomainName": lambda name, _: f"{name}.s3.{REGION}.amazonaws.com",
    }
    tags = list
    longest_name = 63
    lower_case_name = True

    def create(self, name: str, properties: Properties) -> str:
        call(
            "s3",
            "create_bucket",
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=properties.get("ObjectLockEnabled"),
        )
        self.update(name, {}, properties)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        unknown = after.keys() - _BUCKET_SETTINGS.keys() - {"BucketName", "ObjectLockEnabled", "Tags"}
        if unknown:
            raise ValueError(f"the local cloud does not set {', '.join(sorted(unknown))} of a bucket")
        for name, (put, member, remove) in _BUCKET_SETTINGS.items():
            value = after.get(name)
            if value == before.get(name):
                continue
            if value is not None:
                call("s3", put, Bucket=physical_id, **{member: _AS_API.get(name, _same)(value)})
            elif remove:
                call("s3", remove, Bucket=physical_id)
        tags = tag_map(after.get("Tags"))
        if tags != tag_map(before.get("Tags")):
            if tags:
                call("s3", "put_bucket_tagging", Bucket=physical_id, Tagging={"TagSet": tag_list(tags)})
            else:
                call("s3", "delete_bucket_tagging", Bucket=physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("s3", "delete_bucket", Bucket=physical_id)


_BUCKET_SETTINGS: dict[str, tuple[str, str, str | None]] = {
    "BucketEncryption": (
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        "delete_bucket_encryption",
    ),
    "LifecycleConfiguration": (
        "put_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        "delete_bucket_lifecycle",
    ),
    "LoggingConfiguration": ("put_bucket_logging", "BucketLoggingStatus", None),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        "OwnershipControls",
        "delete_bucket_ownership_controls",
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        "delete_public_access_block",
    ),
    "VersioningConfiguration": ("put_bucket_versioning", "VersioningConfiguration", None),
}


def _same(value: Any) -> Any:
    return value


def _encryption_rules(value: Properties) -> Properties:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        default = rule.get("ServerSideEncryptionByDefault")
        rules.append(
            {
                "ApplyServerSideEncryptionByDefault": default,
                "BucketKeyEnabled": rule.get("BucketKeyEnabled"),
            }
        )
    return {"Rules": rules}


def _lifecycle_rules(value: Properties) -> Properties:
    """Return the rules in the API's words, which are other than the template's."""
    rules = []
    for rule in value["Rules"]:
        days = rule.get("ExpirationInDays")
        rules.append(
            {
                "ID": rule.get("Id"),
                "Status": rule["Status"],
                "Filter": {"Prefix": rule.get("Prefix", "")},
                "Expiration": {"Days": days} if days else None,
                "NoncurrentVersionExpiration": rule.get("NoncurrentVersionExpiration"),
                "AbortIncompleteMultipartUpload": rule.get("AbortIncompleteMultipartUpload"),
                **without(rule, *_LIFECYCLE_WORDS),
            }
        )
    return {"Rules": rules}


_LIFECYCLE_WORDS = (
    "Id",
    "Status",
    "Prefix",
    "ExpirationInDays",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
)


def _logging(value: Properties) -> Properties:
    target = {
        "TargetBucket": value["DestinationBucketName"],
        "TargetPrefix": value.get("LogFilePrefix", ""),
    }
    return {"LoggingEnabled": target}


_AS_API: dict[str, Callable[[Any], Any]] = {
    "BucketEncryption": _encryption_rules,
    "LifecycleConfiguration": _lifecycle_rules,
    "LoggingConfiguration": _logging,
}


class BucketPolicy(ResourceType):
    """The policy of a bucket."""

    name = "AWS::S3::BucketPolicy"
    replaced_by = frozenset({"Bucket"})

    def create(self, name: str, properties: Properties) -> str:
        bucket = properties["Bucket"]
        call("s3", "put_bucket_policy", Bucket=bucket, Policy=properties["PolicyDocument"])
        return bucket

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        self.create("", after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("s3", "delete_bucket_policy", Bucket=physical_id)


TYPES = (Table, Bucket, BucketPolicy)
