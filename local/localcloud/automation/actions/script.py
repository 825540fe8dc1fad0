"""``aws:executeScript``: run a Python script in a process of its own, with the role's credentials."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud import clock
from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.failures import StepFailure
from localcloud.automation.interpolation import texts

RUNTIMES = ("python3.10", "python3.11", "python3.12")

LARGEST_PAYLOAD = 100 * 1024
LONGEST_LIST = 100

POLL_SECONDS = 0.1

SCRIPT_HOST = Path(__file__).with_name("script_host.py")


class ExecuteScript(Action):
    """``aws:executeScript`` for Python; the local cloud's interpreter runs it, whichever runtime it names."""

    required = frozenset({"Runtime", "Handler", "Script"})
    optional = frozenset({"InputPayload"})
    outputs = frozenset({"Payload", "OutputPayload"})
    declares_outputs = True
    default_timeout = 600

    def problems(self, inputs: dict[str, Any]) -> Iterator[str]:
        """Refuse other runtimes, attachments, and scripts that would not compile."""
        yield from super().problems(inputs)
        if inputs.get("Runtime") not in RUNTIMES:
            runtime = inputs.get("Runtime")
            yield f"the Runtime {runtime!r} is not supported locally; it has {', '.join(RUNTIMES)}"
        script = inputs.get("Script", "")
        if any("{{" in text for text in texts(script)):
            yield "Script holds {{, the beginning of a reference; hand values in through InputPayload"
        try:
            compile(script, "Script", "exec")
        except (SyntaxError, TypeError, ValueError) as error:
            yield f"Script is not Python: {error}"

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Run the handler and return what it returned as ``Payload``."""
        request = {name: inputs.get(name) for name in ("Script", "Handler", "InputPayload")}
        output, log = _run_process(json.dumps(request), context)
        outcome = (
            json.loads(output) if output else {"error": f"The script ended its process. Its output: {log}"}
        )
        if "error" in outcome:
            raise StepFailure(outcome["error"])
        _check_size(outcome["payload"], output)
        payload = {"Payload": outcome["payload"], "ExecutionLog": log}
        return Result(payload=payload, outputs={"Payload": outcome["payload"], "OutputPayload": payload})


def _run_process(request: str, context: StepContext) -> tuple[str, str]:
    """Return the host's answer and everything that the script printed."""
    with tempfile.TemporaryDirectory(prefix="automation-script-") as folder:
        process = subprocess.Popen(
            # -I and -S halve the interpreter's start; the host finds boto3 by the path it is given.
            [sys.executable, "-I", "-S", str(SCRIPT_HOST), sysconfig.get_path("purelib")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={
                "PATH": os.defpath,
                "HOME": folder,
                "TMPDIR": folder,
                "LANG": "C.UTF-8",
                **clock.environment(),
                **context.role.environment,
            },
            start_new_session=True,
        )
        try:
            sent: str | None = request
            while True:
                try:
                    return process.communicate(sent, timeout=min(POLL_SECONDS, context.remaining()))
                except subprocess.TimeoutExpired:
                    sent = None
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End the script and whatever it started, and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _check_size(payload: Any, output: str) -> None:
    if len(output.encode()) > LARGEST_PAYLOAD:
        raise StepFailure("The script returned more than 100 KB, which AWS would cut off")
    if isinstance(payload, list) and len(payload) > LONGEST_LIST:
        raise StepFailure(f"The script returned {len(payload)} items; AWS would cut them to {LONGEST_LIST}")
