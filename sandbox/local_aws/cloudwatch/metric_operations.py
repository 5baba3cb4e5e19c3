"""PutMetricData, GetMetricStatistics, GetMetricData and ListMetrics over the world's metric store.

Sources: API reference of the four operations; a value's timestamp is taken as it is, without AWS's limits of two weeks back and
two hours ahead, because the clocks of a client and of a sped-up local AWS differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from local_aws.cloudwatch import queries, words
from local_aws.cloudwatch.math.values import Series
from local_aws.cloudwatch.paging import page
from local_aws.cloudwatch.queries import is_percentile
from local_aws.metric_store import MINUTE, UNIT, Distribution, Metric, MetricStore
from local_aws.service import Call, Operations
from local_aws.services import Services

_SHORT_PERIODS: Final = (1, 5, 10, 20, 30)
_MOST_POINTS: Final = 1440
_LISTED: Final = 500


@dataclass(frozen=True, slots=True)
class _Point:
    start: float
    unit: str
    data: Distribution


class MetricOperations:
    """The metric half of CloudWatch for one world."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store: MetricStore = services.metrics

    def operations(self) -> Operations:
        return {
            ("cloudwatch", "PutMetricData"): self.put,
            ("cloudwatch", "GetMetricStatistics"): self.statistics,
            ("cloudwatch", "GetMetricData"): self.data,
            ("cloudwatch", "ListMetrics"): self.list,
        }

    def put(self, call: Call) -> dict[str, Any]:
        namespace: str = call.params["Namespace"]
        if namespace.startswith("AWS/"):
            raise words.invalid_value("The value AWS/ for parameter Namespace is invalid.")
        if "EntityMetricData" in call.params:
            raise words.unsupported("EntityMetricData")
        data = call.params.get("MetricData", ())
        for index, datum in enumerate(data, 1):
            _check(datum, f"MetricData.member.{index}")
        now = self._services.world.clock.time()
        for datum in data:
            self._add(Metric.of(namespace, datum["MetricName"], datum.get("Dimensions", ())), datum, now)
        return {}

    def _add(self, metric: Metric, datum: Mapping[str, Any], now: float) -> None:
        at = datum["Timestamp"].timestamp() if "Timestamp" in datum else now
        unit, resolution = datum.get("Unit", UNIT), datum.get("StorageResolution", MINUTE)
        if "StatisticValues" in datum:
            self._store.put_set(metric, at, datum["StatisticValues"], unit=unit, resolution=resolution)
            return
        values = datum.get("Values") or [datum["Value"]]
        counts = datum.get("Counts") or [1.0] * len(values)
        for value, count in zip(values, counts, strict=True):
            self._store.put(metric, at, value, count, unit=unit, resolution=resolution)

    def statistics(self, call: Call) -> dict[str, Any]:
        params = call.params
        plain, extended = params.get("Statistics", []), params.get("ExtendedStatistics", [])
        if not plain and not extended:
            raise words.invalid_combination("Must specify either Statistics or ExtendedStatistics")
        for name in extended:
            if not is_percentile(name):
                raise words.statistic(name, "ExtendedStatistics")
        begin, end, period = _range(params["StartTime"], params["EndTime"], params["Period"])
        if (end - begin) / period > _MOST_POINTS:
            raise words.invalid_combination(
                f"You have requested up to {int((end - begin) / period):,} datapoints, which exceeds the limit of {_MOST_POINTS:,}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        metric = Metric.of(params["Namespace"], params["MetricName"], params.get("Dimensions", ()))
        points = [point for unit in self._units(metric, params.get("Unit")) for point in self._points(metric, begin, end, period, unit)]
        return {"Label": params["MetricName"], "Datapoints": [_datapoint(point, plain, extended) for point in points]}

    def data(self, call: Call) -> dict[str, Any]:
        params = call.params
        wanted: Sequence[Mapping[str, Any]] = params["MetricDataQueries"]
        queries.check(wanted, "MetricDataQueries")
        begin, end = params["StartTime"], params["EndTime"]
        if begin >= end:
            raise words.validation("The parameter EndTime must be greater than StartTime.")
        for query in wanted:
            if "MetricStat" in query:
                _range(begin, end, query["MetricStat"]["Period"])
        descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        period = queries.period(wanted)
        first, last, _ = _range(begin, end, period)
        found = queries.results(self._store, wanted, first, last, period)
        return {"MetricDataResults": [_result(query, series, descending) for query, series in found]}

    def list(self, call: Call) -> dict[str, Any]:
        wanted = _filter(call.params)
        found, token = page([metric.as_json() for metric in self._store.metrics() if wanted(metric)], call.params, _LISTED)
        return {"Metrics": found, "NextToken": token}

    def _units(self, metric: Metric, unit: str | None) -> Sequence[str]:
        return self._store.units(metric) if unit is None else [unit]

    def _points(self, metric: Metric, begin: float, end: float, period: int, unit: str | None) -> Iterator[_Point]:
        first, last = self._store.span(metric)
        start = begin + max(0.0, (first - begin) // period) * period
        while start < min(end, last + 1):
            data = self._store.window(metric, start, min(start + period, end), unit)
            if data is not None:
                yield _Point(start, unit or UNIT, data)
            start += period


def _filter(params: Mapping[str, Any]) -> Callable[[Metric], bool]:
    wanted = params.get("Dimensions", ())

    def keep(metric: Metric) -> bool:
        has = dict(metric.dimensions)
        return (
            params.get("Namespace") in (None, metric.namespace)
            and params.get("MetricName") in (None, metric.name)
            and all(each["Name"] in has and each.get("Value") in (None, has[each["Name"]]) for each in wanted)
        )

    return keep


def _range(begin: datetime, end: datetime, period: int) -> tuple[float, float, int]:
    """Whole minutes (seconds for a short period), as AWS rounds StartTime down."""
    if begin >= end:
        raise words.invalid_value("The parameter StartTime must be less than the parameter EndTime.")
    if period % MINUTE and period not in _SHORT_PERIODS:
        raise words.invalid_value("The parameter Period must be a multiple of 60, or 1, 5, 10, 20 or 30 for a high-resolution metric.")
    step = min(period, MINUTE)
    return begin.timestamp() // step * step, end.timestamp(), period


def _datapoint(point: _Point, plain: Sequence[str], extended: Sequence[str]) -> dict[str, Any]:
    percentiles = {name: value for name in extended if (value := point.data.statistic(name)) is not None}
    answer: dict[str, Any] = {"Timestamp": datetime.fromtimestamp(point.start, UTC), "Unit": point.unit}
    answer |= {name: point.data.statistic(name) for name in plain}
    return {**answer, "ExtendedStatistics": percentiles} if extended else answer


def _result(query: Mapping[str, Any], series: Series, descending: bool) -> dict[str, Any]:
    points = sorted(series.points.items(), reverse=descending)
    return {
        "Id": query["Id"],
        "Label": series.label,
        "Timestamps": [datetime.fromtimestamp(start, UTC) for start, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete",
    }


def _check(datum: Mapping[str, Any], path: str) -> None:
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if not given:
        raise words.missing(f"{path}.Value")
    if len(given) > 1:
        raise words.invalid_combination(
            f"The parameters {path}.{given[0]} and {path}.{given[1]} are mutually exclusive and you have specified both."
        )
    values, counts = datum.get("Values", []), datum.get("Counts")
    if counts is not None and len(counts) != len(values):
        raise words.invalid_value(f"The parameters {path}.Values and {path}.Counts must be of the same size.")
    for dimension in datum.get("Dimensions", ()):
        if not dimension["Name"].strip() or not dimension["Value"].strip():
            raise words.invalid_value(f"The parameter {path}.Dimensions must not have an empty Name or Value.")
