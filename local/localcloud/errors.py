"""Service errors as AWS answers them, with the extra members that the service model gives some of them."""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.utils import get_service_model

DENIED = {
    "ec2": "UnauthorizedOperation",
    "resourcegroupstaggingapi": "AccessDeniedException",
    "sns": "AuthorizationError",
    "sqs": "AccessDenied",
}
THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "ec2": "RequestLimitExceeded",
    "lambda": "TooManyRequestsException",
    "resourcegroupstaggingapi": "ThrottledException",
    "s3": "SlowDown",
    "sqs": "RequestThrottled",
}
INVALID = {
    "ec2": "InvalidParameterValue",
    "resourcegroupstaggingapi": "InvalidParameterException",
    "s3": "InvalidArgument",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
}
FAILED = {
    "dynamodb": "InternalServerError",
    "ec2": "InternalError",
    "events": "InternalException",
    "kms": "KMSInternalException",
    "lambda": "ServiceException",
    "logs": "ServiceUnavailableException",
    "resourcegroupstaggingapi": "InternalServiceException",
    "s3": "InternalError",
    "scheduler": "InternalServerException",
    "secretsmanager": "InternalServiceError",
    "sns": "InternalError",
    "ssm": "InternalServerError",
}


class ServiceError(ServiceException):
    """An error of a service, such as ``OpsItemAlreadyExistsException`` with its ``OpsItemId``.

    It lives outside moto's packages because moto guesses the service of an exception from its module.
    """

    status: int | None = None
    """The HTTP status, where it is not the one that the service model gives the error."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(code, message)
        self.members = members
        self.__dict__.update(members)


def unsupported(what: str, code: str = "ValidationException") -> ServiceError:
    """Refuse something that AWS can do and the local cloud cannot, instead of skipping it silently."""
    return ServiceError(code, f"The local cloud does not support {what}.")


def access_denied(service: str, message: str) -> ServiceError:
    """Return what the service answers to a caller whose policies do not allow the call."""
    error = ServiceError(_by_protocol(service, DENIED, "AccessDeniedException", "AccessDenied"), message)
    error.status = 400 if _speaks_json_rpc(service) else 403
    return error


def invalid_request(service: str, message: str) -> ServiceError:
    """Return what the service answers to a request that breaks its model."""
    return ServiceError(_by_protocol(service, INVALID, "ValidationException", "ValidationError"), message)


def throttled(service: str) -> ServiceError:
    """Return what the service answers to a caller that calls too often."""
    error = ServiceError(
        _by_protocol(service, THROTTLED, "ThrottlingException", "Throttling"), "Rate exceeded"
    )
    error.status = {"ec2": 503, "s3": 503, "lambda": 429, "scheduler": 429, "sqs": 403}.get(service, 400)
    return error


def server_error(service: str) -> ServiceError:
    """Return what the service answers when it fails itself."""
    error = ServiceError(
        _by_protocol(service, FAILED, "InternalFailure", "InternalFailure"), "Internal failure"
    )
    error.status = 500
    return error


def _by_protocol(service: str, exceptions: dict[str, str], json: str, xml: str) -> str:
    return exceptions.get(service) or (json if "json" in _protocol(service) else xml)


def _speaks_json_rpc(service: str) -> bool:
    return _protocol(service) == "json" and service != "sqs"


def _protocol(service: str) -> str:
    return str(get_service_model(service).metadata["protocol"])
