"""What a metric widget shows: its lines with their points, thresholds and marks. Reads the metric store, draws nothing.

Source: CloudWatch API reference, "Metric widget structure": rows with "." and "...", options, annotations, the times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from local_aws.cloudwatch import queries
from local_aws.cloudwatch.alarm import Alarm
from local_aws.cloudwatch.math.values import Points
from local_aws.metric_store import MetricStore

PALETTE: Final = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
_LINE: Final = "#d62728"
_RANGE: Final = "-PT3H"
_PERIOD: Final = 300
_STATISTIC: Final = "Average"
_OFFSET: Final = re.compile(r"-P(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_SECONDS: Final = (2_592_000, 604_800, 86_400, 3600, 60, 1)
_ZONE: Final = re.compile(r"([+-])(\d{2}):?(\d{2})")


@dataclass(frozen=True, slots=True)
class Line:
    """`points` by seconds since the epoch."""

    label: str
    colour: str
    axis: str
    points: Points


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal annotation, up to `until` when it is a band; `fill` is above, below or none."""

    value: float
    label: str
    colour: str
    fill: str
    axis: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical annotation at `at` seconds since the epoch; `fill` is before, after or none."""

    at: float
    label: str
    colour: str
    fill: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """The left or the right one; None is found from the data."""

    low: float | None = None
    high: float | None = None
    label: str = ""

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> Axis:
        return cls(stated.get("min"), stated.get("max"), stated.get("label", ""))


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that a picture of a metric widget needs; times in seconds since the epoch, `zone` in seconds east of UTC."""

    title: str
    view: str
    stacked: bool
    legend: str
    begin: float
    end: float
    zone: int
    lines: Sequence[Line]
    levels: Sequence[Level]
    marks: Sequence[Mark]
    left: Axis
    right: Axis


@dataclass(frozen=True, slots=True)
class Source:
    """Where a widget's data come from; `now` is AWS time."""

    store: MetricStore
    alarm: Callable[[str], Alarm | None]
    now: float


def read(properties: Mapping[str, Any], source: Source, around: Mapping[str, Any] | None = None) -> Graph:
    """A checked widget's graph; `around` is the dashboard, whose times count when the widget has none.

    ValueError names a time that is none; AwsError an expression that fails.
    """
    times = {**(around or {}), **properties}
    end = source.now if "end" not in times else moment(times["end"], source.now, "end")
    begin = moment(times.get("start", _RANGE), source.now, "start")
    annotations = properties.get("annotations", {})
    alarms = [found for arn in annotations.get("alarms", ()) if (found := source.alarm(arn)) is not None]
    levels = [_level(each) for each in annotations.get("horizontal", ()) if _visible(each)]
    levels += [Level(each.rule.threshold, f"{each.name}", _LINE, "none", "left") for each in alarms]
    yaxis = properties.get("yAxis", {})
    title = properties.get("title") or (alarms[0].name if alarms else "")
    return Graph(
        title=title,
        view=properties.get("view", "timeSeries"),
        stacked=properties.get("stacked", False),
        legend=properties.get("legend", {}).get("position", "bottom"),
        begin=begin,
        end=end,
        zone=_zone(properties.get("timezone", "+0000")),
        lines=list(_lines(properties, source.store, alarms, begin, end)),
        levels=levels,
        marks=[_mark(each) for each in annotations.get("vertical", ()) if _visible(each)],
        left=Axis.of(yaxis.get("left", {})),
        right=Axis.of(yaxis.get("right", {})),
    )


