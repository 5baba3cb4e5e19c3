"""What is wrong with a dashboard's body or a widget: paths and messages as PutDashboard gives them. Pure.

Sources: CloudWatch API reference, "Dashboard body structure and syntax"; messages from deployments quoted in public issues
("Should NOT have more than 2 items", "Invalid metric field type, only 'String' type is allowed"), the others in the words of the JSON
schema validator that these come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Problem:
    """`error` is False for what AWS accepts with a warning."""

    path: str
    message: str
    error: bool = True


Check = Callable[[Any, str], Iterator[Problem]]

TYPES: Final = ("metric", "text", "alarm", "log", "explorer", "custom")
VIEWS: Final = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
_WIDGETS: Final = 500
_METRICS: Final = 500
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_OPTION_NAMES: Final = frozenset(
    {"accountId", "color", "expression", "id", "label", "period", "region", "stat", "visible", "yAxis"},
)
_AXES: Final = ("left", "right")


def body(document: Any) -> list[Problem]:
    """Problems of a whole dashboard."""
    return list(_of(_BODY, ("widgets",))(document, ""))


def widget(properties: Any) -> list[Problem]:
    """Problems of what GetMetricWidgetImage draws."""
    return list(_metric_widget(_IMAGE, ())(properties, ""))


def _is(kind: type | tuple[type, ...], word: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            yield Problem(path, f"Should be {word}")

    return check


_text: Final = _is(str, "string")
_flag: Final = _is(bool, "boolean")
_number: Final = _is((int, float), "number")


def _whole(low: int, high: int) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield Problem(path, "Should be integer")
        elif value < low:
            yield Problem(path, f"Should be >= {low}")
        elif value > high:
            yield Problem(path, f"Should be <= {high}")

    return check


def _one_of(*known: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if value not in known:
            yield Problem(path, "Should be equal to one of the allowed values")

    return check


def _colour(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        yield Problem(path, f'Should match pattern "^{_COLOUR.pattern}$"')


def _moment(value: Any, path: str) -> Iterator[Problem]:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        yield Problem(path, 'Should match format "date-time"')


def _period(value: Any, path: str) -> Iterator[Problem]:
    yield from _whole(1, 2_592_000)(value, path)
    if isinstance(value, int) and value % 60 and value not in (1, 5, 10, 20, 30):
        yield Problem(path, "Should be multiple of 60")


def _list(item: Check, most: int) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield Problem(path, "Should be array")
            return
        if len(value) > most:
            yield Problem(path, f"Should NOT have more than {most} items")
        for index, each in enumerate(value):
            yield from item(each, f"{path}/{index}")

    return check


def _of(members: Mapping[str, Check], required: Collection[str] = ()) -> Check:
    """An object; members that AWS does not know are warnings."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(path or "/", "Should be object")
            return
        for name in required:
            if name not in value:
                yield Problem(path or "/", f"Should have required property '{name}'")
        for name, each in value.items():
            if name in members:
                yield from members[name](each, f"{path}/{name}")
            else:
                yield Problem(f"{path}/{name}", "Should NOT have additional properties", error=False)

    return check


def _pair_or(single: Check) -> Check:
    """A line, or two of them with the band between."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        yield from (_list(single, 2) if isinstance(value, list) else single)(value, path)

    return check


def _anything(value: Any, path: str) -> Iterator[Problem]:
    yield from ()


_OPTIONS: Final[Mapping[str, Check]] = {
    **dict.fromkeys(_OPTION_NAMES, _text),
    "color": _colour,
    "period": _period,
    "visible": _flag,
    "yAxis": _one_of(*_AXES),
}


def _row(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield Problem(path, "Should be array" if not isinstance(value, list) else "Should NOT have fewer than 1 items")
        return
    options = value[-1] if isinstance(value[-1], dict) else None
    names = value[:-1] if options is not None else value
    wrong = [index for index, name in enumerate(names) if not isinstance(name, str)]
    yield from (Problem(f"{path}/{index}", "Invalid metric field type, only 'String' type is allowed") for index in wrong)
    if options is not None and names and not options.keys() <= _OPTION_NAMES:
        yield Problem(path, f"Should NOT have more than {len(names)} items")
    elif options is not None:
        yield from _of(_OPTIONS)(options, f"{path}/{len(names)}")
    if not names and not (options or {}).keys() & {"expression"}:
        yield Problem(path, "Should have required property 'expression'")
    yield from _names(names, path)


def _names(names: Sequence[Any], path: str) -> Iterator[Problem]:
    """Namespace, name, and pairs of a dimension's name and value, unless "..." stands for what the row above has."""
    if not names or "..." in names:
        return
    if len(names) == 1:
        yield Problem(path, "Should NOT have fewer than 2 items")
    elif len(names) % 2:
        yield Problem(path, f"Should NOT have more than {len(names) - 1} items")


