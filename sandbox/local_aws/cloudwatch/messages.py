"""What a state change of an alarm says to others: the SNS message and the EventBridge event. Pure.

Sources: CloudWatch user guide, "Alarm events and EventBridge" (sample of a single-metric alarm); SNS messages of alarms quoted
in public code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from local_aws.cloudwatch.alarm import Alarm, Standing
from local_aws.cloudwatch.evaluation import Datapoint

SOURCE: Final = "aws.cloudwatch"
DETAIL_TYPE: Final = "CloudWatch Alarm State Change"
_REGIONS: Final = {
    "eu-central-1": "EU (Frankfurt)",
    "eu-central-2": "Europe (Zurich)",
    "eu-west-1": "EU (Ireland)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
}
_SUBJECT: Final = 100


def moment(at: datetime) -> str:
    """As CloudWatch writes times inside texts: 2019-10-02T17:04:40.989+0000."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"


def reason_data(alarm: Alarm, evaluated: Sequence[Datapoint], at: datetime) -> str:
    """StateReasonData of an evaluation."""
    unit = {"unit": alarm.request["Unit"]} if "Unit" in alarm.request else {}
    oldest_first = list(reversed(evaluated))
    starts = [datetime.fromtimestamp(point.start, UTC) for point in oldest_first]
    data: dict[str, Any] = {"version": "1.0", "queryDate": moment(at)}
    if starts:
        data["startDate"] = moment(starts[0])
    data |= {
        **unit,
        **({"statistic": alarm.statistic} if alarm.statistic else {}),
        "period": alarm.period,
        "recentDatapoints": [point.value for point in oldest_first],
        "threshold": alarm.rule.threshold,
        "evaluatedDatapoints": [
            {"timestamp": moment(start), **({"sampleCount": point.samples} if point.samples else {}), "value": point.value}
            for start, point in zip(starts, oldest_first, strict=True)
        ],
    }
    return json.dumps(data)


def event(alarm: Alarm, old: Standing, new: Standing) -> dict[str, Any]:
    """The detail of the event."""
    metrics = [{**_event_metric(query), "id": alarm.id} if alarm.metric else _event_metric(query) for query in alarm.queries]
    configuration: dict[str, Any] = {"metrics": metrics}
    if "AlarmDescription" in alarm.request:
        configuration["description"] = alarm.request["AlarmDescription"]
    return {"alarmName": alarm.name, "configuration": configuration, "previousState": _state(old), "state": _state(new)}


def _event_metric(query: Mapping[str, Any]) -> dict[str, Any]:
    named = {"id": query["Id"], **({"label": query["Label"]} if "Label" in query else {}), "returnData": query.get("ReturnData", True)}
    if "Expression" in query:
        return {**named, "expression": query["Expression"]}
    stat = query["MetricStat"]
    dimensions = {each["Name"]: each["Value"] for each in stat["Metric"].get("Dimensions", ())}
    metric = {"namespace": stat["Metric"]["Namespace"], "name": stat["Metric"]["MetricName"], "dimensions": dimensions}
    return {**named, "metricStat": {"metric": metric, "period": stat["Period"], "stat": stat["Stat"]}}


def _state(standing: Standing) -> dict[str, str]:
    data = {"reasonData": standing.data} if standing.data else {}
    return {"value": standing.value, "reason": standing.reason, "timestamp": moment(standing.since), **data}


def subject(alarm: Alarm, new: Standing, region: str) -> str:
    return f'{new.value}: "{alarm.name}" in {_REGIONS.get(region, region)}'[:_SUBJECT]


def message(alarm: Alarm, old: Standing, new: Standing, account: str, region: str) -> dict[str, Any]:
    """The body of the SNS message."""
    request = alarm.request
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": request.get("AlarmDescription"),
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": moment(alarm.configured),
        "NewStateValue": new.value,
        "NewStateReason": new.reason,
        "StateChangeTime": moment(new.since),
        "Region": _REGIONS.get(region, region),
        "AlarmArn": alarm.arn,
        "OldStateValue": old.value,
        "OKActions": request.get("OKActions", []),
        "AlarmActions": request.get("AlarmActions", []),
        "InsufficientDataActions": request.get("InsufficientDataActions", []),
        "Trigger": _trigger(alarm, request),
    }


def _trigger(alarm: Alarm, request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_watched(alarm, request),
        "Period": alarm.period,
        "EvaluationPeriods": request["EvaluationPeriods"],
        "DatapointsToAlarm": alarm.rule.breaching,
        "ComparisonOperator": request["ComparisonOperator"],
        "Threshold": request["Threshold"],
        "TreatMissingData": request.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": request.get("EvaluateLowSampleCountPercentile", ""),
    }


def _watched(alarm: Alarm, request: Mapping[str, Any]) -> dict[str, Any]:
    if alarm.metric is None or alarm.statistic is None:
        return {"Metrics": alarm.queries}
    extended = "ExtendedStatistic" in request
    shown = alarm.statistic if extended else {"SampleCount": "SAMPLE_COUNT"}.get(alarm.statistic, alarm.statistic.upper())
    return {
        "MetricName": alarm.metric.name,
        "Namespace": alarm.metric.namespace,
        "StatisticType": "ExtendedStatistic" if extended else "Statistic",
        "ExtendedStatistic" if extended else "Statistic": shown,
        "Unit": request.get("Unit"),
        "Dimensions": [{"value": value, "name": name} for name, value in sorted(alarm.metric.dimensions)],
    }
