"""Draws graphs and dashboards as PNG with matplotlib, in the places and colours that the JSON says.

Not pixel by pixel what the console shows: it is to be read by people, and to prove that the JSON means what was intended.
"""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from local_aws.cloudwatch.dashboards.graph import Axis, Graph, Level, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI: Final = 100
_TOP: Final = 34
_LEFT: Final = 58
_RIGHT: Final = 18
_BOTTOM: Final = 28
_LEGEND_ROW: Final = 18
_LEGEND_RIGHT: Final = 150
_GREY: Final = "#545b64"
_STATES: Final = {"OK": "#2ca02c", "ALARM": "#d62728", "INSUFFICIENT_DATA": "#7f7f7f"}
# matplotlib's fonts and caches are shared by all figures.
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Box:
    """A place in a picture, in pixels from its top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Note:
    """A widget that is words: lines with their colours under a title."""

    title: str
    lines: Sequence[tuple[str, str]]


def alarm_note(title: str, alarms: Sequence[tuple[str, str]]) -> Note:
    """(name, state) of each alarm."""
    return Note(title, [(f"{state:<18} {name}", _STATES.get(state, _GREY)) for name, state in alarms])


def text_note(markdown: str) -> Note:
    """Markdown as plain lines; its first heading is the title."""
    lines = markdown.splitlines()
    title = lines.pop(0).lstrip("# ") if lines and lines[0].startswith("#") else ""
    return Note(title, [(line.lstrip("# "), _GREY) for line in lines])


def png(width: int, height: int, parts: Sequence[tuple[Box, Graph | Note]]) -> bytes:
    """A picture of that size in pixels."""
    # Imported here: it costs half a second, which a local AWS without pictures need not pay.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _lock:
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
        for box, part in parts:
            if isinstance(part, Graph):
                _graph(figure, box, part)
            else:
                _note(figure, box, part)
        body = io.BytesIO()
        FigureCanvasAgg(figure).print_png(body)  # type: ignore[no-untyped-call]
    return body.getvalue()


def _axes(figure: Figure, box: Box) -> Axes:
    width, height = figure.get_size_inches() * _DPI
    return figure.add_axes((box.x / width, 1 - (box.y + box.height) / height, box.width / width, box.height / height))


def _title(figure: Figure, box: Box, title: str) -> None:
    width, height = figure.get_size_inches() * _DPI
    figure.text((box.x + 10) / width, 1 - (box.y + 20) / height, title, fontsize=10, weight="bold", color="#16191f", parse_math=False)


def _note(figure: Figure, box: Box, note: Note) -> None:
    _title(figure, box, note.title)
    axes = _axes(figure, Box(box.x + 10, box.y + _TOP, max(1, box.width - 20), max(1, box.height - _TOP)))
    axes.set_axis_off()
    step, at = 16 / max(16, box.height - _TOP), 1.0
    for text, colour in note.lines:
        for line in textwrap.wrap(text, max(10, box.width // 7)) or [""]:
            axes.text(0, at, line, fontsize=9, color=colour, va="top", family="monospace", parse_math=False)
            at -= step


def _graph(figure: Figure, box: Box, graph: Graph) -> None:
    _title(figure, box, graph.title)
    if graph.view not in ("timeSeries", "bar", "pie"):
        _numbers(figure, box, graph)
        return
    shown = _legend_lines(graph)
    side = graph.legend == "right" and bool(shown)
    two = any(line.axis == "right" for line in graph.lines) or any(level.axis == "right" for level in graph.levels)
    rows = -(-len(shown) // max(1, box.width // 200)) if shown and graph.legend == "bottom" else 0
    right = _RIGHT + (_LEFT - _RIGHT if two else 0) + (_LEGEND_RIGHT if side else 0)
    bottom = _BOTTOM + rows * _LEGEND_ROW
    place = Box(box.x + _LEFT, box.y + _TOP, max(20, box.width - _LEFT - right), max(20, box.height - _TOP - bottom))
    axes = _axes(figure, place)
    if graph.view == "timeSeries":
        _over_time(axes, graph, two)
    else:
        _bars(axes, graph)
    if shown and graph.legend != "hidden":
        _legend(axes, graph, place, rows)


def _over_time(axes: Axes, graph: Graph, two: bool) -> None:
    sides = {"left": axes, "right": axes.twinx() if two else axes}
    if graph.stacked:
        _stack(axes, graph)
    else:
        for line in graph.lines:
            _line(sides[line.axis], line)
    for name, stated in (("left", graph.left), ("right", graph.right)):
        if name == "left" or two:
            _scale(sides[name], stated, [level for level in graph.levels if level.axis == name])
    for level in graph.levels:
        _level(sides[level.axis], level)
    _marks(axes, graph)
    _times(axes, graph)


def _day(at: float) -> float:
    """matplotlib's times are days since 1970."""
    return at / 86_400


def _line(axes: Axes, line: Line) -> None:
    """A point alone gets a dot: a line of it would not be seen."""
    points = sorted(line.points.items())
    times = [_day(start) for start, _ in points]
    axes.plot(
        times, [value for _, value in points], color=line.colour, linewidth=1.5, marker="o" if len(points) < 3 else None, markersize=4
    )


