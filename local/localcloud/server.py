"""The server: moto and its extensions on one port of 127.0.0.1, and the control API beside them."""

from __future__ import annotations

import importlib
import os
import socket
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

from moto.moto_api._internal import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from localcloud import background, clock, control, faults, journal, scheduler
from localcloud.calls import ANSWER_IS_LOST, create_app
from localcloud.config import record_evaluation
from localcloud.faults import Fault
from localcloud.functions import stop_all as stop_functions
from localcloud.settings import ACCOUNT_ID, settings

HOST = "127.0.0.1"

EXTENSIONS = (
    "localcloud.alarms",
    "localcloud.buckets",
    "localcloud.calls",
    "localcloud.changecalendar",
    "localcloud.clients",
    "localcloud.cloudformation",
    "localcloud.config",
    "localcloud.dynamodb",
    "localcloud.events",
    "localcloud.functions",
    "localcloud.notifications",
    "localcloud.once",
    "localcloud.opscenter",
    "localcloud.automation",
    "localcloud.parameters",
    "localcloud.permissions",
    "localcloud.scheduler",
    "localcloud.tagging",
)


class PortInUse(Exception):
    """Something else listens on the port."""


@cache
def install_extensions() -> None:
    """Patch moto, once per process."""
    for name in EXTENSIONS:
        importlib.import_module(name).install()


class LocalCloud:
    """A running local cloud, with nothing in it at first. Used as a context manager, it stops at the end."""

    def __init__(
        self,
        port: int = 0,
        binaries: Path | str = settings.binaries,
        wait_scale: float = 1.0,
        concurrency: int = settings.concurrency,
    ):
        self._port = port
        self._binaries = Path(binaries)
        self._wait_scale = wait_scale
        self._concurrency = concurrency
        self._server: BaseWSGIServer | None = None

    def start(self) -> LocalCloud:
        """Listen, with an empty account. Port 0 takes any free one."""
        _stand_apart()
        install_extensions()
        listener = _listener(self._port)
        self.port = listener.getsockname()[1]
        self.endpoint_url = f"http://{HOST}:{self.port}"
        settings.endpoint_url = self.endpoint_url
        settings.binaries = self._binaries
        settings.wait_scale = self._wait_scale
        settings.concurrency = self._concurrency
        moto_api_backend.reset()
        journal.clear()
        faults.clear()
        background.start()
        application = _application(DomainDispatcherApplication(create_app))
        self._server = make_server(
            HOST, self.port, application, threaded=True, request_handler=_RequestHandler, fd=listener.fileno()
        )
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._listener = listener
        return self

    def stop(self) -> None:
        """Stop listening, drop what is still waiting, and end all function processes."""
        background.stop()
        stop_functions()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._listener.close()
            self._server = None
        clock.reset()

    def inject(self, kind: str, service: str = "*", operation: str = "*", **options: Any) -> Fault:
        """Let calls go wrong until the fault, a context manager, is left: see `localcloud.faults.Fault`."""
        return faults.inject(kind, service, operation, **options)

    def forward(self, by: timedelta) -> datetime:
        """Move the clock of the cloud and of everything that it runs: see `localcloud.clock`."""
        return clock.forward(by)

    def fire_schedule(self, name: str) -> None:
        """Fire a schedule, or a rule with a schedule, now: see `localcloud.scheduler.fire`."""
        scheduler.fire(name)

    def record_evaluation(
        self,
        rule: str,
        resource_type: str,
        resource_id: str,
        compliance_type: str,
        at: datetime | None = None,
        annotation: str | None = None,
    ) -> None:
        """Let a Config rule have found something without an event."""
        record_evaluation(rule, resource_type, resource_id, compliance_type, at, annotation)

    def __enter__(self) -> LocalCloud:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _stand_apart() -> None:
    """Read nothing of the person's own AWS configuration, and reach this machine through no proxy."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "MOTO_ACCOUNT_ID": ACCOUNT_ID,
        "NO_PROXY": HOST,
        "no_proxy": HOST,
    }


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortInUse(f"Port {port} of {HOST} cannot be used: {error.strerror}.") from None
    listener.listen(512)
    return listener


class _RequestHandler(MotoRequestHandler):
    def log_request(self, *_: object) -> None:
        """Say nothing: the journal has every call."""

    def connection_dropped(self, *_: object) -> None:
        self.close_connection = True


def _application(moto: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Hand `/_local/…` to the control API and everything else to moto."""

    def application(environ: dict[str, Any], start_response: control.StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_local/"):
            return control.answer(environ, start_response)
        answer = moto(environ, start_response)
        if environ.get(ANSWER_IS_LOST):
            raise ConnectionAbortedError("A fault was asked for: the answer is lost.")
        return answer

    return application
