"""Explainability: whether the features still matter to the model in the order in which they mattered when it was trained.

The metric `ndcg` compares mean absolute attributions with those of the baseline, as Clarify's feature attribution drift does (below
0.9: a violation). Attributions come from the user's image, from a script of the user's, or from Kernel SHAP over a `predict(rows)`
of the user's (which may call the endpoint).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from check_config import Explainability
from columns import NUMERIC, Array
from predictions import number
from records import files_below, json_values
from report import Findings, Violation
from scripts import Folders, ScriptFailed, document
from shapley import kernel_shap, ndcg
from window import Window


def measure(check: Explainability, window: Window, folders: Folders) -> Findings:
    """`ndcg`. ScriptFailed if the user's code fails, or writes what are no attributions."""
    meter = window.meter(check.name)
    if not window.records:
        return Findings([meter.insufficient("ndcg", 0, "nothing was captured in the window")])
    if not window.baseline.attributions:
        return Findings([meter.insufficient("ndcg", 0, "the baseline has no attributions (member attributions of baseline.json)")])
    try:
        live, samples = _attributions(check, window, folders)
    except ValueError as error:
        return Findings([meter.insufficient("ndcg", 0, str(error))])
    score = ndcg(window.baseline.attributions, live)
    metric = meter.metric("ndcg", score, samples)
    found = Findings([metric], documents={"explanations": {"kernel_shap": {"global_shap_values": live}}})
    if metric.value is not None and metric.value < check.threshold:
        order = ", ".join(sorted(live, key=lambda name: (-live[name], name))[:3])
        described = f"ndcg {metric.value:.4f} is below {check.threshold:g}; the window's first features are {order}"
        found.violations.append(Violation(check.name, "ndcg", "featureAttributionDrift", described))
    return found


def _attributions(check: Explainability, window: Window, folders: Folders) -> tuple[dict[str, float], int]:
    """Mean absolute attribution by feature and the rows they come from. ValueError where there is nothing to attribute."""
    if check.image:
        return _written(folders.input("attributions") / check.name, check.name)
    if check.entry_point is not None:
        return averages(document(check.entry_point, check.name, folders, window.records), check.name)
    assert check.predictor is not None
    predict = load(folders.input("source"), check.predictor, check.name)
    return explained(check, window, predict)


def averages(written: dict[str, Any], name: str) -> tuple[dict[str, float], int]:
    """Of `{"attributions": {feature: [numbers]}}`, or `{feature: mean}` with `sampleSize`. ScriptFailed for anything else."""
    given = written.get("attributions")
    if not isinstance(given, dict) or not given:
        raise ScriptFailed(f'{name}: attributions must be {{"attributions": {{feature: [number, ...]}}}}')
    found, sizes = {}, []
    for feature, values in given.items():
        listed = np.array([number(value) for value in (values if isinstance(values, list) else [values])])
        if not len(listed) or np.isnan(listed).any():
            raise ScriptFailed(f"{name}: attributions.{feature} must be numbers")
        found[str(feature)] = float(np.mean(np.abs(listed)))
        sizes.append(len(listed))
    size = written.get("sampleSize", min(sizes))
    return found, int(size)


def _written(folder: Path, name: str) -> tuple[dict[str, float], int]:
    """What the user's image left: JSON objects as of a script, or JSON lines of `{feature: number}`."""
    lines: dict[str, list[Any]] = {}
    for file in files_below(folder):
        try:
            values = json_values(file.read_text("utf-8"))
        except ValueError as error:
            raise ScriptFailed(f"{name}: {file.name} is no JSON: {error}") from None
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, dict):
                raise ScriptFailed(f"{name}: {file.name} must hold JSON objects")
            if "attributions" in value:
                return averages(value, name)
            for feature, cell in value.items():
                lines.setdefault(feature, []).append(cell)
    if not lines:
        raise ValueError(f"there are no attributions in {folder.name}")
    return averages({"attributions": lines}, name)


def load(source: Path, file: str, name: str) -> Callable[[Array], Array]:
    """`predict` of a script. ScriptFailed if it cannot be imported, or has none."""
    spec = importlib.util.spec_from_file_location("monitor_predictor", source / file)
    if spec is None or spec.loader is None or not (source / file).is_file():
        raise ScriptFailed(f"{name}: there is no {file} in the source")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(source))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ScriptFailed(f"{name}: {file} cannot be imported: {error!r}") from error
    finally:
        sys.path.remove(str(source))
    predict = getattr(module, "predict", None)
    if not callable(predict):
        raise ScriptFailed(f"{name}: {file} has no predict(rows)")
    found: Callable[[Array], Array] = predict
    return found


def explained(check: Explainability, window: Window, predict: Callable[[Array], Array]) -> tuple[dict[str, float], int]:
    """Kernel SHAP of a sample of the window against the baseline's means. ValueError for columns that are no numbers."""
    texts = [column.name for column in window.columns if column.kind not in NUMERIC]
    if texts or not window.columns:
        raise ValueError(f"Kernel SHAP needs columns of numbers, {texts[0]} is none; use entryPoint" if texts else "the window has no rows")
    rows = np.array([column.numbers for column in window.columns]).T
    rows = rows[~np.isnan(rows).any(axis=1)]
    rows = rows[np.lexsort(rows.T)]  # the sample does not depend on the order in which the records came
    size = min(check.samples, len(rows))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, size).round().astype(int))] if size else rows
    means = {name: item.get("numerical_statistics", {}).get("mean") for name, item in window.baseline.features.items()}
    reference = np.array([means.get(column.name) or 0.0 for column in window.columns], dtype=float)
    try:
        values = kernel_shap(predict, rows, reference)
    except Exception as error:
        raise ScriptFailed(f"{check.name}: {check.predictor}: predict failed: {error!r}") from error
    averaged = np.abs(values).mean(axis=0).sum(axis=1) if len(values) else np.zeros(rows.shape[1])
    if not np.isfinite(averaged).all():
        raise ScriptFailed(f"{check.name}: {check.predictor}: predict answered with what is no number")
    return {column.name: float(value) for column, value in zip(window.columns, averaged, strict=True)}, len(rows)
