"""DataQuality: what goes into the model, against what the model was trained on.

Pure. Constraints are those of the baseline's constraints.json, with Model Monitor's meaning; drift and the lowest completeness are the
check's own. The first metric is the check's main one: `drift` (the largest of any feature) if drift is asked for, else `violations`.
"""

from __future__ import annotations

from typing import Any

from check_config import DataQuality
from columns import NUMERIC, UNKNOWN, Column
from drift import Distance, distance, reference
from report import Findings, Metric, Violation
from window import Window


def measure(check: DataQuality, window: Window) -> Findings:
    """Metrics `drift`, `drifted_features`, `feature_baseline_drift_<feature>` (of `drift.features`), `completeness`, `violations`."""
    found = Findings()
    columns = {column.name: column for column in window.columns}
    if window.rows >= max(1, window.minimum):
        found.violations += _schema(check, window, columns)
        for column in columns.values():
            found.violations += _completeness(check, window, column) + _values(check, window, column)
    meter = window.meter(check.name)
    if check.method is not None:
        _drift(check, window, columns, found)
    lowest = min(columns.values(), key=lambda column: column.filled / column.size, default=None)
    completeness = None if lowest is None else lowest.filled / lowest.size
    found.metrics.append(meter.metric("completeness", completeness, window.rows, lowest.name if lowest is not None else ""))
    found.metrics.append(meter.metric("violations", len(found.violations), window.rows))
    if check.method is None:
        found.metrics.reverse()
    return found


def _schema(check: DataQuality, window: Window, columns: dict[str, Column]) -> list[Violation]:
    known = dict.fromkeys(window.baseline.names)
    if not known or not window.baseline.evaluated:
        return []
    missing = [name for name in known if name not in columns]
    extra = [name for name in columns if name not in known]
    return [Violation(check.name, name, "missingColumn", f"{name} is in the baseline and not in the window") for name in missing] + [
        Violation(check.name, name, "extraColumn", f"{name} is in the window and not in the baseline") for name in extra
    ]


def _completeness(check: DataQuality, window: Window, column: Column) -> list[Violation]:
    suggested = float(window.baseline.limits.get(column.name, {}).get("completeness", 0.0))
    wanted = suggested if check.completeness is None else check.completeness
    share = column.filled / column.size
    if share >= wanted:
        return []
    described = f"{share:.2%} of {column.size} values are present, {wanted:.2%} are required"
    return [Violation(check.name, column.name, "completeness", described)]


def _values(check: DataQuality, window: Window, column: Column) -> list[Violation]:
    """Type, domain and sign."""
    constraint, config = window.baseline.limits.get(column.name, {}), window.baseline.config
    if not constraint or not column.filled:
        return []
    found = []
    kind, wanted = str(constraint.get("inferred_type", UNKNOWN)), float(config.get("datatype_check_threshold", 1.0))
    share = column.share(kind)
    if kind != UNKNOWN and share < wanted:
        described = f"{share:.2%} of {column.filled} values are {kind}, {wanted:.2%} are required"
        found.append(Violation(check.name, column.name, "type", described))
    negative = column.finite().min(initial=0.0)
    if (constraint.get("num_constraints") or {}).get("is_non_negative") and negative < 0:
        found.append(
            Violation(check.name, column.name, "nonNegative", f"the smallest value is {negative:g}, the baseline has none below 0")
        )
    domain = (constraint.get("string_constraints") or {}).get("domains")
    if domain:
        found += _domain(check, column, set(domain), float(config.get("domain_content_threshold", 1.0)))
    return found


def _domain(check: DataQuality, column: Column, domain: set[str], wanted: float) -> list[Violation]:
    outside = {name: count for name, count in column.categories().items() if name not in domain}
    share = 1.0 - sum(outside.values()) / column.filled
    if share >= wanted:
        return []
    names = ", ".join(sorted(outside)[:5])
    described = f"{share:.2%} of {column.filled} values are in the baseline's domain, {wanted:.2%} are required; outside: {names}"
    return [Violation(check.name, column.name, "categoricalValues", described)]


def _drift(check: DataQuality, window: Window, columns: dict[str, Column], found: Findings) -> None:
    """The largest drift of any feature as one metric: a metric for each of hundreds of features would cost more than the check."""
    meter, measured = window.meter(check.name), _distances(check, window, columns)
    enough = {name: item for name, item in measured.items() if item.value is not None and item.samples >= max(1, window.minimum)}
    worst = max(enough.items(), key=lambda entry: (entry[1].value or 0.0, entry[0]), default=None)
    beyond = [(name, item) for name, item in enough.items() if item.value is not None and item.value > check.threshold]
    if worst is None:
        reason = "no feature can be compared with the baseline" if window.baseline.features else "there is no baseline to compare with"
        size = max((item.samples for item in measured.values()), default=0)
        found.metrics += [meter.insufficient(name, size, reason) for name in ("drift", "drifted_features")]
    else:
        name, item = worst
        found.metrics.append(meter.metric("drift", item.value, item.samples, f"{check.method} of {name}"))
        found.metrics.append(meter.metric("drifted_features", len(beyond), item.samples))
    for name in check.features:
        found.metrics.append(_feature(meter.metric, name, measured.get(name)))
    for name, item in sorted(beyond, key=lambda entry: -(entry[1].value or 0.0)):
        detail = f" ({item.message})" if item.message else ""
        described = f"{check.method} {item.value:.4f} exceeds {check.threshold:g}{detail}"
        found.violations.append(Violation(check.name, name, "drift", described))


def _feature(metric: Any, name: str, item: Distance | None) -> Metric:
    item = item or Distance(None, 0, f"{name} is not in the baseline or not in the window")
    made: Metric = metric(f"feature_baseline_drift_{name}", item.value, item.samples, item.message)
    return made


def _distances(check: DataQuality, window: Window, columns: dict[str, Column]) -> dict[str, Distance]:
    robust = (window.baseline.config.get("distribution_constraints") or {}).get("comparison_method", "Robust") != "Simple"
    found = {}
    for name, feature in window.baseline.features.items():
        base, column = reference(feature), columns.get(name)
        if base is None or column is None or (column.kind == UNKNOWN and column.filled):
            continue
        if base.numeric and column.kind not in NUMERIC and not len(column.finite()):
            found[name] = Distance(None, 0, "holds no numbers")
        else:
            found[name] = distance(str(check.method), base, column, robust=robust)
    return found
