"""From exec to the first request for work, against the least of a Runtime API."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from .process import Cores, peak_memory

READY = b"GET /2018-06-01/runtime/invocation/next "
PATIENCE_SECONDS = 10.0


class DidNotStart(Exception):
    """A function asked for no work."""


@dataclass(frozen=True)
class Start:
    """How a function is started, except for the address of the Runtime API."""

    binary: Path
    environment: dict[str, str]


@dataclass
class Starts:
    """What the starts of one binary took."""

    milliseconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """Peak resident memory when it was ready, in MiB."""


def start_all(functions: list[Start], runs: int, cores: Cores) -> list[Starts]:
    """Start every function so many times, in turns: what disturbs the machine disturbs all of them."""
    starts = [Starts() for _ in functions]
    with socket.create_server(("127.0.0.1", 0)) as api:
        api.settimeout(PATIENCE_SECONDS)
        for function in functions:
            _start(function, api, cores, Starts())  # reads it from the disk
        for _ in range(runs):
            for function, seen in zip(functions, starts, strict=True):
                _start(function, api, cores, seen)
    return starts


def _start(function: Start, api: socket.socket, cores: Cores, seen: Starts) -> None:
    host, port = api.getsockname()
    environment = function.environment | {"AWS_LAMBDA_RUNTIME_API": f"{host}:{port}"}
    binary = function.binary
    cores.give(0)
    began = time.perf_counter()
    pid = os.posix_spawn(binary, [binary.name], environment)
    cores.take_back()
    try:
        connection, _ = api.accept()
        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            request = connection.recv(4096)
            took = time.perf_counter() - began
            if not request.startswith(READY):
                raise DidNotStart(f"{binary} first asked for {request[:80]!r}, not for work.")
            seen.milliseconds.append(took * 1_000)
            seen.memory.append(peak_memory(pid))
    except TimeoutError:
        raise DidNotStart(
            f"{binary} asked for no work within {PATIENCE_SECONDS:.0f} s; what it says about that is above."
        ) from None
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
