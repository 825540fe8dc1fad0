"""Parameter Store where moto's differs: what it refuses, its pages, and the event that follows a change."""

from __future__ import annotations

import functools
import re
import threading
from typing import Any

from moto.ssm.models import Parameter, SimpleSystemManagerBackend

from localcloud.errors import ServiceError
from localcloud.events import emit
from localcloud.paging import UnknownToken, page

DEEPEST = 15
LONGEST_VALUES = {"Standard": 4_096, "Advanced": 8_192}
_NAME = re.compile(r"[a-zA-Z0-9_.-]+|(/[a-zA-Z0-9_.-]+)+")

_changing = threading.RLock()
"""A put that must not overwrite is made by one of all who try at once, not by some."""


def install() -> None:
    """Wrap what changes parameters, and page as AWS does."""
    backend = SimpleSystemManagerBackend
    backend.put_parameter = _put(backend.put_parameter)
    backend.delete_parameter = _delete(backend.delete_parameter)
    backend.delete_parameters = _delete_some(backend.delete_parameters)
    backend.label_parameter_version = _label(backend.label_parameter_version)
    backend.get_parameters_by_path = _checking_path(backend.get_parameters_by_path)
    backend._get_values_nexttoken = _page


def _put(original: Any) -> Any:
    @functools.wraps(original)
    def put_parameter(
        self: SimpleSystemManagerBackend,
        name: str,
        description: str | None,
        value: str,
        parameter_type: str | None,
        allowed_pattern: str | None,
        *args: Any,
        **kwargs: Any,
    ) -> Parameter:
        with _changing:
            known = _current(self, name)
            _check_name(name)
            _check_value(value, kwargs.get("tier") or (known.tier if known else None))
            _check_pattern(value, allowed_pattern or (known.allowed_pattern if known else None))
            if known and parameter_type and parameter_type != known.parameter_type:
                _refuse(
                    "HierarchyTypeMismatchException",
                    f"The parameter {name} is of type {known.parameter_type} and cannot become a"
                    f" {parameter_type}.",
                )
            parameter = original(
                self, name, description, value, parameter_type, allowed_pattern, *args, **kwargs
            )
            _tell(self, "Update" if known else "Create", parameter)
            return parameter

    return put_parameter


def _delete(original: Any) -> Any:
    @functools.wraps(original)
    def delete_parameter(self: SimpleSystemManagerBackend, name: str) -> None:
        with _changing:
            known = _current(self, name)
            original(self, name)
            if known:
                _tell(self, "Delete", known)

    return delete_parameter


def _delete_some(original: Any) -> Any:
    @functools.wraps(original)
    def delete_parameters(self: SimpleSystemManagerBackend, names: list[str]) -> list[str]:
        with _changing:
            known = {name: _current(self, name) for name in names}
            deleted = original(self, names)
            for name in deleted:
                _tell(self, "Delete", known[name])
            return deleted

    return delete_parameters


def _label(original: Any) -> Any:
    @functools.wraps(original)
    def label_parameter_version(
        self: SimpleSystemManagerBackend, name: str, version: int, labels: list[str]
    ) -> tuple[list[str], int]:
        answer = original(self, name, version, labels)
        _tell(self, "LabelParameterVersion", self._parameters[name][-1])
        return answer

    return label_parameter_version


def _checking_path(original: Any) -> Any:
    @functools.wraps(original)
    def get_parameters_by_path(
        self: SimpleSystemManagerBackend, path: str, *args: Any, **kwargs: Any
    ) -> tuple[list[Parameter], str | None]:
        if not path.startswith("/"):
            _refuse("ValidationException", f"The path {path} does not begin with a forward slash.")
        return original(self, path, *args, **kwargs)

    return get_parameters_by_path


def _page(
    self: SimpleSystemManagerBackend, values_list: list[Parameter], max_results: int, token: str | None = None
) -> tuple[list[Parameter], str | None]:
    try:
        return page(values_list, {"MaxResults": int(max_results), "NextToken": token})
    except UnknownToken as error:
        raise ServiceError("InvalidNextToken", f"The token {error} is not valid.") from error


def _current(backend: SimpleSystemManagerBackend, name: str) -> Parameter | None:
    versions = backend._parameters.get(backend._parameters.normalize_name(name))
    return versions[-1] if versions else None


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        _refuse(
            "ValidationException",
            f"Parameter name {name}: it begins with a slash if it has one, and each of its levels is formed"
            " of letters, numbers and the 3 symbols .-_",
        )
    if name.count("/") > DEEPEST:
        _refuse("HierarchyLevelLimitExceededException", f"{name} has more than {DEEPEST} levels.")


def _check_value(value: str, tier: str | None) -> None:
    if re.search(r"\{\{.*\}\}", value or ""):
        _refuse(
            "ValidationException",
            'Parameter value: can\'t nest another parameter. Do not use "{{}}" in the value.',
        )
    longest = LONGEST_VALUES.get(tier or "Standard", max(LONGEST_VALUES.values()))
    if len((value or "").encode()) > longest:
        _refuse("ValidationException", f"{tier or 'Standard'} parameters hold at most {longest} characters.")


def _check_pattern(value: str, pattern: str | None) -> None:
    if pattern and not re.search(pattern, value):
        _refuse(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def _refuse(code: str, message: str) -> None:
    raise ServiceError(code, message)


def _tell(backend: SimpleSystemManagerBackend, operation: str, parameter: Parameter) -> None:
    detail = {"operation": operation, "name": parameter.name, "type": parameter.parameter_type}
    if parameter.description:
        detail["description"] = parameter.description
    arn = f"{backend.ssm_prefix}/{parameter.name.removeprefix('/')}"
    emit("Parameter Store Change", "aws.ssm", detail, [arn])
