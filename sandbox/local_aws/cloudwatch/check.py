"""Rules of PutMetricAlarm that no service model holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.cloudwatch import words
from local_aws.cloudwatch.evaluation import OPERATORS
from local_aws.cloudwatch.metric_operations import is_percentile
from local_aws.metric_store import MINUTE

_UNSUPPORTED: Final = (
    "Metrics",
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
)
_REQUIRED: Final = ("MetricName", "Namespace", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator")
_SHORT: Final = (10, 20, 30)
_DAY: Final = 86_400
_WEEK: Final = 604_800
_HOUR: Final = 3600
_MISSING: Final = ("breaching", "notBreaching", "ignore", "missing")
_LOW_SAMPLES: Final = ("evaluate", "ignore")


def check(request: Mapping[str, Any]) -> None:
    """Raises AwsError with CloudWatch's codes."""
    for member in _UNSUPPORTED:
        if member in request:
            raise words.unsupported(f"{member} of PutMetricAlarm (metric math, anomaly detection and queries)")
    for member in _REQUIRED:
        if member not in request:
            raise words.missing(member)
    if request["ComparisonOperator"] not in OPERATORS:
        raise words.unsupported(f"ComparisonOperator {request['ComparisonOperator']} (anomaly detection)")
    _check_statistic(request)
    _check_time(request)
    _check_options(request)
    for member in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        for action in request.get(member, ()):
            if not action.startswith("arn:"):
                raise words.validation(f"Invalid arn syntax: {action}")


def _check_statistic(request: Mapping[str, Any]) -> None:
    extended = request.get("ExtendedStatistic")
    if ("Statistic" in request) == (extended is not None):
        raise words.validation("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if extended is not None and not is_percentile(extended):
        raise words.statistic(extended, "ExtendedStatistic")
    if "EvaluateLowSampleCountPercentile" in request and extended is None:
        raise words.validation("EvaluateLowSampleCountPercentile is only valid with a percentile as ExtendedStatistic.")


def _check_time(request: Mapping[str, Any]) -> None:
    period, periods = request["Period"], request["EvaluationPeriods"]
    if period % MINUTE and period not in _SHORT:
        raise words.validation(f"Period {period} is invalid: it must be 10, 20, 30 or a multiple of 60.")
    if request.get("DatapointsToAlarm", periods) > periods:
        raise words.validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    if period * periods > (_WEEK if period >= _HOUR else _DAY):
        raise words.validation("Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).")


def _check_options(request: Mapping[str, Any]) -> None:
    for member, options in (("TreatMissingData", _MISSING), ("EvaluateLowSampleCountPercentile", _LOW_SAMPLES)):
        if request.get(member, options[0]) not in options:
            raise words.option(member, request[member], options)
