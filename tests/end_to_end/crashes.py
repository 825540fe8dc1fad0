"""Kills a function's process right after one of its API calls, before it gets the answer."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.core.responses import BaseResponse


@dataclass(frozen=True)
class Crash:
    """After which call of which function: its so-manieth of an operation since the last crash."""

    function: str
    operation: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.function} after {self.operation} {self.nth}"


@dataclass
class Crashes:
    """The planned crashes, by the group that the process works on when it dies."""

    planned: dict[str, list[Crash]] = field(default_factory=dict)
    happened: dict[str, list[Crash]] = field(default_factory=dict)
    _processes: dict[str, tuple[str, subprocess.Popen[bytes]]] = field(default_factory=dict)
    _working_on: dict[str, str] = field(default_factory=dict)
    _calls: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Watch processes as they start, and API calls as they are answered."""
        crashes, call_action = self, BaseResponse.call_action

        class Popen(subprocess.Popen):  # type: ignore[type-arg]
            def __init__(self, *args: Any, env: dict[str, str] | None = None, **kwargs: Any):
                super().__init__(*args, env=env, **kwargs)
                if env and "AWS_LAMBDA_FUNCTION_NAME" in env:
                    # Each process has credentials of its own, so its calls tell it from the others.
                    crashes._processes[env["AWS_ACCESS_KEY_ID"]] = (env["AWS_LAMBDA_FUNCTION_NAME"], self)

        def answered(response: BaseResponse) -> Any:
            answer = call_action(response)
            if response.access_key in crashes._processes:
                crashes._after_call(response, answer[2])
            return answer

        monkeypatch.setattr(subprocess, "Popen", Popen)
        monkeypatch.setattr(BaseResponse, "call_action", answered)

    def _after_call(self, response: BaseResponse, answer: str | bytes) -> None:
        name, process = self._processes[response.access_key]
        texts = [response.normalized_request.data, answer.encode() if isinstance(answer, str) else answer]
        operation = response._get_action()
        with self._lock:
            # Not every call names the group; one that does not goes on with the last one's.
            for group_id in self.planned:
                if any(group_id.encode() in text for text in texts):
                    self._working_on[response.access_key] = group_id
            group_id = self._working_on.get(response.access_key)
            if not group_id or not self.planned[group_id]:
                return
            crash = self.planned[group_id][0]
            calls = self._calls.setdefault(group_id, Counter())
            calls[name, operation] += 1
            if not name.endswith(crash.function) or operation != crash.operation:
                return
            if calls[name, operation] != crash.nth:
                return
            calls.clear()
            self.planned[group_id].pop(0)
        # Known before the end of the invocation is, which is what others wait for.
        self.happened.setdefault(group_id, []).append(crash)
        process.kill()
        process.wait()
