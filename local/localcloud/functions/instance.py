"""One instance of a function: a process of its binary, and the Runtime API that it asks for work."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import select
import signal
import subprocess
import threading
import time
import uuid
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from moto.awslambda.models import LambdaFunction

from localcloud.binaries import binary_of
from localcloud.functions.environment import process_environment

INIT_SECONDS = 10.0
API = "/2018-06-01/runtime"


@dataclass
class Outcome:
    """What came of an invocation: the function's answer, or the error that Lambda answers instead."""

    payload: bytes
    error: bool = False
    log: str = ""
    duration_ms: float = 0.0
    ended: float = field(default_factory=time.time)


@dataclass
class _Invocation:
    request_id: str
    payload: bytes
    answer: Future[Outcome] = field(default_factory=Future)
    taken: threading.Event = field(default_factory=threading.Event)
    deadline_ms: int = 0

    def settle(self, outcome: Outcome) -> bool:
        """Set the outcome unless there is one already."""
        with contextlib.suppress(InvalidStateError):
            self.answer.set_result(outcome)
            return True
        return False


class Instance:
    """Serves one invocation at a time, and stays warm for the next one as long as its process lives."""

    def __init__(self, function: LambdaFunction):
        self.function_arn = function.function_arn
        self._timeout = int(function.timeout)
        self._work: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._current: _Invocation | None = None
        self._init_error: Outcome | None = None
        self._log = bytearray()
        self._log_lock = threading.Lock()
        self._api = _RuntimeApi(self)
        log_reader, log_writer = os.pipe()
        os.set_blocking(log_reader, False)
        self._log_pipe: int | None = log_reader
        try:
            self._process = subprocess.Popen(
                [binary_of(function)],
                env=process_environment(function, self._api.address),
                cwd=binary_of(function).parent,
                stdin=subprocess.DEVNULL,
                stdout=log_writer,
                stderr=log_writer,
                start_new_session=True,
            )
        except OSError:
            os.close(log_reader)
            self._api.stop()
            raise
        finally:
            os.close(log_writer)
        self.alive = True
        threading.Thread(target=self._follow_log, daemon=True).start()
        threading.Thread(target=self._await_exit, daemon=True).start()

    def invoke(self, request_id: str, payload: bytes) -> Outcome:
        """Hand the payload to the process and return what comes of it; an instance that hangs is killed."""
        invocation = self._current = _Invocation(request_id, payload)
        if not self.alive:
            self._settle_exit(invocation)
        self._work.put(invocation)
        started = time.monotonic()
        if not invocation.taken.wait(INIT_SECONDS):
            self._time_out(invocation, INIT_SECONDS)
        elif not invocation.answer.done():
            started = time.monotonic()
            try:
                invocation.answer.result(self._timeout)
            except NoAnswer:
                self._time_out(invocation, self._timeout)
        outcome = invocation.answer.result()
        outcome.duration_ms = round((time.monotonic() - started) * 1_000, 1)
        outcome.log = self._take_log()
        self._current = None
        return outcome

    def kill(self) -> None:
        """End the process and everything it started."""
        self.alive = False
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def next_invocation(self) -> _Invocation | None:
        """Wait for work, on behalf of the process; None when the instance is at its end."""
        invocation = self._work.get()
        if invocation:
            invocation.deadline_ms = int((time.time() + self._timeout) * 1_000)
            invocation.taken.set()
        return invocation

    def answer(self, request_id: str, outcome: Outcome) -> bool:
        """Take the process's answer; false when nobody waits for it."""
        invocation = self._current
        return invocation is not None and invocation.request_id == request_id and invocation.settle(outcome)

    def fail_init(self, outcome: Outcome) -> None:
        """Remember why the process could not start; it ends now."""
        self._init_error = outcome

    def _time_out(self, invocation: _Invocation, seconds: float) -> None:
        message = f"RequestId: {invocation.request_id} Error: Task timed out after {seconds:.2f} seconds"
        invocation.settle(_error("Sandbox.Timedout", message))
        self.kill()

    def _await_exit(self) -> None:
        self._process.wait()
        self.alive = False
        if self._current:
            self._settle_exit(self._current)
        self._work.put(None)
        self._api.stop()

    def _settle_exit(self, invocation: _Invocation) -> None:
        status = self._process.wait()
        reason = f"signal: {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        ended = f"with error: {reason}" if status else "without providing a reason"
        message = f"RequestId: {invocation.request_id} Error: Runtime exited {ended}"
        invocation.settle(self._init_error or _error("Runtime.ExitError", message))
        invocation.taken.set()

    def _follow_log(self) -> None:
        """Empty the pipe as it fills, or the process would wait for that."""
        while True:
            select.select([self._log_pipe], [], [])
            with self._log_lock:
                if not self._drain_log():
                    os.close(self._log_pipe)
                    self._log_pipe = None
                    return

    def _take_log(self) -> str:
        with self._log_lock:
            # What the process wrote before it answered is in the pipe, even if nobody has read it yet.
            if self._log_pipe is not None:
                self._drain_log()
            log = self._log.decode(errors="replace")
            self._log.clear()
        return log

    def _drain_log(self) -> bool:
        """Read what the process has written up to now; false at the end of its output."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._log_pipe, 65_536):
                self._log += chunk
            return False
        return True


def _error(error_type: str, message: str) -> Outcome:
    return Outcome(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), error=True)


class _RuntimeApi(ThreadingMixIn, TCPServer):
    daemon_threads = True

    def __init__(self, instance: Instance):
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)
        self.instance = instance
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """Say nothing when a killed process leaves its connection behind."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _RuntimeApi

    def do_GET(self) -> None:
        if self.path != f"{API}/invocation/next":
            return self._reply(404)
        invocation = self.server.instance.next_invocation()
        if invocation is None:
            self.close_connection = True
            return None
        return self._reply(
            200,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": self.server.instance.function_arn,
                "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == f"{API}/init/error":
            self.server.instance.fail_init(Outcome(body, error=True))
            return self._reply(202)
        match = re.fullmatch(rf"{API}/invocation/([^/]+)/(response|error)", self.path)
        if not match:
            return self._reply(404)
        request_id, kind = match.groups()
        if self.server.instance.answer(request_id, Outcome(body, error=kind == "error")):
            return self._reply(202)
        return self._reply(400, b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}')

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the journal has every invocation."""
