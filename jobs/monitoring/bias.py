"""Bias: how a window's data and predictions treat the groups of a facet.

Pure. The facet is a column of the input, the label is the ground truth (or a column of the input), the prediction is the output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bias_metrics import METRICS, BiasMetric, Groups
from check_config import Bias
from columns import Array, Column, columns_of, label
from predictions import number, scalar
from report import Findings, Meter, Metric
from rows import items_of, rows_of, table
from window import Window

MAX_FACETS = 50  # more values than that are no groups of people, but a number that needs facetThreshold
_OUTPUTS = ("predicted_label", "prediction", "label", "score", "probability")


@dataclass(frozen=True)
class Rows:
    """The rows of the window that have a facet, side by side; None where a row has no such thing."""

    columns: list[Column]
    facet: list[str | None]
    truths: list[Any]
    answers: list[Any]


def measure(check: Bias, window: Window) -> Findings:
    """The metrics asked for, in their order."""
    rows = gather(check, window)
    meter = window.meter(check.name)
    known = sorted({value for value in rows.facet if value is not None})
    reason = _unusable(check, known, rows)
    if reason:
        return Findings([meter.insufficient(name, 0, reason) for name in check.metrics])
    facets: list[frozenset[str] | None] = [None]
    if check.above is None:
        facets = [frozenset(check.values)] if check.values else [frozenset({value}) for value in known]
    return Findings([_worst(check, rows, meter, name, METRICS[name], facets, window.truth_missing) for name in check.metrics])


def _unusable(check: Bias, known: list[str], rows: Rows) -> str:
    if not known:
        return f"no row has the facet {check.facet}" if rows.facet else "nothing was captured in the window"
    if not check.values and check.above is None and len(known) > MAX_FACETS:
        return f"{check.facet} has {len(known)} values; name the disadvantaged ones in facetValues, or give facetThreshold"
    return "" if len(known) > 1 else f"{check.facet} has one value alone: {known[0]}"


def gather(check: Bias, window: Window) -> Rows:
    """The rows, each with its prediction and its truth; a record with another number of either has none of it."""
    inputs: list[Any] = []
    truths: list[Any] = []
    answers: list[Any] = []
    for record in window.records:
        rows = rows_of(record.input)
        inputs += rows
        answers += _fitting(items_of(record.output), len(rows))
        truths += _fitting(items_of(record.truth), len(rows))
    columns = columns_of(table(inputs, window.baseline.names))
    named = {column.name: column for column in columns}
    if check.label is not None and check.label in named:
        truths = list(named[check.label].labels())
    else:
        truths = [scalar(item, check.label if isinstance(item, dict) else None, ("label", "value")) for item in truths]
    facet: list[str | None] = named[check.facet].labels() if check.facet in named else [None] * len(inputs)
    return Rows(columns, facet, truths, answers)


def _fitting(items: list[Any], size: int) -> list[Any]:
    return items if len(items) == size else [None] * size


def _worst(
    check: Bias, rows: Rows, meter: Meter, name: str, metric: BiasMetric, facets: list[frozenset[str] | None], truth_missing: str
) -> Metric:
    """The value of the facet that is farthest from fair; of one facet, its value."""
    if metric.labels and truth_missing and not any(column.name == check.label for column in rows.columns):
        return meter.insufficient(name, 0, truth_missing)
    found = [(facet, *value_of(check, rows, metric, facet)) for facet in facets]
    defined = [item for item in found if item[1] == item[1]]
    samples = max(item[2] for item in found)
    if not defined:
        return meter.metric(name, None, samples, f"{name} is not defined: a group of {check.facet} is too small or has one outcome alone")
    facet, value, samples = max(defined, key=lambda item: (metric.badness(item[1]), item[1], sorted(item[0] or ())))
    described = f"{check.facet} > {check.above:g}" if facet is None else f"{check.facet} = {', '.join(sorted(facet))}"
    return meter.metric(name, value, samples, described)


def value_of(check: Bias, rows: Rows, metric: BiasMetric, facet: frozenset[str] | None) -> tuple[float, int]:
    """The metric of one disadvantaged facet and the number of rows that it comes from."""
    used = [at for at in range(len(rows.facet)) if _usable(rows, metric, at)]
    if not used:
        return float("nan"), 0
    values = [rows.facet[at] for at in used]
    d = np.array([number(value) > (check.above or 0.0) if facet is None else value in facet for value in values], dtype=bool)
    truths = [label(rows.truths[at]) if rows.truths[at] is not None else "" for at in used]
    groups = Groups(
        d=d,
        labels=np.array([text in check.positive for text in truths], dtype=bool) if metric.labels else None,
        outcomes=np.array(truths) if metric.labels else None,
        predicted=np.array([favourable(check, rows.answers[at]) for at in used], dtype=bool) if metric.predictions else None,
        group=_group(check, rows, used),
        features=_features(check, rows, used) if metric is METRICS["FT"] else None,
    )
    return float(metric.of(groups)), len(used)


def _usable(rows: Rows, metric: BiasMetric, at: int) -> bool:
    return rows.facet[at] is not None and not (
        (metric.labels and rows.truths[at] in (None, "")) or (metric.predictions and rows.answers[at] is None)
    )


def favourable(check: Bias, item: Any) -> bool:
    """Whether an output is a favourable one: its class, or a probability of it."""
    value = scalar(item, check.inference, _OUTPUTS)
    if value is None:
        return False
    text = label(value)
    if text in check.positive:
        return True
    probability = number(value)
    return probability == probability and not float(probability).is_integer() and probability >= check.threshold


def _group(check: Bias, rows: Rows, used: list[int]) -> Array | None:
    for column in rows.columns:
        if column.name == check.group:
            labels = column.labels()
            return np.array([labels[at] or "" for at in used])
    return None


def _features(check: Bias, rows: Rows, used: list[int]) -> Array:
    """The other columns as numbers: a gap is the mean, a category is a column of zeros and ones."""
    made = [part for column in rows.columns if column.name not in (check.facet, check.label) for part in _numeric(column, used)]
    return np.array(made, dtype=float).T.reshape(len(used), len(made))


def _numeric(column: Column, used: list[int]) -> Iterator[Array]:
    numbers = column.numbers[used]
    if len(column.finite()) == column.filled:
        there = ~np.isnan(numbers)
        yield np.where(there, numbers, numbers[there].mean() if there.any() else 0.0)
    else:
        labels = column.labels()
        for name in sorted(column.categories()):
            yield np.array([float(labels[at] == name) for at in used])
