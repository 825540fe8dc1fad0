"""EC2: what describes has no resources."""

from __future__ import annotations

from collections.abc import Iterator

from localcloud.permissions.actions.operation import Place, Request, Requirements, on_anything, tags
from localcloud.permissions.policies import Check


def _change_of_inbound_rules(action: str) -> Requirements:
    """IAM knows the group; the rules, too, where they are named or get tags."""

    def requirements(request: Request, place: Place) -> Iterator[Check]:
        yield Check.of(action, place.arn("ec2", f"security-group/{request['GroupId']}"))
        for specification in request.get("TagSpecifications", []):
            new_rules = place.arn("ec2", "security-group-rule/*")
            given = tags(specification["Tags"])
            yield Check.of(action, new_rules, **given)
            yield Check.of("ec2:CreateTags", new_rules, **given)

    return requirements


OPERATIONS = {
    "AuthorizeSecurityGroupIngress": _change_of_inbound_rules("ec2:AuthorizeSecurityGroupIngress"),
    "DescribeSecurityGroupRules": on_anything("ec2:DescribeSecurityGroupRules"),
    "DescribeSecurityGroups": on_anything("ec2:DescribeSecurityGroups"),
    "DisableEbsEncryptionByDefault": on_anything("ec2:DisableEbsEncryptionByDefault"),
    "EnableEbsEncryptionByDefault": on_anything("ec2:EnableEbsEncryptionByDefault"),
    "GetEbsEncryptionByDefault": on_anything("ec2:GetEbsEncryptionByDefault"),
    "RevokeSecurityGroupIngress": _change_of_inbound_rules("ec2:RevokeSecurityGroupIngress"),
}
