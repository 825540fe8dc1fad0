"""CloudWatch: whoever looks at one alarm needs a right to it, and to all alarms if it is a composite one."""

from __future__ import annotations

from collections.abc import Iterator

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.permissions.actions.operation import Place, Request
from localcloud.permissions.policies import Check
from localcloud.settings import ACCOUNT_ID


def _describe_alarms(request: Request, place: Place) -> Iterator[Check]:
    known = cloudwatch_backends[ACCOUNT_ID][place.region].alarms
    names = request.get("AlarmNames") or []
    is_narrow = names and not any(name in known and known[name].rule for name in names)
    for name in names if is_narrow else ["*"]:
        yield Check.of("cloudwatch:DescribeAlarms", place.arn("cloudwatch", f"alarm:{name}"))


OPERATIONS = {"DescribeAlarms": _describe_alarms}
