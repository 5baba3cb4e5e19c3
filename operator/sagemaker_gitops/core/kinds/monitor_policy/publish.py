"""What CloudWatch is told of a check: the numbers, the thresholds, the retrains, and the alarms that others may want. Pure.

The moment of a check is the time of its numbers, so that telling them twice changes nothing but their count. Source: Amazon CloudWatch
API Reference (PutMetricData, PutMetricAlarm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sagemaker_gitops.api.monitor_overrides import given_overrides
from sagemaker_gitops.api.monitor_policy import Alarm
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.monitor_policy.alarms import COMPARISONS, DAY, WEEK, number_of, period_of, recorded_of
from sagemaker_gitops.core.kinds.monitor_policy.facts import Watched
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass, watched_of
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.merge import deep_merge
from sagemaker_gitops.core.resource import Key

SERVICE, NAMESPACE = "cloudwatch", "SageMakerGitOps"
HOUR = 3600
ALARM_NAME_LIMIT = 255


def policy_dimension(owner: Key) -> dict[str, str]:
    return {"Policy": f"{owner.namespace}/{owner.name}"}


def served_dimensions(owner: Key, watched: Watched) -> dict[str, str]:
    """A transform job has no variant, and CloudWatch takes no empty value."""
    variant = {"Variant": watched.variant} if watched.variant else {}
    return policy_dimension(owner) | {"Endpoint": watched.endpoint, **variant, "ModelVersion": watched.model}


def put_metric_data(here: Pass, entry: Mapping[str, Any], alarms: Sequence[Mapping[str, Any]]) -> tuple[AwsRequest, ...]:
    """One call for all of an ended check; none when it found no number."""
    at, dimensions = moment(entry.get("moment")), _dimensions(here, entry)
    found = [
        (f"{item.get('check')}/{item.get('name')}", item["value"]) for item in entry.get("metrics") or () if item.get("value") is not None
    ]
    if not found or at is None:
        return ()
    data = [_datum(name, value, at, dimensions) for name, value in found]
    for item in alarms:
        name = threshold_metric(str(item["name"]))
        data += [_datum(name, item["threshold"], at, where) for where in (dimensions, policy_dimension(here.snapshot.key))]
    return (_request(here.snapshot.key, data),)


def put_retrain_mark(here: Pass, entry: Mapping[str, Any], alarm: str, value: str) -> tuple[AwsRequest, ...]:
    """The number for which a retrain is asked, at the moment of its check."""
    at = moment(entry.get("moment"))
    return () if at is None else (_request(here.snapshot.key, [_datum(f"{alarm}/retrain", value, at, _dimensions(here, entry))]),)


def threshold_metric(alarm: str) -> str:
    return f"{alarm}/threshold"


def wanted_alarms(here: Pass, entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name and settings of the CloudWatch alarms that the spec asks for, over the numbers of the model that serves."""
    at = moment(entry.get("moment")) or here.now
    completed = given_overrides(here.spec.overrides).get("putMetricAlarm", {})
    return {
        alarm_name(here, alarm): deep_merge(_settings(here, alarm, entry, period_of(here, at)), completed)
        for alarm in here.spec.alarms
        if alarm.create_cloud_watch_alarm
    }


def alarm_findings(here: Pass) -> tuple[Finding, ...]:
    """What CloudWatch refuses: an alarm over more than a day, or a week where a period is an hour or more."""
    period = period_of(here, here.now)
    most = WEEK if period >= HOUR else DAY
    return tuple(
        Finding(
            f"spec.alarms[{index}].evaluationPeriods",
            f"{alarm.evaluation_periods or 1} periods of {period} s are more than the {most} s that CloudWatch looks back: take fewer,"
            " check more often, or leave createCloudWatchAlarm out",
        )
        for index, alarm in enumerate(here.spec.alarms)
        if alarm.create_cloud_watch_alarm and (alarm.evaluation_periods or 1) * period > most
    )


def alarm_prefix(owner: Key) -> str:
    """What the names of all our alarms of a policy begin with."""
    return f"{naming.readable(owner)}-alarm-"


def alarm_name(here: Pass, alarm: Alarm) -> str:
    key = naming.content_key([here.settings.install, str(here.snapshot.key), alarm.name])
    return f"{alarm_prefix(here.snapshot.key)}{alarm.name}-{key}"[:ALARM_NAME_LIMIT]


def put_alarm(here: Pass, name: str, settings: Mapping[str, Any]) -> AwsRequest:
    own = naming.owner_tags(here.settings.install, here.snapshot.key, step="alarm", key=name.rpartition("-")[2], attempt=1, revision="")
    tags = [{"Key": key, "Value": value} for key, value in sorted((dict(here.effective.tags) | own).items())]
    return AwsRequest(SERVICE, "PutMetricAlarm", name, {"AlarmName": name, **settings, "Tags": tags})


def _settings(here: Pass, alarm: Alarm, entry: Mapping[str, Any], period: int) -> dict[str, Any]:
    owner, periods = here.snapshot.key, alarm.evaluation_periods or 1
    number, _ = number_of(alarm, here.spec.checks_, entry.get("metrics") or ())
    threshold = recorded_of({"alarms": entry.get("alarms")}, alarm.name).get("threshold")
    return {
        "AlarmDescription": f"MonitorPolicy {owner.namespace}/{owner.name}, alarm {alarm.name}",
        "Namespace": NAMESPACE,
        "MetricName": f"{alarm.check}/{number}",
        "Dimensions": [{"Name": name, "Value": value} for name, value in _dimensions(here, entry).items()],
        "Statistic": "Maximum" if alarm.operator.startswith(">") else "Minimum",
        "Period": period,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm or periods,
        "Threshold": float(threshold) if threshold is not None else alarm.threshold.initial,
        "ComparisonOperator": COMPARISONS[alarm.operator][1],
        "TreatMissingData": alarm.treat_missing_data or "missing",
    }


def _dimensions(here: Pass, entry: Mapping[str, Any]) -> dict[str, str]:
    watched = watched_of(entry)
    assert watched is not None, "a check says what it looked at"
    return served_dimensions(here.snapshot.key, watched)


def _datum(name: str, value: str, at: datetime, dimensions: Mapping[str, str]) -> dict[str, Any]:
    named = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    return {"MetricName": name, "Dimensions": named, "Timestamp": at, "Value": float(value)}


def _request(owner: Key, data: Sequence[Mapping[str, Any]]) -> AwsRequest:
    return AwsRequest(SERVICE, "PutMetricData", str(owner), {"Namespace": NAMESPACE, "MetricData": list(data)})
