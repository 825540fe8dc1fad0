"""What services do under a role without a call of its own: logs, traces, destinations."""

from __future__ import annotations

from collections.abc import Iterable

from moto.awslambda.models import LambdaFunction

from localcloud import journal
from localcloud.permissions.actions import sns, sqs
from localcloud.permissions.actions.operation import Place
from localcloud.permissions.policies import Check
from localcloud.permissions.roles import role_of_arn
from localcloud.permissions.verdicts import denial
from localcloud.settings import REGION

_HERE = Place(REGION)


def begin_logs_and_traces(function: LambdaFunction) -> None:
    """Ask for what an instance of the function needs. Without it, Lambda goes on and writes nothing."""
    stream = _HERE.arn("logs", f"log-group:{function.logs_group_name}:log-stream:local")
    _allowed(function, [Check.of("logs:CreateLogStream", stream)], "Lambda: begin a log stream")
    _allowed(function, [Check.of("logs:PutLogEvents", stream)], "Lambda: write the function's log")
    if (function.tracing_config or {}).get("Mode") == "Active":
        traces = [Check.of(f"xray:{action}", "*") for action in ("PutTraceSegments", "PutTelemetryRecords")]
        _allowed(function, traces, "Lambda: trace an invocation")


def may_hand_over(function: LambdaFunction, destination: str) -> bool:
    """Say whether Lambda may send the record of an invocation to the destination; if not, it drops it."""
    return _allowed(function, _sending(destination), "Lambda: hand over an invocation's record")


def _sending(target: str) -> Iterable[Check]:
    service, name = target.split(":")[2], target.split(":", 5)[-1]
    match service:
        case "lambda":
            return [Check.of("lambda:InvokeFunction", target)]
        case "sqs":
            return sqs.sending(name, _HERE)
        case "sns":
            return sns.publishing(target, _HERE)
        case "events":
            return [Check.of("events:PutEvents", target)]
    raise NotImplementedError(f"The local cloud does not know what sending to {target} needs.")


def _allowed(function: LambdaFunction, checks: Iterable[Check], operation: str) -> bool:
    role = role_of_arn(function.role, function.function_name)
    refused = denial(role, checks, operation, REGION) if role else None
    if refused:
        journal.record("denied", operation=operation, message=refused)
    return refused is None