def _stack(axes: Axes, graph: Graph) -> None:
    starts = sorted({start for line in graph.lines for start in line.points})
    times = [_day(start) for start in starts]
    layers = [[line.points.get(start, 0.0) for start in starts] for line in graph.lines]
    if starts:
        axes.stackplot(times, *layers, colors=[line.colour for line in graph.lines], alpha=0.6)


def _scale(axes: Axes, stated: Axis, levels: Sequence[Level]) -> None:
    """From the data and the annotations, with some air, unless the widget says it."""
    axes.tick_params(labelsize=8, colors=_GREY)
    for spine in axes.spines.values():
        spine.set_color("#d5dbdb")
    axes.set_ylabel(stated.label, fontsize=8, color=_GREY, parse_math=False)
    low, high = axes.get_ylim()
    values = [value for level in levels for value in (level.value, level.until) if value is not None]
    if values:
        low, high = min(low, *values), max(high, *values)
        air = (high - low) * 0.08 or 1.0
        low, high = low - air, high + air
    axes.set_ylim(low if stated.low is None else stated.low, high if stated.high is None else stated.high)


def _level(axes: Axes, level: Level) -> None:
    low, high = axes.get_ylim()
    axes.axhline(level.value, color=level.colour, linewidth=1.44, antialiased=False, zorder=3)
    until = level.until if level.until is not None else {"above": high, "below": low}.get(level.fill)
    if level.until is not None:
        axes.axhline(level.until, color=level.colour, linewidth=1.44, antialiased=False, zorder=3)
    if until is not None:
        axes.axhspan(level.value, until, color=level.colour, alpha=0.12, zorder=0)
    if level.label:
        text = axes.text(0.995, level.value, level.label, fontsize=8, color=level.colour, ha="right", va="bottom", parse_math=False)
        text.set_transform(axes.get_yaxis_transform())


def _marks(axes: Axes, graph: Graph) -> None:
    for mark in graph.marks:
        at = _day(mark.at)
        axes.axvline(at, color=mark.colour, linewidth=1.44, antialiased=False, zorder=3)
        until = mark.until if mark.until is not None else {"before": graph.begin, "after": graph.end}.get(mark.fill)
        if mark.until is not None:
            axes.axvline(_day(mark.until), color=mark.colour, linewidth=1.44, antialiased=False, zorder=3)
        if until is not None:
            axes.axvspan(at, _day(until), color=mark.colour, alpha=0.12, zorder=0)
        if mark.label and graph.begin <= mark.at <= graph.end:
            text = axes.text(at, 0.98, f" {mark.label}", fontsize=8, color=mark.colour, va="top", rotation=90, ha="right", parse_math=False)
            text.set_transform(axes.get_xaxis_transform())


def _times(axes: Axes, graph: Graph) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter

    zone = timezone(timedelta(seconds=graph.zone))
    form = "%H:%M" if graph.end - graph.begin <= 86_400 else "%m-%d %H:%M"
    axes.xaxis.set_major_locator(AutoDateLocator(tz=zone, maxticks=7))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter(form, tz=zone))  # type: ignore[no-untyped-call]
    axes.set_xlim(_day(graph.begin), _day(graph.end))
    axes.grid(axis="y", color="#eaeded", linewidth=0.8)
    axes.set_axisbelow(True)


def _bars(axes: Axes, graph: Graph) -> None:
    """The latest value of each line; a pie is drawn as bars."""
    values = [_latest(line) or 0.0 for line in graph.lines]
    axes.bar(range(len(values)), values, color=[line.colour for line in graph.lines])
    axes.set_xticks([])
    _scale(axes, graph.left, graph.levels)
    for level in graph.levels:
        _level(axes, level)


def _latest(line: Line) -> float | None:
    return line.points[max(line.points)] if line.points else None


def _numbers(figure: Figure, box: Box, graph: Graph) -> None:
    """The latest value of each line: singleValue, gauge, table."""
    axes = _axes(figure, Box(box.x + 10, box.y + _TOP, max(1, box.width - 20), max(1, box.height - _TOP)))
    axes.set_axis_off()
    for index, line in enumerate(graph.lines):
        at = (index + 0.5) / len(graph.lines)
        value = _latest(line)
        axes.text(at, 0.6, "--" if value is None else f"{value:.4g}", fontsize=18, color=line.colour, ha="center", va="center")
        axes.text(at, 0.25, line.label, fontsize=8, color=_GREY, ha="center", va="center", parse_math=False)


def _legend_lines(graph: Graph) -> Sequence[Line]:
    return [line for line in graph.lines if line.label]


def _legend(axes: Axes, graph: Graph, place: Box, rows: int) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=line.colour, linewidth=4) for line in graph.lines if line.label]
    labels = [line.label.replace("$", r"\$") for line in graph.lines if line.label]
    style: Mapping[str, Any] = {"fontsize": 8, "frameon": False, "handlelength": 0.8, "borderaxespad": 0.0}
    if graph.legend == "right":
        axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1 + 14 / place.width, 1.0), **style)
    else:
        below = -(_BOTTOM - 4) / place.height
        axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.0, below), ncols=-(-len(labels) // rows), **style)


def caption(at: float) -> str:
    """A moment as the head of a dashboard's picture shows it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
