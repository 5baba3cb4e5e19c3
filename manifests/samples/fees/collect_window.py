"""Collects what a check of the fees forecasts looks at: each forecast of the window, with the points that truly followed it.

The prepare step of the fees MonitorPolicy. Actuals arrive one point a line, `{"eventId", "step", "value"}`: step 1 is the first point
after the request's target. A forecast has its truth when all points of its horizon are there; before, it waits.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any


def main() -> None:
    config = json.loads(Path(os.environ["MONITOR_CONFIG"]).read_text("utf-8"))
    actuals = actuals_of(Path(os.environ["MONITOR_GROUND_TRUTH"]), config["groundTruth"]["idField"])
    found = {}
    for folder in sorted(item for item in Path(os.environ["MONITOR_CAPTURE"]).iterdir() if item.is_dir()):
        if config["target"]["variant"] in (None, folder.name):  # capture is laid out by variant
            records = (record_of(line, folder.name, actuals) for line in lines_below(folder))
            found.update({record["eventId"]: record for record in records if wanted(record, config)})
    Path(os.environ["MONITOR_OUTPUT"]).write_text("".join(json.dumps(record) + "\n" for record in found.values()), "utf-8")
    print(f"collected={len(found)}; with_truth={sum(record['groundTruth'] is not None for record in found.values())};")


def lines_below(folder: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of all files; a line that is cut off is the job's to tell, which reads the same files."""
    for file in sorted(folder.rglob("*.jsonl")):
        for text in file.read_text("utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def actuals_of(folder: Path, id_field: str) -> dict[str, dict[int, float]]:
    """Value by step, by the forecast's id. A point that is told again replaces the one before."""
    found: dict[str, dict[int, float]] = {}
    for line in lines_below(folder):
        if id_field in line:
            found.setdefault(str(line[id_field]), {})[int(line["step"])] = float(line["value"])
    return found


def record_of(line: dict[str, Any], variant: str, actuals: dict[str, dict[int, float]]) -> dict[str, Any]:
    """A record of the contract of a check (docs/decisions/0011). What it says of the input is what can drift: level and last value."""
    event, sides = line["eventMetadata"], line["captureData"]
    answer = payload(sides["endpointOutput"])
    (instance,) = payload(sides["endpointInput"])["instances"]
    horizon = len(next(iter(answer["predictions"][0]["quantiles"].values())))
    points = actuals.get(event.get("inferenceId") or event["eventId"], {})
    known = all(step in points for step in range(1, horizon + 1))
    target = instance["target"]
    return {
        "eventId": event["eventId"],
        "inferenceId": event.get("inferenceId"),
        "variant": variant,
        "time": event["inferenceTime"],
        "input": {"level": sum(target) / len(target), "last": target[-1]},
        "output": answer,
        "groundTruth": {"target": [points[step] for step in range(1, horizon + 1)]} if known else None,
    }


def payload(side: dict[str, Any]) -> Any:
    data = side["data"]
    return json.loads(base64.b64decode(data) if side.get("encoding") == "BASE64" else data)


def wanted(record: dict[str, Any], config: dict[str, Any]) -> bool:
    start, at, end = (moment(text) for text in (config["window"]["start"], record["time"], config["window"]["end"]))
    return start <= at < end


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


if __name__ == "__main__":
    main()
