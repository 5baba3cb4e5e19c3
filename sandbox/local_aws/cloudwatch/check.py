"""Rules of PutMetricAlarm that no service model holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.cloudwatch import queries, words
from local_aws.cloudwatch.evaluation import OPERATORS
from local_aws.cloudwatch.queries import is_percentile
from local_aws.metric_store import MINUTE

_UNSUPPORTED: Final = (
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
)
_REQUIRED: Final = ("EvaluationPeriods", "Threshold", "ComparisonOperator")
_OF_ONE_METRIC: Final = ("MetricName", "Namespace", "Period")
_NOT_WITH_METRICS: Final = ("MetricName", "Namespace", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit")
_MOST_METRICS: Final = 20
_MOST_STATS: Final = 10
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
            raise words.unsupported(f"{member} of PutMetricAlarm (anomaly detection and PromQL)")
    by_math = "Metrics" in request
    for member in (*(() if by_math else _OF_ONE_METRIC), *_REQUIRED):
        if member not in request:
            raise words.missing(member)
    if request["ComparisonOperator"] not in OPERATORS:
        raise words.unsupported(f"ComparisonOperator {request['ComparisonOperator']} (anomaly detection)")
    if by_math:
        _check_metrics(request)
    else:
        _check_statistic(request)
    _check_time(request, period_of(request))
    _check_options(request)
    for member in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        for action in request.get(member, ()):
            if not action.startswith("arn:"):
                raise words.validation(f"Invalid arn syntax: {action}")


def period_of(request: Mapping[str, Any]) -> int:
    """Seconds of one datapoint: the alarm's period, or that of its metrics."""
    return queries.period(request["Metrics"]) if "Metrics" in request else request["Period"]


def _check_metrics(request: Mapping[str, Any]) -> None:
    """The words of the last two are ours."""
    for member in _NOT_WITH_METRICS:
        if member in request:
            raise words.validation(f"The parameters Metrics and {member} are mutually exclusive and you have specified both.")
    if "EvaluateLowSampleCountPercentile" in request:
        raise words.validation("EvaluateLowSampleCountPercentile is only valid with a percentile as ExtendedStatistic.")
    metrics = request["Metrics"]
    queries.check(metrics, "Metrics")
    if len(metrics) > _MOST_METRICS or sum("MetricStat" in query for query in metrics) > _MOST_STATS:
        raise words.validation(f"An alarm can have at most {_MOST_METRICS} Metrics, and at most {_MOST_STATS} of them with a MetricStat.")
    if sum(query.get("ReturnData", True) for query in metrics) != 1:
        raise words.validation("Exactly one element of the metrics list should return data.")
    if len({query["MetricStat"]["Period"] for query in metrics if "MetricStat" in query}) > 1:
        raise words.validation("The metrics of an alarm must have the same period.")


def _check_statistic(request: Mapping[str, Any]) -> None:
    extended = request.get("ExtendedStatistic")
    if ("Statistic" in request) == (extended is not None):
        raise words.validation("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if extended is not None and not is_percentile(extended):
        raise words.statistic(extended, "ExtendedStatistic")
    if "EvaluateLowSampleCountPercentile" in request and extended is None:
        raise words.validation("EvaluateLowSampleCountPercentile is only valid with a percentile as ExtendedStatistic.")


def _check_time(request: Mapping[str, Any], period: int) -> None:
    periods = request["EvaluationPeriods"]
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
