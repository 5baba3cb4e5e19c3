"""What every check is given: the records of one variant, their table, and the baseline of the model version that is watched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from columns import Column, columns_of
from records import Record
from report import Meter
from rows import rows_of, table


@dataclass(frozen=True)
class Baseline:
    """baseline.json, or statistics.json and constraints.json; empty without any. `attributions`: feature -> mean |attribution|."""

    statistics: dict[str, Any] = field(default_factory=dict)
    constraints: dict[str, Any] = field(default_factory=dict)
    attributions: dict[str, float] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The features in their order, which is how a row that has no names is read."""
        listed = self.statistics.get("features") or self.constraints.get("features") or []
        return [str(item["name"]) for item in listed]

    @cached_property
    def features(self) -> dict[str, dict[str, Any]]:
        """Statistics by feature."""
        return {str(item["name"]): item for item in self.statistics.get("features", [])}

    @cached_property
    def limits(self) -> dict[str, dict[str, Any]]:
        """Constraints by feature; none if they are not to be evaluated."""
        return {str(item["name"]): item for item in self.constraints.get("features", [])} if self.evaluated else {}

    @property
    def evaluated(self) -> bool:
        return bool(self.config.get("evaluate_constraints", "Enabled") == "Enabled")

    @property
    def config(self) -> dict[str, Any]:
        """monitoring_config of the constraints."""
        found: dict[str, Any] = self.constraints.get("monitoring_config") or {}
        return found


def read_baseline(folder: Path) -> Baseline:
    """The baseline of a folder. ValueError for a file that is no JSON object with features."""
    whole = _read(folder / "baseline.json")
    statistics = whole.get("statistics") or _read(folder / "statistics.json")
    constraints = whole.get("constraints") or _read(folder / "constraints.json")
    for name, document in (("statistics", statistics), ("constraints", constraints)):
        features = document.get("features", [])
        if not isinstance(features, list) or not all(isinstance(item, dict) and "name" in item for item in features):
            raise ValueError(f"{folder}: features of the baseline's {name} must be a list of objects with a name")
    return Baseline(statistics, constraints, {str(name): float(value) for name, value in (whole.get("attributions") or {}).items()})


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{file}: must hold a JSON object")
    return document


@dataclass(frozen=True)
class Window:
    """One variant's share of the window. `truth_missing` says why what needs ground truth cannot be measured; empty if it can."""

    records: list[Record]
    variant: str | None
    baseline: Baseline
    minimum: int
    truth_missing: str = ""

    def meter(self, check: str) -> Meter:
        return Meter(check, self.variant, self.minimum)

    @cached_property
    def columns(self) -> list[Column]:
        """The inputs as columns."""
        rows = [item for record in self.records for item in rows_of(record.input)]
        return columns_of(table(rows, self.baseline.names))

    @property
    def rows(self) -> int:
        return self.columns[0].size if self.columns else 0
