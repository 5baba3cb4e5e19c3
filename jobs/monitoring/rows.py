"""Payloads as rows: what a request or a response says about each of the things it is about.

Pure. A row is a list (CSV, or a JSON array: known by position) or a dict (a JSON object: known by name, nested objects flattened
with dots).
"""

from __future__ import annotations

import csv
import io
from typing import Any

Row = Any  # list[Any] | dict[str, Any]; a scalar that stands alone is a list of one
_CONTAINERS = ("instances", "predictions", "inputs", "rows")


def rows_of(payload: Any) -> list[Row]:
    """The rows of a payload, none for None and for bytes that are no text."""
    if payload is None:
        return []
    if isinstance(payload, str):
        return csv_rows(payload)
    if isinstance(payload, list):
        return [row(item) for item in payload] if payload and isinstance(payload[0], (list, dict)) else [payload]
    if isinstance(payload, dict):
        if set(payload) == {"base64"}:
            return []
        for name in _CONTAINERS:
            if isinstance(payload.get(name), list):
                return [row(item) for item in payload[name]]
        return [row(payload)]
    return [[payload]]


def items_of(payload: Any) -> list[Any]:
    """The items of a response or of ground truth, one for each row of the request, each as it stands there."""
    if isinstance(payload, str):
        return csv_rows(payload)
    if isinstance(payload, dict):
        for name in _CONTAINERS:
            if isinstance(payload.get(name), list):
                return list(payload[name])
        return [] if set(payload) == {"base64"} else [payload]
    if isinstance(payload, list):
        return payload
    return [] if payload is None else [payload]


def csv_rows(text: str) -> list[Row]:
    """Lines of CSV; quotes are honoured, empty lines are no rows."""
    if '"' in text:
        return [cells for cells in csv.reader(io.StringIO(text, newline="")) if cells]
    return [line.split(",") for line in text.replace("\r", "").split("\n") if line.strip()]


def row(item: Any) -> Row:
    """One item as a row."""
    if isinstance(item, list):
        return item
    if not isinstance(item, dict):
        return [item]
    if isinstance(item.get("features"), list):
        return item["features"]
    values = item.get("data", {}).get("features", {}) if isinstance(item.get("data"), dict) else {}
    if isinstance(values, dict) and isinstance(values.get("values"), list):
        return values["values"]
    return flat(item)


def flat(item: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as one, names joined by dots; lists stay what they are."""
    found: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def table(rows: list[Row], names: list[str]) -> dict[str, list[Any]]:
    """Columns by name, each as long as there are rows; None where a row has no such cell.

    `names` are those of the baseline, for rows known by position; a cell beyond them is `_c<position>`, as Model Monitor names it.
    """
    positional = [item for item in rows if isinstance(item, list)]
    if len(positional) == len(rows):
        return _by_position(positional, names)
    columns: dict[str, list[Any]] = {}
    for number, item in enumerate(rows):
        cells = item if isinstance(item, dict) else {_name(names, position): value for position, value in enumerate(item)}
        for name, value in cells.items():
            columns.setdefault(name, [None] * len(rows))[number] = value
    return columns


def _by_position(rows: list[list[Any]], names: list[str]) -> dict[str, list[Any]]:
    width = max((len(item) for item in rows), default=0)
    if any(len(item) != width for item in rows):
        rows = [item + [None] * (width - len(item)) for item in rows]
    return {_name(names, position): [item[position] for item in rows] for position in range(width)}


def _name(names: list[str], position: int) -> str:
    return names[position] if position < len(names) else f"_c{position}"
