"""MetricDataQueries, wherever they stand: in GetMetricData, in an alarm, in a widget. Their rules, and their series.

The metrics of one list may have different periods: each is read at its own, and an expression meets them where both have a point.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from local_aws.cloudwatch import words
from local_aws.cloudwatch.math import evaluate
from local_aws.cloudwatch.math.functions import FUNCTIONS
from local_aws.cloudwatch.math.grammar import parse
from local_aws.cloudwatch.math.values import MathError, Series
from local_aws.metric_store import MINUTE, Metric, MetricStore

_PERCENTILE: Final = re.compile(r"p(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,10})?)")
_ID: Final = re.compile(r"[a-z][a-zA-Z0-9_]*")
STATISTICS: Final = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_QUERIES: Final = 500
_MOST_POINTS: Final = 100_800

Query = Mapping[str, Any]


def is_percentile(statistic: str) -> bool:
    """Whether it is a percentile as p0 to p100."""
    return _PERCENTILE.fullmatch(statistic) is not None


def check(queries: Sequence[Query], path: str) -> None:
    """Raises AwsError; `path` is the member that holds the list."""
    if len(queries) > _QUERIES:
        raise words.validation(f"The collection {path} must not have a size greater than {_QUERIES}.")
    ids = [query["Id"] for query in queries]
    if len(set(ids)) < len(ids):
        raise words.validation(f"The values for parameter id in {path} are not unique.")
    for index, query in enumerate(queries, 1):
        _check(query, f"{path}.member.{index}")
    for query in queries:
        if "Expression" in query:
            _check_names(query, set(ids))


def _check(query: Query, path: str) -> None:
    if not _ID.fullmatch(query["Id"]):
        raise words.validation(
            f"The value {query['Id']} for parameter {path}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )
    if "AccountId" in query:
        raise words.unsupported(f"{path}.AccountId (another account)")
    if "Expression" in query:
        if "MetricStat" in query:
            raise words.validation(
                f"The parameters {path}.Expression and {path}.MetricStat are mutually exclusive and you have specified both."
            )
        _check_period(query.get("Period", MINUTE), f"{path}.Period")
        return
    if "MetricStat" not in query:
        raise words.validation(f"The parameter {path}.MetricStat is required.\n")
    stat = query["MetricStat"]["Stat"]
    if stat not in STATISTICS and not is_percentile(stat):
        raise words.validation(f"The value {stat} for parameter {path}.MetricStat.Stat is not supported.")


def _check_period(period: int, path: str) -> None:
    if period % MINUTE and period not in (1, 5, 10, 20, 30):
        raise words.validation(f"The value {period} for parameter {path} must be 1, 5, 10, 20, 30 or a multiple of 60.")


def _check_names(query: Query, ids: set[str]) -> None:
    try:
        tree = parse(query["Expression"])
        for function in evaluate.functions(tree):
            if function not in FUNCTIONS:
                raise MathError(f"Unknown function '{function}'")
        for name in sorted(evaluate.names(tree) - ids):
            raise MathError(f"Undefined variable '{name}'")
    except MathError as error:
        raise words.expression(query["Id"], str(error)) from error


def period(queries: Sequence[Query]) -> int:
    """Seconds between the points of an expression: the longest period of the list, a minute when none says one."""
    stated = [query["MetricStat"]["Period"] for query in queries if "MetricStat" in query]
    return max([*stated, *(query["Period"] for query in queries if "Period" in query)], default=MINUTE)


def results(store: MetricStore, queries: Sequence[Query], begin: float, end: float, period: int) -> Iterator[tuple[Query, Series]]:
    """The labelled series of every query that returns data, in the request's order; an array gives several of one id.

    Periods start at `begin`, whole seconds, and every `period` seconds from there. AwsError for an expression that fails.
    """
    moments = range(int(begin), math.ceil(end), period)
    if len(moments) > _MOST_POINTS and any("Expression" in query for query in queries):
        raise words.validation(f"An expression can have at most {_MOST_POINTS:,} datapoints: increase Period or shorten the time range.")
    found = evaluate.Queries(queries, moments, period, lambda query: fetched(store, query["MetricStat"], begin, end))
    for query in queries:
        if not query.get("ReturnData", True):
            continue
        try:
            shown = found.series(query["Id"])
        except MathError as error:
            raise words.expression(query["Id"], str(error)) from error
        for series in shown:
            yield query, Series(series.points, _label(query, series, single=len(shown) == 1))


def _label(query: Query, series: Series, *, single: bool) -> str:
    if "MetricStat" in query:
        name: str = query["MetricStat"]["Metric"]["MetricName"]
        return str(query.get("Label", name))
    given: str = query.get("Label", "")
    if single:
        return given or query["Id"]
    return f"{given} {series.label}".strip() or query["Id"]


def fetched(store: MetricStore, stat: Mapping[str, Any], begin: float, end: float) -> Series:
    """A MetricStat's values from `begin` until before `end`; the label is the metric's name."""
    wanted = stat["Metric"]
    metric = Metric.of(wanted["Namespace"], wanted["MetricName"], wanted.get("Dimensions", ()))
    step, found = stat["Period"], {}
    first, last = store.span(metric)
    start = begin + max(0.0, (first - begin) // step) * step
    while start < min(end, last + 1):
        data = store.window(metric, start, min(start + step, end), stat.get("Unit"))
        value = None if data is None else data.statistic(stat["Stat"])
        if value is not None:
            found[start] = value
        start += step
    return Series(found, metric.name)
