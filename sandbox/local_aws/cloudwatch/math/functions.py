"""The functions of metric math, by name: (values, frame) -> value.

A function of one number or series works point by point, on an array item by item; a statistic of one series is a number, of an
array a series over what its items have at each moment. What AWS has beyond these (SEARCH, ANOMALY_DETECTION_BAND,
INSIGHT_RULE_METRIC, LAMBDA, DB_PERF_INSIGHTS, SERVICE_QUOTA, METRICS with several words) is refused.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from local_aws.cloudwatch.math.values import Frame, MathError, Points, Series, Value, kind

Function = Callable[[Sequence[Value], Frame], Value]


def mapped(value: Value, change: Callable[[float], float | None]) -> Value:
    """`change` at every point; None leaves a point out."""
    if isinstance(value, tuple):
        return tuple(mapped(item, change) for item in value)
    if isinstance(value, Series):
        return Series({start: new for start, old in value.points.items() if (new := change(old)) is not None}, value.label)
    if isinstance(value, str):
        raise MathError("a text is no number")
    return change(value) or 0.0


def _pointwise(change: Callable[[float], float | None]) -> Function:
    return lambda values, _: mapped(values[0], change)


def _positive(change: Callable[[float], float]) -> Callable[[float], float | None]:
    return lambda value: change(value) if value > 0 else None


def _statistic(reduce: Callable[[list[float]], float]) -> Function:
    def call(values: Sequence[Value], frame: Frame) -> Value:
        value = values[0]
        if isinstance(value, Series):
            return reduce(list(value.points.values())) if value.points else math.nan
        items = value if isinstance(value, tuple) else (value,)
        if not items:
            return Series({})
        numbers = [item for item in items if isinstance(item, float)]
        if len(numbers) == len(items):
            return reduce(numbers)
        found = {}
        for start in frame.starts:
            here = [item.points[start] for item in items if isinstance(item, Series) and start in item.points]
            if here:
                found[start] = reduce(here + numbers)
        return Series(found)

    return call


def _neighbours(join: Callable[[float, float, float], float]) -> Function:
    """Each point with the one before it: `join(before, value, seconds between)`."""

    def change(series: Series) -> Series:
        ordered = sorted(series.points.items())
        pairs = itertools.pairwise(ordered)
        return Series({start: join(before, value, start - then) for (then, before), (start, value) in pairs}, series.label)

    return lambda values, _: _each(values[0], change)


def _each(value: Value, change: Callable[[Series], Value]) -> Value:
    if isinstance(value, tuple):
        return tuple(_each(item, change) for item in value)
    return change(_series(value))


def _series(value: Value) -> Series:
    if not isinstance(value, Series):
        raise MathError(f"a TimeSeries is needed, not a {kind(value)}")
    return value


def _fill(values: Sequence[Value], frame: Frame) -> Value:
    how = values[1]

    def change(series: Series) -> Series:
        if isinstance(how, Series):
            return Series({**how.points, **series.points}, series.label)
        if isinstance(how, float):
            return Series({**dict.fromkeys(frame.starts, how), **series.points}, series.label)
        if how == "REPEAT":
            return Series(_repeated(series.points, frame.starts), series.label)
        if how == "LINEAR":
            return Series(_between(series.points, frame.starts), series.label)
        raise MathError(f"FILL with {how} is not valid, give a number, a TimeSeries, REPEAT or LINEAR")

    return _each(values[0], change)


def _repeated(points: Points, starts: Iterable[float]) -> Points:
    found, last = {}, None
    for start in starts:
        last = points.get(start, last)
        if last is not None:
            found[start] = last
    return found


def _between(points: Points, starts: Iterable[float]) -> Points:
    known, found = sorted(points), {}
    for start in starts:
        before = [each for each in known if each <= start]
        after = [each for each in known if each >= start]
        if before and after:
            low, high = before[-1], after[0]
            share = (start - low) / (high - low) if high > low else 0.0
            found[start] = points[low] + (points[high] - points[low]) * share
    return found


def _if(values: Sequence[Value], frame: Frame) -> Value:
    condition, yes = values[0], values[1]
    no = values[2] if len(values) > 2 else None
    if isinstance(condition, float):
        chosen = yes if condition else no
        return Series({}) if chosen is None else chosen
    found = {}
    for start, value in _series(condition).points.items():
        chosen = yes if value else no
        here = chosen.points.get(start) if isinstance(chosen, Series) else chosen
        if isinstance(here, float):
            found[start] = here
    return Series(found)


def _metrics(values: Sequence[Value], frame: Frame) -> Value:
    wanted = values[0] if values else ""
    if not isinstance(wanted, str):
        raise MathError("METRICS takes a text")
    return tuple(series for name, series in frame.metrics.items() if wanted in name)


def _running_sum(values: Sequence[Value], _: Frame) -> Value:
    def change(series: Series) -> Series:
        total, found = 0.0, {}
        for start, value in sorted(series.points.items()):
            total += value
            found[start] = total
        return Series(found, series.label)

    return _each(values[0], change)


def _of_time(part: Callable[[datetime], float]) -> Function:
    def change(series: Series) -> Series:
        return Series({start: part(datetime.fromtimestamp(start, UTC)) for start in series.points}, series.label)

    return lambda values, _: _each(values[0], change)


def _end(pick: Callable[[Sequence[Value]], Value]) -> Function:
    def call(values: Sequence[Value], _: Frame) -> Value:
        if not isinstance(values[0], tuple) or not values[0]:
            raise MathError("FIRST and LAST take an array of TimeSeries")
        return pick(values[0])

    return call


def _time_series(values: Sequence[Value], frame: Frame) -> Value:
    if not isinstance(values[0], float):
        raise MathError("TIME_SERIES takes a Scalar")
    return frame.constant(values[0])


def _remove_empty(values: Sequence[Value], _: Frame) -> Value:
    items = values[0] if isinstance(values[0], tuple) else (values[0],)
    return tuple(item for item in items if isinstance(item, Series) and item.points)


_UNARY: Final = (1, 1)
FUNCTIONS: Final[Mapping[str, tuple[tuple[int, int], Function]]] = {
    "ABS": (_UNARY, _pointwise(abs)),
    "CEIL": (_UNARY, _pointwise(lambda value: float(math.ceil(value)))),
    "FLOOR": (_UNARY, _pointwise(lambda value: float(math.floor(value)))),
    "LOG": (_UNARY, _pointwise(_positive(math.log))),
    "LOG10": (_UNARY, _pointwise(_positive(math.log10))),
    "AVG": (_UNARY, _statistic(statistics.fmean)),
    "MAX": (_UNARY, _statistic(max)),
    "MIN": (_UNARY, _statistic(min)),
    "SUM": (_UNARY, _statistic(math.fsum)),
    "STDDEV": (_UNARY, _statistic(statistics.pstdev)),
    "DATAPOINT_COUNT": (_UNARY, _statistic(lambda values: float(len(values)))),
    "METRIC_COUNT": (_UNARY, lambda values, _: float(len(values[0])) if isinstance(values[0], tuple) else 1.0),
    "DIFF": (_UNARY, _neighbours(lambda before, value, _: value - before)),
    "DIFF_TIME": (_UNARY, _neighbours(lambda _, __, seconds: seconds)),
    "RATE": (_UNARY, _neighbours(lambda before, value, seconds: (value - before) / seconds)),
    "RUNNING_SUM": (_UNARY, _running_sum),
    "PERIOD": (_UNARY, lambda _, frame: float(frame.period)),
    "FILL": ((2, 2), _fill),
    "IF": ((2, 3), _if),
    "METRICS": ((0, 1), _metrics),
    "TIME_SERIES": (_UNARY, _time_series),
    "REMOVE_EMPTY": (_UNARY, _remove_empty),
    "FIRST": (_UNARY, _end(lambda items: items[0])),
    "LAST": (_UNARY, _end(lambda items: items[-1])),
    "MINUTE": (_UNARY, _of_time(lambda at: float(at.minute))),
    "HOUR": (_UNARY, _of_time(lambda at: float(at.hour))),
    "DAY": (_UNARY, _of_time(lambda at: float(at.isoweekday()))),
    "DATE": (_UNARY, _of_time(lambda at: float(at.day))),
    "MONTH": (_UNARY, _of_time(lambda at: float(at.month))),
    "YEAR": (_UNARY, _of_time(lambda at: float(at.year))),
    "EPOCH": (_UNARY, _of_time(lambda at: at.timestamp())),
}
"""Name -> ((fewest, most arguments), function)."""

WORDS: Final = ("REPEAT", "LINEAR")
"""Words that stand in an expression without quotes."""
