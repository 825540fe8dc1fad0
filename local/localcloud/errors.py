"""Service errors as AWS answers them, with the extra members that the service model gives some of them."""

from typing import Any

from moto.core.exceptions import ServiceException


class ServiceError(ServiceException):
    """An error of a service, such as ``OpsItemAlreadyExistsException`` with its ``OpsItemId``.

    It lives outside moto's packages because moto guesses the service of an exception from its module.
    """

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(code, message)
        self.members = members
        self.__dict__.update(members)


def unsupported(what: str, code: str = "ValidationException") -> ServiceError:
    """Refuse something that AWS can do and the local cloud cannot, instead of skipping it silently."""
    return ServiceError(code, f"The local cloud does not support {what}.")
