"""Reads ground truth, joins it to records by id, and says whether there is enough of both to measure anything.

Ground truth is AWS's own JSON lines (`groundTruthData`, `eventMetadata.eventId`; developer guide, "Ingest Ground Truth labels and
merge them with predictions"), JSON lines with an id field, or CSV with a header that has one.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records import Record, Tally, decode, files_below, lines_of, member, values_of


@dataclass(frozen=True)
class Availability:
    """`data` of report.json. `state` is Available, NoData, LateData or LowMatch; NoData is neither a breach nor a success."""

    state: str
    captured: int
    ground_truth: int
    matched: int
    match_rate: float | None
    message: str


def read_truth(folder: Path, id_field: str, tally: Tally) -> dict[str, Any]:
    """Truth by id. Of several with one id the last in the order of the files wins: a correction is written later."""
    found: dict[str, Any] = {}
    for file in files_below(folder):
        name = f"groundtruth/{file.relative_to(folder).as_posix()}"
        first = next(lines_of(file), b"")
        if first[:1] in (b"{", b""):
            _read_lines(file, name, id_field, found, tally)
        else:
            _read_csv(file, name, id_field, found, tally)
    return found


def _read_lines(file: Path, name: str, id_field: str, found: dict[str, Any], tally: Tally) -> None:
    for line in values_of(file):
        try:
            key, value = truth_of(line, id_field)
        except (ValueError, TypeError, KeyError, AttributeError):
            tally.cannot_read(name)
        else:
            found[key] = value


def truth_of(line: Any, id_field: str) -> tuple[str, Any]:
    """Id and truth of one JSON line. ValueError, TypeError, KeyError or AttributeError for a line that has none."""
    if "groundTruthData" in line:
        event = line["eventMetadata"]
        return str(event["eventId"]), decode(line["groundTruthData"])
    key = member(line, id_field)
    if key is None:
        raise ValueError(f"has no {id_field}")
    return str(key), _rest({name: value for name, value in line.items() if name != id_field})


def _rest(values: dict[str, Any]) -> Any:
    """A record without its id: the one value it has, or all of them by name."""
    if not values:
        raise ValueError("has nothing but an id")
    return next(iter(values.values())) if len(values) == 1 else values


def _read_csv(file: Path, name: str, id_field: str, found: dict[str, Any], tally: Tally) -> None:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        tally.cannot_read(name)
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for line in reader:
        key = line.pop(id_field, None)
        if not key or None in line or None in line.values() or not line:
            tally.cannot_read(name)
        else:
            found[key] = _rest(line)


def merge(records: list[Record], truths: dict[str, Any]) -> None:
    """Give each record its truth: by inference id if the caller gave one, else by event id."""
    for record in records:
        if record.inference_id is not None and record.inference_id in truths:
            record.truth = truths[record.inference_id]
        else:
            record.truth = truths.get(record.event_id)


def availability(
    records: list[Record], truths: int, *, expected: bool, min_matched: int, max_delay: float, now: float, end: float
) -> Availability:
    """Whether the window can be judged. A record without a time is as old as the window's `end`; times and `max_delay` in seconds."""
    captured = len(records)
    matched = sum(record.truth is not None for record in records)
    if not captured:
        return Availability("NoData", 0, truths, 0, None, "nothing was captured in the window")
    if not expected:
        return Availability("Available", captured, truths, matched, None, "")
    state, message = "Available", ""
    if matched < min_matched:
        due = [now - (end if record.time is None else record.time) > max_delay for record in records if record.truth is None]
        waiting = due.count(False)
        state = "LateData" if matched + waiting >= min_matched else "LowMatch"
        message = (
            f"{matched} of {captured} captured records have ground truth, minMatched is {min_matched}; "
            f"{waiting} are younger than maxDelay ({max_delay:.0f}s), {len(due) - waiting} are overdue"
        )
    return Availability(state, captured, truths, matched, matched / captured, message)
