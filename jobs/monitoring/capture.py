"""Reads what an endpoint or a transform job wrote: data capture, and batch output.

Layout of data capture: `<variant>/yyyy/mm/dd/hh/<file>.jsonl`, the hour being that of the invocation in UTC; a file may arrive long
after its hour, so `inferenceTime` decides what is in the window, not the folder. Source: developer guide, "Capture data from
real-time endpoint" and "Associate prediction results with input records".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from records import Record, Tally, decode, files_below, guess, lines_of, member, seconds, values_of
from rows import csv_rows

_HOUR = re.compile(r"(?:(?:.*/)?([^/]+)/)?\d{4}/\d{2}/\d{2}/\d{2}/[^/]+")


def read_capture(folder: Path, start: float, end: float, variant: str | None, tally: Tally) -> list[Record]:
    """Records of [start, end), oldest first, each event once; of one variant if it is named."""
    found: dict[str, Record] = {}
    for file in files_below(folder):
        name = file.relative_to(folder).as_posix()
        hour = _HOUR.fullmatch(name)
        folder_variant = hour.group(1) if hour else None
        if variant is not None and folder_variant not in (None, variant):
            continue
        for record in _records(file, name, folder_variant or variant, tally):
            if record.time is None or not start <= record.time < end:
                tally.outside_window += 1
            elif found.setdefault(record.event_id, record) is not record:
                tally.duplicates += 1
    return sorted(found.values(), key=lambda record: (record.time or 0.0, record.event_id))


def _records(file: Path, name: str, variant: str | None, tally: Tally) -> Iterable[Record]:
    for line in values_of(file):
        try:
            yield captured(line, variant)
        except (ValueError, TypeError, KeyError, AttributeError):
            tally.cannot_read(name)


def captured(line: Any, variant: str | None) -> Record:
    """The record of one line. ValueError, TypeError, KeyError or AttributeError for a line that is none."""
    data, event = line["captureData"], line["eventMetadata"]
    sides = [decode(data[side]) if side in data else None for side in ("endpointInput", "endpointOutput")]
    inference_id = event.get("inferenceId")
    return Record(
        event_id=str(event["eventId"]),
        inference_id=None if inference_id is None else str(inference_id),
        variant=variant,
        time=seconds(event["inferenceTime"]),
        input=sides[0],
        output=sides[1],
    )


def read_batch(folder: Path, id_field: str | None, features: int, tally: Tally) -> list[Record]:
    """Records of a transform job's output, one for each line, in the order of files and lines.

    A line of CSV with more cells than the baseline has `features` (those and then the output: joinSource Input) is split there. In a
    JSON line `SageMakerOutput` is the output and the rest the input; without it everything is output. `id_field` is the name
    in the JSON, or the position in the CSV line (which is then no feature); without it the id is `<file>:<line>`.
    """
    found: list[Record] = []
    for file in files_below(folder):
        name = file.relative_to(folder).as_posix()
        for number, line in enumerate(lines_of(file), 1):
            try:
                found.append(batch_record(line.decode("utf-8"), id_field, features, f"{name}:{number}"))
            except (ValueError, IndexError):
                tally.cannot_read(name)
    return found


def batch_record(text: str, id_field: str | None, features: int, default_id: str) -> Record:
    """The record of one line. ValueError or IndexError for a line that is none."""
    value = guess(text)
    if isinstance(value, str):
        if value.lstrip()[:1] == "{":
            raise ValueError("a JSON object that ends too early")
        (cells,) = csv_rows(value)
        key = str(cells.pop(int(id_field))).strip() if id_field is not None and id_field.isdigit() else default_id
        joined = 0 < features < len(cells)
        return Record(key, None, None, None, [cells[:features]] if joined else None, [cells[features:] if joined else cells])
    named = None if id_field is None else member(value, id_field)
    given: Any = None
    answer = value
    if isinstance(value, dict) and "SageMakerOutput" in value:
        answer = value["SageMakerOutput"]
        given = value.get("SageMakerInput", {name: cell for name, cell in value.items() if name not in ("SageMakerOutput", id_field)})
    return Record(default_id if named is None else str(named), None, None, None, given, answer)