def moment(text: str, now: float, member: str) -> float:
    """`-PT3H` before now, or an ISO 8601 time (UTC when it has no zone), in seconds since the epoch; ValueError."""
    found = _OFFSET.fullmatch(text)
    if found is not None and any(found.groups()):
        return now - sum(int(part or 0) * seconds for part, seconds in zip(found.groups(), _SECONDS, strict=True))
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{member}: {text} is neither a time as 2026-01-31T12:00:00Z nor an offset as -PT3H") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _zone(text: str) -> int:
    found = _ZONE.fullmatch(text)
    if found is None:
        raise ValueError(f"timezone: {text} is not an offset as +0130")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def rows(metrics: Sequence[Sequence[Any]]) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    """(namespace, name, dimensions..., options) of each row, with "." and "..." replaced by what the row above has."""
    above: list[str] = []
    for row in metrics:
        options = row[-1] if isinstance(row[-1], dict) else {}
        names = [each for each in row if isinstance(each, str)]
        if names and names[0] == "...":
            tail = names[1:]
            names = [*above[: len(above) - len(tail)], *tail]
        names = [above[index] if each == "." and index < len(above) else each for index, each in enumerate(names)]
        above = names or above
        yield names, options


def _lines(properties: Mapping[str, Any], store: MetricStore, alarms: Sequence[Alarm], begin: float, end: float) -> Iterator[Line]:
    wanted, options = _queries(properties)
    for number, alarm in enumerate(alarms):
        named = [_renamed(query, number, alarm) for query in alarm.queries]
        wanted += named
        options |= {query["Id"]: {} for query in named}
    if not wanted:
        return
    queries.check(wanted, "metrics")
    period = queries.period(wanted)
    first = begin // period * period
    for number, (query, series) in enumerate(queries.results(store, wanted, first, end, period)):
        stated = options[query["Id"]]
        colour = stated.get("color", PALETTE[number % len(PALETTE)])
        shown = {start: value for start, value in series.points.items() if start >= begin}
        yield Line(series.label, colour, stated.get("yAxis", "left"), shown)


def _renamed(query: Mapping[str, Any], number: int, alarm: Alarm) -> Mapping[str, Any]:
    """An alarm on one metric calls it m1, as a row of the widget may; metric math keeps the ids that its expressions name."""
    return {**query, "Id": f"alarm{number}"} if alarm.metric else query


def _queries(properties: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
    found: list[Mapping[str, Any]] = []
    options: dict[str, Mapping[str, Any]] = {}
    for number, (names, stated) in enumerate(rows(properties.get("metrics", ()))):
        query: dict[str, Any] = {"Id": stated.get("id", f"row{number}"), "ReturnData": stated.get("visible", True)}
        if "label" in stated:
            query["Label"] = stated["label"]
        period = stated.get("period", properties.get("period", _PERIOD))
        if "expression" in stated:
            query |= {"Expression": stated["expression"], "Period": period}
        else:
            if len(names) < 2 or len(names) % 2:
                raise ValueError(f"metrics: row {number} has no namespace, name and pairs of dimensions: {names}")
            dimensions = [{"Name": name, "Value": value} for name, value in zip(names[2::2], names[3::2], strict=True)]
            metric = {"Namespace": names[0], "MetricName": names[1], "Dimensions": dimensions}
            stat = stated.get("stat", properties.get("stat", _STATISTIC))
            query["MetricStat"] = {"Metric": metric, "Period": period, "Stat": stat}
        found.append(query)
        options[query["Id"]] = stated
    return found, options


def _visible(annotation: Any) -> bool:
    first = annotation[0] if isinstance(annotation, list) else annotation
    return bool(first.get("visible", True))


def _level(stated: Any) -> Level:
    if isinstance(stated, list):
        low, high = stated[0], stated[-1]
        return replace(_level({**low, "fill": "none"}), until=float(high["value"]))
    fill, axis = stated.get("fill", "none"), stated.get("yAxis", "left")
    return Level(float(stated["value"]), stated.get("label", ""), stated.get("color", _LINE), fill, axis)


def _mark(stated: Any) -> Mark:
    if isinstance(stated, list):
        return replace(_mark({**stated[0], "fill": "none"}), until=moment(stated[-1]["value"], 0.0, "value"))
    at = moment(stated["value"], 0.0, "value")
    return Mark(at, stated.get("label", ""), stated.get("color", _LINE), stated.get("fill", "none"))
