"""What IAM is asked when an operation is called: which actions, on which resources.

A service's file has a function for each of its operations that functions and runbooks call. It yields the
checks of a request, in the order in which they are told when one fails. `tests/permissions/test_actions.py`
holds them against AWS's service authorization reference.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import boto3_service_name

from localcloud.permissions.actions import (
    awslambda,
    cloudwatch,
    config,
    dynamodb,
    ec2,
    events,
    kms,
    resourcegroupstaggingapi,
    s3,
    sns,
    sqs,
    ssm,
)
from localcloud.permissions.actions.operation import Place, Requirements
from localcloud.permissions.policies import Check

_SERVICES = (
    awslambda,
    cloudwatch,
    config,
    dynamodb,
    ec2,
    events,
    kms,
    resourcegroupstaggingapi,
    s3,
    sns,
    sqs,
    ssm,
)

OPERATIONS: dict[tuple[str, str], Requirements] = {
    (boto3_service_name.get(name, name), operation): requirements
    for module in _SERVICES
    for name in [module.__name__.rpartition(".")[2]]
    for operation, requirements in module.OPERATIONS.items()
}
"""By boto3's name of the service and the name of the operation."""


class UnknownOperation(Exception):
    """Nobody has written down what the operation needs."""


def checks_of(service: str, operation: str, request: dict[str, Any], place: Place) -> list[Check]:
    """Return what IAM is asked about a call."""
    requirements = OPERATIONS.get((service, operation))
    if requirements is None:
        raise UnknownOperation(
            f"The local cloud does not know which permissions {service}:{operation} needs. Say so in"
            " local/localcloud/permissions/actions/."
        )
    return list(dict.fromkeys(requirements(request, place)))
