"""`python -m localcloud`: starts the local cloud, deploys the template into it, and waits for Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from moto.awslambda.models import lambda_backends

from localcloud import journal
from localcloud.deploy import DeployError, Stack, deploy
from localcloud.functions.environment import stack_environment
from localcloud.server import LocalCloud, PortInUse
from localcloud.settings import ACCOUNT_ID, ADMINISTRATOR, REGION

MODES = ("off", "observe", "approve", "enforce")
ENVIRONMENTS = ("dev", "staging", "prod")


def main() -> int:
    """Run until a signal comes; return the exit code."""
    options = _options()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    cloud = LocalCloud(options.port, options.binaries, options.wait_scale, options.concurrency)
    env_files: list[Path] = []
    try:
        with cloud:
            if options.empty:
                print(_EMPTY.format(url=cloud.endpoint_url, exports=_exports(cloud)), flush=True)
            else:
                stack = deploy(options.template, f"mend-{options.environment}", _parameters(options))
                env_files = _write_env_files(options.env_files, stack)
                _introduce(cloud, stack, options.mode, env_files)
            _tell(stopped)
    except PortInUse as error:
        return _fail(
            f"{error} Stop what listens there, or choose another port: --port, or make local PORT=…."
        )
    except DeployError as error:
        return _fail(str(error))
    finally:
        for file in env_files:
            file.unlink(missing_ok=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="localcloud", description="An AWS account on 127.0.0.1 with Mend's template deployed into it."
    )
    parser.add_argument("--port", type=int, default=4566, help="0 takes any free one (default: 4566)")
    parser.add_argument(
        "--mode",
        choices=MODES,
        default=os.environ.get("MEND_MODE") or "observe",
        help="the stack's mode (default: $MEND_MODE, else observe)",
    )
    parser.add_argument(
        "--empty", action="store_true", help="deploy nothing: the account waits for your own sam deploy"
    )
    parser.add_argument("--environment", choices=ENVIRONMENTS, default="dev", help="(default: dev)")
    parser.add_argument(
        "--template", type=Path, default=Path("template.yaml"), help="(default: template.yaml)"
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another parameter of the template; may be repeated",
    )
    parser.add_argument(
        "--binaries",
        type=Path,
        default=Path("target/debug"),
        help="folder of the functions' built binaries (default: target/debug)",
    )
    parser.add_argument(
        "--env-files",
        type=Path,
        default=Path("target/local"),
        help="folder for the functions' environments, while the cloud runs (default: target/local)",
    )
    parser.add_argument(
        "--wait-scale",
        type=float,
        default=1.0,
        help="factor on AWS's waits between retries: 0.01 turns a minute into 0.6 seconds (default: 1)",
    )
    parser.add_argument(
        "--concurrency", type=int, default=10, help="instances of one function at once (default: 10)"
    )
    options = parser.parse_args()
    if options.mode not in MODES:
        parser.error(f"MEND_MODE is {options.mode!r}; choose from {', '.join(MODES)}")
    return options


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    parameters = {"Environment": options.environment, "Mode": options.mode}
    for assignment in options.parameter:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise DeployError(f"--parameter {assignment} is not of the form NAME=VALUE.")
        parameters[name] = value
    return parameters


def _write_env_files(folder: Path, stack: Stack) -> list[Path]:
    """Write the environment of each function, and one of all for a `cargo lambda watch` that serves them all.

    In the latter the administrator's credentials stand for the roles', because one process has one
    environment. Of numbers about which the functions disagree, time-outs for example, the smallest stands;
    other variables about which they disagree are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for package, name in stack.functions.items():
        function = lambda_backends[ACCOUNT_ID][REGION].get_function(name)
        files[folder / f"{package}.env"] = stack_environment(function)
    values: dict[str, set[str]] = {}
    for environment in files.values():
        for key, value in environment.items():
            values.setdefault(key, set()).add(value)
    merged = {
        key: min(different, key=int) if len(different) > 1 else next(iter(different))
        for key, different in values.items()
        if key != "AWS_SESSION_TOKEN" and (len(different) == 1 or all(map(str.isdigit, different)))
    }
    files[folder / "functions.env"] = merged | {name.upper(): value for name, value in ADMINISTRATOR.items()}
    for file, environment in files.items():
        # Quoted, because cargo lambda refuses a second "=" otherwise.
        file.write_text("".join(f"{key}='{value}'\n" for key, value in sorted(environment.items())))
    return list(files)


