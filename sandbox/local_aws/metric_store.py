"""The values of CloudWatch metrics: put by services and by PutMetricData, read by statistics, alarms and scaling.

One store for each world, in memory, on AWS time. moto's is not used: it answers for parts of the dimensions, begins periods at the
first value and knows no percentiles. As CloudWatch does, values are kept by minute (by second for a high resolution), with
their counts, for 15 days.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MINUTE: Final = 60
_RETENTION: Final = 15 * 24 * 3600
UNIT: Final = "None"
"""AWS's word for a value without a unit."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The identity of a metric: a value belongs to exactly these dimensions, not to a part of them."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Iterable[Mapping[str, str]] = ()) -> Metric:
        """From the API's list of Name and Value."""
        return cls(namespace, name, frozenset((each["Name"], each["Value"]) for each in dimensions))

    def as_json(self) -> dict[str, Any]:
        dimensions = [{"Name": name, "Value": value} for name, value in sorted(self.dimensions)]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


@dataclass(slots=True)
class Distribution:
    """What a period holds. `values` (value -> how often) is incomplete when `lossy`: statistic sets tell no percentiles."""

    count: float = 0.0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    values: dict[float, float] = field(default_factory=dict)
    lossy: bool = False

    def add(self, value: float, count: float = 1.0) -> None:
        self.count += count
        self.total += value * count
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.values[value] = self.values.get(value, 0.0) + count

    def add_set(self, count: float, total: float, low: float, high: float) -> None:
        """A statistic set; one of equal values is as good as the values."""
        if low == high:
            self.add(low, count)
            return
        self.count += count
        self.total += total
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.lossy = True

    def merge(self, other: Distribution) -> None:
        self.count += other.count
        self.total += other.total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        for value, count in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + count
        self.lossy = self.lossy or other.lossy

    def percentile(self, percent: float) -> float | None:
        """Interpolated between neighbours; None when the values are not known."""
        if self.lossy or not self.values:
            return None
        ordered = sorted(self.values)
        rank = percent / 100.0 * (self.count - 1)
        below = _at(ordered, self.values, int(rank))
        above = _at(ordered, self.values, min(int(rank) + 1, int(self.count - 1)))
        return below + (above - below) * (rank - int(rank))

    def statistic(self, name: str) -> float | None:
        """`name` is one of AWS's five statistics, or a percentile as p99.9."""
        match name:
            case "SampleCount":
                return self.count
            case "Sum":
                return self.total
            case "Average":
                return self.total / self.count if self.count else None
            case "Minimum":
                return self.low
            case "Maximum":
                return self.high
            case _:
                return self.percentile(float(name.removeprefix("p")))


def _at(ordered: Sequence[float], counts: Mapping[float, float], rank: int) -> float:
    seen = 0.0
    for value in ordered:
        seen += counts[value]
        if rank < seen:
            return value
    return ordered[-1]


@dataclass(slots=True)
class _Series:
    """One unit of one metric: `starts` in order, each with what was put from then on for its resolution."""

    starts: list[int] = field(default_factory=list)
    parts: dict[int, Distribution] = field(default_factory=dict)

    def part(self, start: int) -> Distribution:
        if start not in self.parts:
            bisect.insort(self.starts, start)
            self.parts[start] = Distribution()
        return self.parts[start]

    def within(self, begin: float, end: float) -> Iterator[Distribution]:
        first, last = bisect.bisect_left(self.starts, begin), bisect.bisect_left(self.starts, end)
        return (self.parts[start] for start in self.starts[first:last])

    def forget(self, before: float) -> None:
        old = bisect.bisect_left(self.starts, before)
        for start in self.starts[:old]:
            del self.parts[start]
        del self.starts[:old]


class MetricStore:
    """All metrics of one world; thread safe. Times are seconds since the epoch, AWS time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[Metric, dict[str, _Series]] = {}

    def put(self, metric: Metric, at: float, value: float, count: float = 1.0, *, unit: str = UNIT, resolution: int = MINUTE) -> None:
        """Add a value, `count` times; `resolution` 1 keeps the second, 60 the minute."""
        with self._lock:
            self._part(metric, at, unit, resolution).add(value, count)

    def put_set(self, metric: Metric, at: float, values: Mapping[str, float], *, unit: str = UNIT, resolution: int = MINUTE) -> None:
        """Add a StatisticSet of the API: SampleCount, Sum, Minimum, Maximum."""
        with self._lock:
            part = self._part(metric, at, unit, resolution)
            part.add_set(values["SampleCount"], values["Sum"], values["Minimum"], values["Maximum"])

    def window(self, metric: Metric, begin: float, end: float, unit: str | None = None) -> Distribution | None:
        """Everything from `begin` until before `end`, of one unit or of all; None when there is nothing."""
        found = Distribution()
        with self._lock:
            for name, series in self._series.get(metric, {}).items():
                if unit in (None, name):
                    for part in series.within(begin, end):
                        found.merge(part)
        return found if found.count else None

    def span(self, metric: Metric) -> tuple[float, float]:
        """The first and the last moment that have values; an empty range when none have."""
        with self._lock:
            found = [series.starts for series in self._series.get(metric, {}).values() if series.starts]
        return min((starts[0] for starts in found), default=0.0), max((starts[-1] for starts in found), default=-1.0)

    def units(self, metric: Metric) -> list[str]:
        with self._lock:
            return sorted(self._series.get(metric, {}))

    def metrics(self) -> list[Metric]:
        """Every metric, in the order in which it was first put."""
        with self._lock:
            return list(self._series)

    def _part(self, metric: Metric, at: float, unit: str, resolution: int) -> Distribution:
        series = self._series.setdefault(metric, {}).setdefault(unit, _Series())
        start = int(at // resolution) * resolution
        if series.starts and start - series.starts[0] > _RETENTION:
            series.forget(start - _RETENTION)
        return series.part(start)
