"""CloudFormation's errors. (`model.operation` and moto find the code; the messages are AWS's.)"""

from localcloud.errors import ServiceError


class InvalidTemplate(ServiceError):
    """The template, its parameters or the request around them are not valid."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationError", message)


class InsufficientCapabilities(ServiceError):
    """The request does not acknowledge what the template may do."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(
            "InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]"
        )
