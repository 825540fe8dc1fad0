"""Lambda: functions are called by name or ARN."""

from __future__ import annotations

from localcloud.permissions.actions.operation import Place, Request, on


def _function(request: Request, place: Place) -> str:
    named = request["FunctionName"]
    return named if named.startswith("arn:") else place.arn("lambda", f"function:{named}")


OPERATIONS = {"Invoke": on("lambda:InvokeFunction", _function)}
