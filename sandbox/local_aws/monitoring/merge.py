"""Joins captured lines with ground truth, as the merge job that AWS runs before a model quality job. Pure.

A captured line meets the ground truth of its inference id, or of its event id when it has none. Source: developer guide, "Ingest
ground truth labels and merge them with predictions".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def truths(lines: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Event id -> groundTruthData; the last of several counts, and a line that is none is passed over."""
    found: dict[str, Mapping[str, Any]] = {}
    for record in _records(lines):
        event, data = record.get("eventMetadata", {}).get("eventId"), record.get("groundTruthData")
        if isinstance(event, str) and isinstance(data, dict):
            found[event] = data
    return found


def merged(lines: Iterable[str], truth: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The captured lines that have ground truth, with it."""
    for record in _records(lines):
        event = record.get("eventMetadata", {})
        data = truth.get(event.get("inferenceId", event.get("eventId")))
        if data is not None:
            yield json.dumps({**record, "groundTruthData": data}, separators=(",", ":"))


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record
