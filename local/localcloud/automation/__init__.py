"""Systems Manager Automation: runbooks of schema 0.3, run step by step against the local cloud."""

import atexit
import functools
import json
from typing import Any

from moto.ssm import models
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.automation import executor, versions
from localcloud.automation.behaviour import behaviour
from localcloud.automation.documents import read
from localcloud.automation.executions import abandon_all, executions_of
from localcloud.automation.operations import OPERATIONS
from localcloud.automation.signals import send_automation_signal
from localcloud.automation.stand_ins import PLATFORMS, StandIn, stand_ins

__all__ = ["install", "stop"]


def install() -> None:
    """Give moto's Systems Manager its Automation."""
    for method in (*OPERATIONS, send_automation_signal):
        setattr(SimpleSystemManagerResponse, method.__name__, method)
    models.Document.__init__ = _reading_runbooks(models.Document.__init__)
    versions.install()
    backend = models.SimpleSystemManagerBackend
    backend.__init__ = _having_stand_ins(backend.__init__)
    backend.reset = _abandoning(backend.reset)
    backend._validate_resource_type_and_id = _knowing_executions(backend._validate_resource_type_and_id)
    atexit.register(stop)


def stop() -> None:
    """End all executions and the scripts that they run."""
    abandon_all()
    executor.wait_for_threads(seconds=2)


def _reading_runbooks(original: Any) -> Any:
    """Refuse runbooks that cannot run, and describe documents as the service model wants them."""

    @functools.wraps(original)
    def __init__(self: models.Document, *args: Any, content: Any, **kwargs: Any) -> None:  # noqa: N807
        if isinstance(content, dict):
            content, kwargs["document_format"] = json.dumps(content), "JSON"
        original(self, *args, content=content, **kwargs)
        self.platform_types = PLATFORMS
        if self.document_type == "Automation" and not isinstance(self, StandIn):
            self.runbook = read(self.content_json)

    return __init__


def _having_stand_ins(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(self: models.SimpleSystemManagerBackend, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        self._documents |= {stand_in.name: models.Documents(stand_in) for stand_in in stand_ins()}

    return __init__


def _abandoning(original: Any) -> Any:
    @functools.wraps(original)
    def reset(self: models.SimpleSystemManagerBackend) -> None:
        executions_of(self).abandon()
        behaviour.reset()
        original(self)

    return reset


def _knowing_executions(original: Any) -> Any:
    @functools.wraps(original)
    def validate(self: models.SimpleSystemManagerBackend, resource_type: str, resource_id: str) -> str:
        if resource_type == "Automation" and executions_of(self).get(resource_id):
            return resource_id
        return original(self, resource_type, resource_id)

    return validate