_EMPTY = """Ready: the local cloud is at {url}, and empty.

For the AWS CLI, SDKs and SAM:
{exports}

To deploy into it, in another shell with these lines:
  make package SAM_BUILD_MODE=debug       some minutes, silent; without the mode it is the optimised build
  export PATH=$PWD/.venv-template/bin:$PATH
  sam deploy --config-env dev

Everything that happens: curl '{url}/_local/journal?after=0'
An hour later:           curl -d '{{"forward_seconds": 3600}}' {url}/_local/clock
The next call throttled: curl -d '{{"kind": "throttle", "times": 1}}' {url}/_local/faults
Ctrl-C stops it.
"""


def _exports(cloud: LocalCloud) -> str:
    """Return what makes a shell's AWS tools use the local cloud."""
    return f"""\
  export AWS_ENDPOINT_URL={cloud.endpoint_url}
  export AWS_ACCESS_KEY_ID={ADMINISTRATOR["aws_access_key_id"]}
  export AWS_SECRET_ACCESS_KEY={ADMINISTRATOR["aws_secret_access_key"]}
  export AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}"""


def _introduce(cloud: LocalCloud, stack: Stack, mode: str, env_files: list[Path]) -> None:
    width = max(map(len, stack.outputs), default=0)
    outputs = "\n".join(f"  {key:<{width}}  {value}" for key, value in stack.outputs.items())
    first = next(iter(stack.functions), "FUNCTION")
    print(
        f"""Ready: the local cloud is at {cloud.endpoint_url}, with the stack {stack.name} in mode {mode}.

{outputs}

The kill switch is released, as an operator does once after the first deployment.

For the AWS CLI and SDKs:
{_exports(cloud)}

For functions under cargo lambda, in two other shells:
  export PATH=$PWD/.venv/bin:$PATH
  cargo lambda watch --env-file {env_files[-1]}
  cargo lambda invoke {first} --data-file events/{first}/<case>.json
(That file has the administrator's credentials. {env_files[0]} has those of one function's role.)

Everything that happens: curl '{cloud.endpoint_url}/_local/journal?after=0'
An hour later:           curl -d '{{"forward_seconds": 3600}}' {cloud.endpoint_url}/_local/clock
The next call throttled: curl -d '{{"kind": "throttle", "times": 1}}' {cloud.endpoint_url}/_local/faults

A yes of somebody else to a runbook that waits, here of the approver lee; Reject is a no:
  aws iam create-user --user-name lee
  key=$(aws iam create-access-key --user-name lee --query AccessKey.AccessKeyId --output text)
  AWS_ACCESS_KEY_ID=$key aws ssm send-automation-signal --signal-type Approve --automation-execution-id …
Ctrl-C stops it.
""",
        flush=True,
    )


def _tell(stopped: threading.Event) -> None:
    """Print a line for each thing worth knowing until the signal comes."""
    seen = 0
    while not stopped.is_set():
        for entry in journal.wait(seen, seconds=0.2):
            seen = entry["seq"]
            line = _line(entry)
            if line:
                print(f"{entry['at'][11:23]}  {line}", flush=True)


def _line(entry: journal.Entry) -> str | None:
    match entry["kind"]:
        case "event":
            return f"event         {entry['event']['source']}: {entry['event']['detail-type']}"
        case "stack":
            return f"stack         {entry['stack']}: {entry['status']}"
        case "delivery" if entry["error"]:
            return f"not delivered {entry['rule']}: {entry['error']}"
        case "alarm-action" if entry["error"]:
            return f"not invoked   {entry['target']}: {entry['error']}"
        case "invocation":
            outcome = "ok" if entry["ok"] else f"FAILED: {entry['response']}"
            return f"invocation    {entry['function']} ({entry['duration_ms']:.0f} ms) {outcome}"
        case "execution" if entry["status"] == "Waiting":
            return f"runbook       {entry['document']}: Waiting, execution {entry['execution_id']}"
        case "execution":
            return f"runbook       {entry['document']}: {entry['status']}"
        case "ops-item":
            return (
                f"OpsItem       {entry['ops_item_id']} {entry['change']}, {entry['status']}: {entry['title']}"
            )
        case "notification":
            return f"notification  {entry['subject'] or ''}"
        case "api-call" if entry["status"] >= 400:
            return f"refused       {entry['service']}:{entry['operation']}: {entry['error']}"
    return None


def _fail(problem: str) -> int:
    print(problem, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
