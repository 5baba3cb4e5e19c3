"""ModelQuality: predictions against ground truth.

Pure. The metrics asked for, in their order, so that the first is the check's main one; the constraints of the baseline, if it has a
group for the problem type (`regression_constraints`, ... of Model Monitor), make violations.
"""

from __future__ import annotations

import operator
from typing import Any

from check_config import ModelQuality
from predictions import binaries, classes, forecasts, numbers, pairs
from quality_metrics import (
    BINARY,
    FORECAST,
    GROUPS,
    LOWER_IS_BETTER,
    MULTICLASS,
    REGRESSION,
    binary,
    confusion,
    forecast,
    multiclass,
    regression,
)
from report import Findings, Violation
from window import Window

_OPERATORS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def measure(check: ModelQuality, window: Window) -> Findings:
    """The metrics of the check, and the group of statistics.json."""
    if window.truth_missing:
        meter = window.meter(check.name)
        return Findings([meter.insufficient(name, 0, window.truth_missing) for name in check.metrics])
    values, extra, samples, note = _values(check, window)
    found = Findings(documents=_document(check, values, extra))
    meter = window.meter(check.name)
    for name in check.metrics:
        names = [name]
        if name == "weighted_quantile_loss":
            names = [each for each in values if each.startswith(f"{name}_")] or names
        found.metrics += [meter.metric(each, values.get(each), samples, note) for each in names]
    measured = {metric.name: metric.value for metric in found.metrics if metric.value is not None}
    for name, value in measured.items():
        found.violations += _violation(check, window, name, value)
    return found


def _values(check: ModelQuality, window: Window) -> tuple[dict[str, float], dict[str, Any], int, str]:
    """Values by metric, what else the report says, sample size, what was left out."""
    found = pairs(window.records)
    if check.problem == REGRESSION:
        predicted, actual, unusable = numbers(found, check.inference, check.truth)
        return regression(actual, predicted), {}, len(actual), found.note(unusable)
    if check.problem == BINARY:
        guessed, true, scores, unusable = binaries(found, check.inference, check.probability, check.truth, check.threshold, check.positive)
        matrix = confusion([str(int(item)) for item in true], [str(int(item)) for item in guessed])
        return binary(true, guessed, scores), {"confusion_matrix": matrix}, len(true), found.note(unusable)
    if check.problem == MULTICLASS:
        names, truths, unusable = classes(found, check.inference, check.truth)
        matrix = confusion(truths, names)
        return multiclass(matrix), {"confusion_matrix": matrix}, len(truths), found.note(unusable)
    assert check.problem == FORECAST
    series = forecasts(found, check.truth)
    note = f"{series.uneven} forecasts have no points to compare with" if series.uneven else ""
    return forecast(series.actual, series.quantiles, series.mean), {}, len(series.actual), note


def _document(check: ModelQuality, values: dict[str, float], extra: dict[str, Any]) -> dict[str, Any]:
    measured = {name: {"value": value} for name, value in values.items() if value - value == 0}
    return {f"{GROUPS[check.problem]}_metrics": {**extra, **measured}}


def _violation(check: ModelQuality, window: Window, name: str, value: float) -> list[Violation]:
    group = window.baseline.constraints.get(f"{GROUPS[check.problem]}_constraints") or {}
    limit = group.get(name)
    if not limit:
        return []
    compare = _OPERATORS.get(str(limit.get("comparison_operator")))
    if compare is None or not compare(value, float(limit["threshold"])):
        return []
    described = f"{name} {value:.4f} is {limit['comparison_operator']} {float(limit['threshold']):.4f}"
    return [Violation(check.name, name, "modelQuality", described)]


def constraints(problem: str, values: dict[str, float]) -> dict[str, Any]:
    """The group of constraints.json that a baseline's metrics suggest: no worse than they are."""
    return {
        f"{GROUPS[problem]}_constraints": {
            name: {
                "threshold": value,
                "comparison_operator": "GreaterThanThreshold"
                if name in LOWER_IS_BETTER or name.startswith("weighted_quantile_loss")
                else "LessThanThreshold",
            }
            for name, value in values.items()
            if value - value == 0
        }
    }
