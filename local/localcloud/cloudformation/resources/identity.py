"""IAM and KMS."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.cloudformation.resources.base import (
    Properties,
    ResourceType,
    arn,
    by_name,
    call,
    retag,
    tag_list,
    tag_map,
    without,
)


class Role(ResourceType):
    """A role with its inline and managed policies."""

    name = "AWS::IAM::Role"
    name_property = "RoleName"
    replaced_by = frozenset({"Path"})
    attributes: ClassVar = {
        "Arn": lambda name, _: call("iam", "get_role", RoleName=name)["Role"]["Arn"],
        "RoleId": lambda name, _: call("iam", "get_role", RoleName=name)["Role"]["RoleId"],
    }
    tags = list
    longest_name = 64

    def create(self, name: str, properties: Properties) -> str:
        members = without(properties, "Policies", "ManagedPolicyArns", "RoleName")
        call("iam", "create_role", RoleName=name, **members)
        self._set_policies(name, {}, properties)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        call(
            "iam",
            "update_assume_role_policy",
            RoleName=physical_id,
            PolicyDocument=after["AssumeRolePolicyDocument"],
        )
        call(
            "iam",
            "update_role",
            RoleName=physical_id,
            Description=after.get("Description", ""),
            MaxSessionDuration=after.get("MaxSessionDuration", 3_600),
        )
        if boundary := after.get("PermissionsBoundary"):
            call("iam", "put_role_permissions_boundary", RoleName=physical_id, PermissionsBoundary=boundary)
        elif before.get("PermissionsBoundary"):
            call("iam", "delete_role_permissions_boundary", RoleName=physical_id)
        self._set_policies(physical_id, before, after)
        retag(
            before,
            after,
            lambda tags: call("iam", "tag_role", RoleName=physical_id, Tags=tag_list(tags)),
            lambda keys: call("iam", "untag_role", RoleName=physical_id, TagKeys=keys),
        )

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._set_policies(physical_id, properties, {})
        call("iam", "delete_role", RoleName=physical_id)

    @staticmethod
    def _set_policies(role: str, before: Properties, after: Properties) -> None:
        old, new = (by_name(properties.get("Policies"), "PolicyName") for properties in (before, after))
        for name in old.keys() - new.keys():
            call("iam", "delete_role_policy", RoleName=role, PolicyName=name)
        for policy in new.values():
            document = _versioned(policy["PolicyDocument"])
            call(
                "iam",
                "put_role_policy",
                RoleName=role,
                PolicyName=policy["PolicyName"],
                PolicyDocument=document,
            )
        attached, wanted = before.get("ManagedPolicyArns", []), after.get("ManagedPolicyArns", [])
        for policy_arn in set(attached) - set(wanted):
            call("iam", "detach_role_policy", RoleName=role, PolicyArn=policy_arn)
        for policy_arn in wanted:
            call("iam", "attach_role_policy", RoleName=role, PolicyArn=policy_arn)


def _versioned(document: Any) -> Any:
    """Return a policy with a version: moto insists on it, IAM does not."""
    return {"Version": "2012-10-17", **document} if isinstance(document, dict) else document


class Policy(ResourceType):
    """A policy inside of roles."""

    name = "AWS::IAM::Policy"
    name_property = "PolicyName"
    longest_name = 128

    def create(self, name: str, properties: Properties) -> str:
        for role in properties.get("Roles", []):
            call(
                "iam",
                "put_role_policy",
                RoleName=role,
                PolicyName=name,
                PolicyDocument=_versioned(properties["PolicyDocument"]),
            )
        if properties.get("Users") or properties.get("Groups"):
            raise ValueError("the local cloud has policies of this type in Roles only")
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        gone = set(before.get("Roles", [])) - set(after.get("Roles", []))
        self.delete(physical_id, {"Roles": gone})
        self.create(physical_id, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        for role in properties.get("Roles", []):
            call("iam", "delete_role_policy", RoleName=role, PolicyName=physical_id)


class ManagedPolicy(ResourceType):
    """A policy of its own, attached to roles."""

    name = "AWS::IAM::ManagedPolicy"
    name_property = "ManagedPolicyName"
    replaced_by = frozenset({"Path", "Description"})
    attributes: ClassVar = {"PolicyArn": lambda policy, _: policy}
    longest_name = 128

    def create(self, name: str, properties: Properties) -> str:
        members = without(properties, "Roles", "Users", "Groups", "ManagedPolicyName")
        policy = call("iam", "create_policy", PolicyName=name, **members)["Policy"]["Arn"]
        self._attach(policy, {}, properties)
        return policy

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        if before["PolicyDocument"] != after["PolicyDocument"]:
            call(
                "iam",
                "create_policy_version",
                PolicyArn=physical_id,
                PolicyDocument=after["PolicyDocument"],
                SetAsDefault=True,
            )
            self._forget_old_versions(physical_id)
        self._attach(physical_id, before, after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._attach(physical_id, properties, {})
        self._forget_old_versions(physical_id)
        call("iam", "delete_policy", PolicyArn=physical_id)

    @staticmethod
    def _attach(policy: str, before: Properties, after: Properties) -> None:
        if after.get("Users") or after.get("Groups"):
            raise ValueError("the local cloud attaches policies of this type to Roles only")
        old, new = set(before.get("Roles", [])), set(after.get("Roles", []))
        for role in old - new:
            call("iam", "detach_role_policy", RoleName=role, PolicyArn=policy)
        for role in new - old:
            call("iam", "attach_role_policy", RoleName=role, PolicyArn=policy)

    @staticmethod
    def _forget_old_versions(policy: str) -> None:
        for version in call("iam", "list_policy_versions", PolicyArn=policy)["Versions"]:
            if not version["IsDefaultVersion"]:
                call("iam", "delete_policy_version", PolicyArn=policy, VersionId=version["VersionId"])


class Key(ResourceType):
    """A KMS key."""

    name = "AWS::KMS::Key"
    replaced_by = frozenset({"KeySpec", "KeyUsage", "MultiRegion", "Origin"})
    attributes: ClassVar = {
        "Arn": lambda key, _: arn("kms", f"key/{key}"),
        "KeyId": lambda key, _: key,
    }
    tags = list

    def create(self, name: str, properties: Properties) -> str:
        elsewhere = ("KeyPolicy", "Tags", "EnableKeyRotation", "RotationPeriodInDays", "Enabled")
        key = call(
            "kms",
            "create_key",
            Policy=properties.get("KeyPolicy"),
            Tags=_key_tags(tag_map(properties.get("Tags"))),
            **without(properties, *elsewhere, "PendingWindowInDays"),
        )["KeyMetadata"]["KeyId"]
        self._set(key, {}, properties)
        return key

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        if after.get("KeyPolicy") != before.get("KeyPolicy"):
            call("kms", "put_key_policy", KeyId=physical_id, PolicyName="default", Policy=after["KeyPolicy"])
        if after.get("Description") != before.get("Description"):
            description = after.get("Description", "")
            call("kms", "update_key_description", KeyId=physical_id, Description=description)
        self._set(physical_id, before, after)
        retag(
            before,
            after,
            lambda tags: call("kms", "tag_resource", KeyId=physical_id, Tags=_key_tags(tags)),
            lambda keys: call("kms", "untag_resource", KeyId=physical_id, TagKeys=keys),
        )

    def delete(self, physical_id: str, properties: Properties) -> None:
        days = properties.get("PendingWindowInDays", 30)
        call("kms", "schedule_key_deletion", KeyId=physical_id, PendingWindowInDays=days)

    @staticmethod
    def _set(key: str, before: Properties, after: Properties) -> None:
        rotates, rotated = (_flag(p, "EnableKeyRotation", False) for p in (after, before))
        if rotates:
            call(
                "kms",
                "enable_key_rotation",
                KeyId=key,
                RotationPeriodInDays=after.get("RotationPeriodInDays"),
            )
        elif rotated:
            call("kms", "disable_key_rotation", KeyId=key)
        enabled, was_enabled = (_flag(p, "Enabled", True) for p in (after, before))
        if enabled != was_enabled:
            call("kms", "enable_key" if enabled else "disable_key", KeyId=key)


def _flag(properties: Properties, name: str, default: bool) -> bool:
    return str(properties.get(name, default)).lower() == "true"


def _key_tags(tags: dict[str, str]) -> list[dict[str, Any]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


class Alias(ResourceType):
    """Another name of a KMS key."""

    name = "AWS::KMS::Alias"
    name_property = "AliasName"

    def create(self, name: str, properties: Properties) -> str:
        call("kms", "create_alias", **properties)
        return name

    def update(self, physical_id: str, before: Properties, after: Properties) -> None:
        call("kms", "update_alias", **after)

    def delete(self, physical_id: str, properties: Properties) -> None:
        call("kms", "delete_alias", AliasName=physical_id)


TYPES = (Role, Policy, ManagedPolicy, Key, Alias)
