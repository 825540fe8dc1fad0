"""CloudWatch alarms tell the default bus when `SetAlarmState` changes their state; nothing else does here."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import Alarm, MetricDataQuery

from localcloud.events.bus import publish
from localcloud.events.envelope import wrap


def install() -> None:
    """Wrap the change of an alarm's state, and let alarms begin as on AWS."""
    Alarm.__init__ = _beginning_unknown(Alarm.__init__)
    Alarm.update_state = _telling(Alarm.update_state)


def _beginning_unknown(init: Any) -> Any:
    @functools.wraps(init)
    def beginning_unknown(self: Alarm, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.state_value = "INSUFFICIENT_DATA"
        self.state_reason_data = None

    return beginning_unknown


def _telling(update_state: Any) -> Any:
    @functools.wraps(update_state)
    def telling(self: Alarm, reason: str, reason_data: str | None, state_value: str) -> None:
        before = _state(self)
        update_state(self, reason, reason_data, state_value)
        if state_value != before["value"]:
            detail = {
                "alarmName": self.name,
                "state": _state(self),
                "previousState": before,
                "configuration": _configuration(self),
            }
            publish(wrap("CloudWatch Alarm State Change", "aws.cloudwatch", detail, [self.alarm_arn]))

    return telling


def _state(alarm: Alarm) -> dict[str, str]:
    state = {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data,
        "timestamp": _timestamp(alarm.state_updated_timestamp),
    }
    return {key: value for key, value in state.items() if value}


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1_000:03d}+0000"


def _configuration(alarm: Alarm) -> dict[str, Any]:
    configuration: dict[str, Any] = {"description": alarm.description} if alarm.description else {}
    if alarm.rule:
        return {**configuration, "alarmRule": alarm.rule}
    if alarm.metric_data_queries:
        return {**configuration, "metrics": [_query(query) for query in alarm.metric_data_queries]}
    metric = {
        "namespace": alarm.namespace,
        "name": alarm.metric_name,
        "dimensions": {dimension.name: dimension.value for dimension in alarm.dimensions},
    }
    statistic = {
        "metric": metric,
        "period": int(alarm.period),
        "stat": alarm.statistic or alarm.extended_statistic,
        **({"unit": alarm.unit} if alarm.unit else {}),
    }
    return {**configuration, "metrics": [{"id": "m1", "metricStat": statistic, "returnData": True}]}


def _query(query: MetricDataQuery) -> dict[str, Any]:
    described: dict[str, Any] = {"id": query.id, "returnData": str(query.return_data).lower() == "true"}
    if query.metric_stat:
        metric = query.metric_stat.metric
        described["metricStat"] = {
            "metric": {
                "namespace": metric.namespace,
                "name": metric.metric_name,
                "dimensions": {d.name: d.value for d in metric.dimensions},
            },
            "period": int(query.metric_stat.period),
            "stat": query.metric_stat.stat,
            **({"unit": query.metric_stat.unit} if query.metric_stat.unit else {}),
        }
    else:
        described |= {"expression": query.expression}
    return described | ({"label": query.label} if query.label else {})
