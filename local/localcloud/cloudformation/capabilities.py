"""What a request must acknowledge before its template may be deployed."""

from __future__ import annotations

from localcloud.cloudformation.template import Content, declarations, transforms

IAM = "CAPABILITY_IAM"
NAMED_IAM = "CAPABILITY_NAMED_IAM"
AUTO_EXPAND = "CAPABILITY_AUTO_EXPAND"

_NAMES = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": None,
}
"""IAM's types, with the property that gives a name of one's own."""


def needed(content: Content) -> tuple[list[str], list[str]]:
    """Return the capabilities that the resources of a transformed template need, and which ones need them."""
    resources = [d for d in declarations(content).values() if d.type in _NAMES]
    if not resources:
        return [], []
    named = any((name := _NAMES[d.type]) and name in d.properties for d in resources)
    return [NAMED_IAM if named else IAM], sorted({d.type for d in resources})


def missing(content: Content, given: list[str]) -> list[str]:
    """Return the capabilities that a transformed template needs and the request does not name."""
    capabilities, _ = needed(content)
    return [c for c in capabilities if c not in given and not (c == IAM and NAMED_IAM in given)]


def missing_for_macros(original: Content, given: list[str]) -> list[str]:
    """Return what is missing for creating a stack from macros directly, without the look at a change set."""
    return [AUTO_EXPAND] if transforms(original) and AUTO_EXPAND not in given else []
