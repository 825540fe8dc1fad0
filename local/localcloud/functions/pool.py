"""The instances of every function: warm ones are used again, and only so many run at once."""

from __future__ import annotations

import json
import threading
from typing import Any

from moto.awslambda.models import LambdaFunction

from localcloud import clock, journal
from localcloud.background import Stopped
from localcloud.binaries import binary_of
from localcloud.functions.instance import Instance, Outcome
from localcloud.settings import settings


class Throttled(Exception):
    """As many instances as the function may have are busy."""


class Pool:
    """The instances of one function."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._idle: list[tuple[Any, Instance]] = []
        self._busy: list[Instance | None] = []
        self._stopped = False

    def invoke(self, function: LambdaFunction, request_id: str, payload: bytes, *, wait: bool) -> Outcome:
        """Run the payload on a free instance. If there is none, wait for it or raise `Throttled`."""
        fingerprint = _fingerprint(function)
        instance = self._acquire(function, fingerprint, wait=wait)
        try:
            if instance is None:
                instance = self._start(function)
            outcome = instance.invoke(request_id, payload)
            if self._stopped:
                raise Stopped
            return outcome
        except OSError as error:
            return Outcome(_invalid_entrypoint(function, error), error=True)
        finally:
            self._release(instance, fingerprint)

    def stop(self) -> None:
        """End all processes."""
        with self._changed:
            self._stopped = True
            for instance in [*(instance for _, instance in self._idle), *self._busy]:
                if instance:
                    instance.kill()
            self._idle.clear()
            self._changed.notify_all()

    def _acquire(self, function: LambdaFunction, fingerprint: Any, *, wait: bool) -> Instance | None:
        """Take a place, and the warm instance that goes with it, if there is one."""
        with self._changed:
            limit = concurrency_limit(function)
            while len(self._busy) >= limit:
                if self._stopped:
                    raise Stopped
                if not wait or limit == 0:
                    raise Throttled(function.function_name)
                self._changed.wait()
            while self._idle:
                known, instance = self._idle.pop()
                if known == fingerprint and instance.alive:
                    self._busy.append(instance)
                    return instance
                instance.kill()
            self._busy.append(None)
            return None

    def _start(self, function: LambdaFunction) -> Instance:
        from localcloud.permissions.on_behalf import begin_logs_and_traces

        begin_logs_and_traces(function)
        instance = Instance(function)
        with self._changed:
            self._busy[self._busy.index(None)] = instance
            if self._stopped:
                instance.kill()
        return instance

    def _release(self, instance: Instance | None, fingerprint: Any) -> None:
        with self._changed:
            self._busy.remove(instance)
            if instance and instance.alive:
                self._idle.append((fingerprint, instance))
            self._changed.notify()


_pools: dict[str, Pool] = {}
_lock = threading.Lock()


def run(function: LambdaFunction, request_id: str, payload: bytes, *, attempt: int, wait: bool) -> Outcome:
    """Invoke the function once and write it into the journal."""
    with _lock:
        pool = _pools.setdefault(function.function_arn, Pool())
    outcome = pool.invoke(function, request_id, payload, wait=wait)
    journal.record(
        "invocation",
        function=function.function_name,
        request_id=request_id,
        attempt=attempt,
        ok=not outcome.error,
        payload=_readable(payload),
        response=_readable(outcome.payload),
        duration_ms=outcome.duration_ms,
        log=outcome.log,
    )
    return outcome


def stop_all() -> None:
    """End the processes of all functions."""
    with _lock:
        for pool in _pools.values():
            pool.stop()
        _pools.clear()


def concurrency_limit(function: LambdaFunction) -> int:
    """Return how many instances of the function may run at once."""
    reserved = function.reserved_concurrency
    return settings.concurrency if reserved is None else int(reserved)


def _fingerprint(function: LambdaFunction) -> Any:
    """Return what an instance depends on: another configuration, binary or clock needs a new process."""
    binary = binary_of(function)
    built = binary.stat().st_mtime_ns if binary.exists() else None
    variables = dict(function.environment_vars or {})
    return built, function.timeout, function.memory_size, function.role, variables, clock.environment()


def _invalid_entrypoint(function: LambdaFunction, error: OSError) -> bytes:
    message = (
        f"The binary {binary_of(function).resolve()} cannot be started ({error.strerror}); build it first."
    )
    return json.dumps({"errorType": "Runtime.InvalidEntrypoint", "errorMessage": message}).encode()


def _readable(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")
