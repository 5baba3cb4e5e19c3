"""Makes the baseline of a model version: what later windows are compared with.

Called by an evaluate step, in Python (`baseline(rows)`) or by hand, without AWS:

    python baseline.py --data out/train --names region,amount --output out/evaluation
    python baseline.py --data train.csv --header --drop label --predictions merged.jsonl --problem-type Regression --output out

Writes baseline.json, statistics.json and constraints.json in Model Monitor's format. `--predictions` are JSON lines as MONITOR_MERGED
has them (`output`, `groundTruth`): their metrics become the model quality constraints. `--attributions` is what an Explainability
check compares with: `{"attributions": {feature: mean}}`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from check_config import ModelQuality
from columns import columns_of
from describe import constraints_of, statistics_of
from explainability import averages
from model_quality import constraints, measure
from quality_metrics import GROUPS, METRICS
from records import files_below
from report import write
from rows import csv_rows, row, table
from scripts import ScriptFailed, record_of
from window import Baseline, Window


def baseline(
    rows: list[Any], names: Sequence[str] = (), *, quality: dict[str, Any] | None = None, attributions: dict[str, float] | None = None
) -> dict[str, Any]:
    """baseline.json of rows (lists, or dicts by name): `statistics`, `constraints` and `attributions` if there are any.

    `names` are those of the columns of lists; without them they are `_c0`, `_c1`, ... `quality` is a group of constraints.
    """
    columns = columns_of(table(rows, list(names)))
    made: dict[str, Any] = {"statistics": statistics_of(columns, len(rows)), "constraints": {**constraints_of(columns), **(quality or {})}}
    return {**made, "attributions": attributions} if attributions else made


def quality_constraints(lines: list[dict[str, Any]], problem: str) -> dict[str, Any]:
    """The group of constraints.json for predictions with their truth."""
    check = ModelQuality("baseline", problem, METRICS[problem], None, None, None, 0.5, "1")
    found = measure(check, Window([record_of({"eventId": str(at), **line}) for at, line in enumerate(lines)], None, Baseline(), 1))
    return constraints(problem, {metric.name: metric.value for metric in found.metrics if metric.value is not None})


def read_rows(path: Path, names: list[str], *, header: bool) -> tuple[list[Any], list[str]]:
    """Rows of CSV or JSON lines, of one file or of all in a folder. ValueError without any."""
    rows: list[Any] = []
    for file in files_below(path) if path.is_dir() else [path]:
        if file.suffix not in (".csv", ".json", ".jsonl"):
            continue
        text = file.read_text("utf-8-sig")
        if file.suffix == ".csv":
            found = csv_rows(text)
            if header and found:
                names = names or [str(name) for name in found[0]]
                found = found[1:]
            rows += found
        else:
            rows += [row(json.loads(line)) for line in text.split("\n") if line.strip()]
    if not rows:
        raise ValueError(f"{path}: holds no rows in *.csv, *.json or *.jsonl")
    return rows, names


def without(rows: list[Any], names: list[str], dropped: Sequence[str]) -> tuple[list[Any], list[str]]:
    """The rows without some columns, by name or position. ValueError for one that is not there."""
    if not dropped:
        return rows, names
    places = {_place(name, names) for name in dropped if not (rows and isinstance(rows[0], dict))}
    kept = [
        {name: cell for name, cell in item.items() if name not in dropped}
        if isinstance(item, dict)
        else [cell for place, cell in enumerate(item) if place not in places]
        for item in rows
    ]
    return kept, [name for place, name in enumerate(names) if place not in places]


def _place(name: str, names: list[str]) -> int:
    if name in names:
        return names.index(name)
    if name.isdigit():
        return int(name)
    raise ValueError(f"--drop {name}: there is no such column; known are {', '.join(names) or 'positions, as the data has no names'}")


def main(argv: list[str] | None = None) -> int:
    """0, or 2 with what is wrong on stderr."""
    parser = argparse.ArgumentParser(description="Describe training data for the monitor.", allow_abbrev=False)
    parser.add_argument("--data", required=True, type=Path, help="folder with *.csv, *.json or *.jsonl, or one file")
    parser.add_argument("--output", required=True, type=Path, help="folder for baseline.json, statistics.json and constraints.json")
    parser.add_argument("--names", default="", help="names of the columns, separated by commas")
    parser.add_argument("--header", action="store_true", help="the first line of each CSV file holds the names")
    parser.add_argument("--drop", default="", help="columns that no request has (the label), by name or position, separated by commas")
    parser.add_argument("--predictions", type=Path, help="JSON lines with output and groundTruth")
    parser.add_argument("--problem-type", choices=tuple(GROUPS), help="of the predictions")
    parser.add_argument("--attributions", type=Path, help="JSON file with the attributions of the training data")
    given = parser.parse_args(argv)
    if (given.predictions is None) != (given.problem_type is None):
        parser.error("--predictions and --problem-type go together")
    try:
        document = _document(given)
    except (ValueError, OSError, ScriptFailed) as error:
        print(f"baseline: {error}", file=sys.stderr)
        return 2
    for name, part in (("baseline", document), ("statistics", document["statistics"]), ("constraints", document["constraints"])):
        write(given.output / f"{name}.json", part, None)
    return 0


def _document(given: argparse.Namespace) -> dict[str, Any]:
    rows, names = read_rows(given.data, _cells(given.names), header=given.header)
    rows, names = without(rows, names, _cells(given.drop))
    quality, attributions = None, None
    if given.predictions is not None:
        lines = [json.loads(line) for line in given.predictions.read_text("utf-8").split("\n") if line.strip()]
        quality = quality_constraints(lines, given.problem_type)
    if given.attributions is not None:
        attributions, _ = averages(json.loads(given.attributions.read_text("utf-8")), "--attributions")
    return baseline(rows, names, quality=quality, attributions=attributions)


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([text]))] if text else []


if __name__ == "__main__":
    sys.exit(main())
