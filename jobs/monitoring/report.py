"""What a check finds: metrics, violations and documents; and how they are written.

Pure but for `write`. A number that is not finite is never written; the shape of report.json is decision 0011.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truth import Availability

MAX_VIOLATIONS = 100
# constraint_check_type of constraint_violations.json, by the constraint of report.json; the rest is written as it is.
_CHECK_TYPES = {
    "type": "data_type_check",
    "completeness": "completeness_check",
    "drift": "baseline_drift_check",
    "missingColumn": "missing_column_check",
    "extraColumn": "extra_column_check",
    "categoricalValues": "categorical_values_check",
    "nonNegative": "non_negative_check",
    "featureAttributionDrift": "feature_attribution_drift_check",
}


@dataclass(frozen=True)
class Metric:
    """One number of one check; `value` is None exactly if `state` is InsufficientData."""

    check: str
    name: str
    variant: str | None
    value: float | None
    sample_size: int
    state: str
    message: str = ""

    def document(self) -> dict[str, Any]:
        """An entry of `metrics`."""
        return {
            "check": self.check,
            "name": self.name,
            "variant": self.variant,
            "value": self.value,
            "sampleSize": self.sample_size,
            "state": self.state,
            "message": self.message,
        }


@dataclass(frozen=True)
class Violation:
    """One constraint that the window breaks; `feature` is a column, or the metric's name."""

    check: str
    feature: str
    constraint: str
    description: str


@dataclass
class Findings:
    """What one check made of one variant. `documents` go into statistics.json."""

    metrics: list[Metric] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Meter:
    """Makes the metrics of one check and variant; below `minimum` samples there is no value."""

    check: str
    variant: str | None
    minimum: int

    def metric(self, name: str, value: float | None, samples: int, message: str = "") -> Metric:
        """A value, unless it comes from too little or is no number."""
        if samples < self.minimum or not samples:
            return self.insufficient(
                name, samples, f"{samples} samples, minSampleSize is {self.minimum}{f' ({message})' if message else ''}"
            )
        if value is None or not math.isfinite(value):
            return self.insufficient(name, samples, message or f"{name} is not defined for these {samples} samples")
        return Metric(self.check, name, self.variant, float(value), samples, "Measured", message)

    def insufficient(self, name: str, samples: int, message: str) -> Metric:
        """No value, and why."""
        return Metric(self.check, name, self.variant, None, samples, "InsufficientData", message)


def report(window: dict[str, Any], data: Availability, counts: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """report.json."""
    shown = findings.violations[:MAX_VIOLATIONS]
    return {
        "version": 1,
        "window": window,
        "data": {
            "state": data.state,
            "captured": data.captured,
            "groundTruth": data.ground_truth,
            "matched": data.matched,
            "matchRate": data.match_rate,
            "message": data.message,
            **counts,
        },
        "metrics": [metric.document() for metric in findings.metrics],
        "violations": [
            {"check": item.check, "feature": item.feature, "constraint": item.constraint, "description": item.description} for item in shown
        ],
        "violationsTotal": len(findings.violations),
    }


def violations_document(violations: Iterable[Violation]) -> dict[str, Any]:
    """constraint_violations.json of Model Monitor, all of them."""
    return {
        "violations": [
            {
                "feature_name": item.feature,
                "constraint_check_type": _CHECK_TYPES.get(item.constraint, item.constraint),
                "description": item.description,
            }
            for item in violations
        ]
    }


def write(file: Path, document: Any, indent: int | None = 2) -> None:
    """JSON (on one line without `indent`, which is much quicker for long lists), whole or not at all: a reader never sees half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    waiting = file.with_name(f".{file.name}.{os.getpid()}")
    waiting.write_text(json.dumps(document, indent=indent, allow_nan=False) + "\n", "utf-8")
    waiting.replace(file)