_AXIS: Final = _of({"label": _text, "min": _number, "max": _number, "showUnits": _flag})
_LINE: Final = {"label": _text, "color": _colour, "visible": _flag}
_HORIZONTAL: Final = _of({**_LINE, "value": _number, "fill": _one_of("above", "below", "none"), "yAxis": _one_of(*_AXES)}, ("value",))
_VERTICAL: Final = _of({**_LINE, "value": _moment, "fill": _one_of("before", "after", "none")}, ("value",))
_METRIC: Final[Mapping[str, Check]] = {
    "accountId": _text,
    "annotations": _of(
        {
            "horizontal": _list(_pair_or(_HORIZONTAL), 100),
            "vertical": _list(_pair_or(_VERTICAL), 100),
            "alarms": _list(_text, 1),
        }
    ),
    "end": _text,
    "legend": _of({"position": _one_of("bottom", "right", "hidden")}),
    "liveData": _flag,
    "metrics": _list(_row, _METRICS),
    "period": _period,
    "region": _text,
    "setPeriodToTimeRange": _flag,
    "singleValueFullPrecision": _flag,
    "sparkline": _flag,
    "stacked": _flag,
    "start": _text,
    "stat": _text,
    "table": _anything,
    "timezone": _text,
    "title": _text,
    "trend": _flag,
    "view": _one_of(*VIEWS),
    "yAxis": _of({"left": _AXIS, "right": _AXIS}),
}
_IMAGE: Final[Mapping[str, Check]] = {**_METRIC, "width": _whole(1, 2000), "height": _whole(1, 2000), "theme": _one_of("light", "dark")}


def _metric_widget(members: Mapping[str, Check], required: Collection[str]) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        yield from _of(members, required)(value, path)
        if isinstance(value, dict) and "metrics" not in value:
            annotations = value.get("annotations")
            if not isinstance(annotations, dict) or "alarms" not in annotations:
                yield Problem(path or "/", "Should have required property 'metrics'")

    return check


_PROPERTIES: Final[Mapping[str, Check]] = {
    "metric": _metric_widget(_METRIC, ("region",)),
    "text": _of({"markdown": _text, "background": _one_of("solid", "transparent")}, ("markdown",)),
    "alarm": _of(
        {
            "alarms": _list(_text, 100),
            "sortBy": _one_of("default", "stateUpdatedTimestamp", "timestamp"),
            "states": _list(_one_of("ALARM", "INSUFFICIENT_DATA", "OK"), 3),
            "title": _text,
        },
        ("alarms",),
    ),
}


def _widget(value: Any, path: str) -> Iterator[Problem]:
    kind = value.get("type") if isinstance(value, dict) else None
    members: Mapping[str, Check] = {
        "type": _one_of(*TYPES),
        "x": _whole(0, 23),
        "y": _whole(0, 10_000),
        "width": _whole(1, 24),
        "height": _whole(1, 1000),
        "properties": _PROPERTIES.get(kind, _anything) if isinstance(kind, str) else _anything,
    }
    yield from _of(members, ("type", "properties"))(value, path)
    if isinstance(value, dict) and ("x" in value) != ("y" in value):
        yield Problem(path, f"Should have required property '{'y' if 'x' in value else 'x'}'")


_BODY: Final[Mapping[str, Check]] = {
    "widgets": _list(_widget, _WIDGETS),
    "start": _text,
    "end": _text,
    "periodOverride": _one_of("auto", "inherit"),
    "variables": _list(_anything, 25),
}
