"""Runs the user's scripts: prepare, Custom and Explainability's entryPoint, each as `python <entryPoint>` in its folder.

Reads and writes files. What a script gets is in its environment (docs/decisions/0011); a script that fails fails the job, with its
last words, and is never a metric.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from records import Record, seconds

LAST_WORDS = 900  # characters: FailureReason holds 1,024


class ScriptFailed(Exception):
    """A user's script ended badly or wrote what cannot be read; the text is for the status of the policy."""


@dataclass(frozen=True)
class Folders:
    """The folders of a run, below /opt/ml/processing; `work` is for what scripts and checks hand to each other."""

    root: Path
    work: Path

    def input(self, name: str) -> Path:
        return self.root / "input" / name


def merged_lines(records: Iterable[Record]) -> str:
    """MONITOR_MERGED: one JSON object a line; `time` as RFC 3339."""
    return "".join(json.dumps(_line(record)) + "\n" for record in records)


def _line(record: Record) -> dict[str, Any]:
    moment = None if record.time is None else datetime.fromtimestamp(record.time, timezone.utc).isoformat().replace("+00:00", "Z")
    return {
        "eventId": record.event_id,
        "inferenceId": record.inference_id,
        "variant": record.variant,
        "time": moment,
        "input": record.input,
        "output": record.output,
        "groundTruth": record.truth,
    }


def record_of(line: Any) -> Record:
    """A line of MONITOR_MERGED. ValueError, TypeError or KeyError for one that is none."""
    if not isinstance(line, dict):
        raise ValueError("is no JSON object")
    time = line.get("time")
    inference_id = line.get("inferenceId")
    return Record(
        event_id=str(line["eventId"]),
        inference_id=None if inference_id is None else str(inference_id),
        variant=line.get("variant"),
        time=None if time is None else seconds(time),
        input=line.get("input"),
        output=line.get("output"),
        truth=line.get("groundTruth"),
    )


def prepared(entry_point: str, folders: Folders) -> list[Record]:
    """The records that prepare made of the window. ScriptFailed if it fails, or a line is no record."""
    output = run(entry_point, "prepare", folders, None)
    found = []
    for number, line in enumerate(output.read_text("utf-8").split("\n"), 1):
        if line.strip():
            try:
                found.append(record_of(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                raise ScriptFailed(f"prepare: {entry_point}: line {number} of MONITOR_OUTPUT is no record: {error!r}") from None
    return found


def document(entry_point: str, check: str, folders: Folders, records: list[Record]) -> dict[str, Any]:
    """The JSON object that a check's script wrote. ScriptFailed for anything else."""
    merged = folders.work / "merged.jsonl"
    merged.write_text(merged_lines(records), "utf-8")
    output = run(entry_point, check, folders, merged)
    try:
        value = json.loads(output.read_bytes())
    except ValueError as error:
        raise ScriptFailed(f"{check}: {entry_point}: MONITOR_OUTPUT is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ScriptFailed(f"{check}: {entry_point}: MONITOR_OUTPUT must hold a JSON object")
    return value


def run(entry_point: str, name: str, folders: Folders, merged: Path | None) -> Path:
    """The file that the script wrote. ScriptFailed without one, or with an exit code other than 0."""
    source = folders.input("source")
    if not (source / entry_point).is_file():
        raise ScriptFailed(f"{name}: there is no {entry_point} in the source")
    output = folders.work / "output"
    output.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "MONITOR_CAPTURE": str(folders.input("capture")),
        "MONITOR_GROUND_TRUTH": str(folders.input("groundtruth")),
        "MONITOR_CONFIG": str(folders.input("config") / "config.json"),
        "MONITOR_OUTPUT": str(output),
        **({"MONITOR_MERGED": str(merged)} if merged is not None else {}),
    }
    done = subprocess.run([sys.executable, str(source / entry_point)], cwd=source, env=environment, stderr=subprocess.PIPE, check=False)
    said = done.stderr.decode("utf-8", "replace")
    sys.stderr.write(said)
    if done.returncode:
        raise ScriptFailed(f"{name}: {entry_point} ended with exit code {done.returncode}: {said.strip()[-LAST_WORDS:]}")
    if not output.is_file():
        raise ScriptFailed(f"{name}: {entry_point} wrote nothing to MONITOR_OUTPUT")
    return output
