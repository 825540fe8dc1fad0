"""A change of an alarm's state, as events and actions tell it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moto.cloudwatch.models import Alarm, MetricDataQuery


def described(alarm: Alarm, before: dict[str, str]) -> dict[str, Any]:
    """Return the alarm as it is now and the state that it had before."""
    return {
        "alarmName": alarm.name,
        "state": state_of(alarm),
        "previousState": before,
        "configuration": _configuration(alarm),
    }


def state_of(alarm: Alarm) -> dict[str, str]:
    """Return the alarm's state."""
    state = {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data,
        "timestamp": timestamp(alarm.state_updated_timestamp),
    }
    return {key: value for key, value in state.items() if value}


def timestamp(moment: datetime) -> str:
    """Return a time as CloudWatch writes it."""
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
