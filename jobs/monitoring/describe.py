"""statistics.json and constraints.json of SageMaker Model Monitor.

Pure. Schemas: developer guide, "Schema for Statistics" and "Schema for Constraints". Numbers that are not finite are left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from columns import NUMERIC, STRING, Array, Column
from sketch import Sketch

BUCKETS = 10  # as Model Monitor's own
CATEGORIES = 100  # the most frequent ones are listed
DOMAIN = 20  # up to so many values are a domain that others may be outside of


def statistics_of(columns: list[Column], rows: int) -> dict[str, Any]:
    """statistics.json."""
    return {"version": 0.0, "dataset": {"item_count": rows}, "features": [feature_statistics(item) for item in columns]}


def feature_statistics(item: Column) -> dict[str, Any]:
    """An entry of `features`."""
    common = {"num_present": item.filled, "num_missing": item.size - item.filled}
    described: dict[str, Any] = {"name": item.name, "inferred_type": item.kind}
    if item.kind in NUMERIC:
        described["numerical_statistics"] = {"common": common, **numerical(item.finite())}
    elif item.kind == STRING:
        described["string_statistics"] = {"common": common, **categorical(item)}
    else:
        described["numerical_statistics"] = {"common": common}
    return described


def numerical(values: Array) -> dict[str, Any]:
    """Moments, range, ten buckets of equal width and the sketch of finite numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        moments = {"mean": values.mean(), "sum": values.sum(), "std_dev": values.std(), "min": values.min(), "max": values.max()}
    return {
        **{name: float(value) for name, value in moments.items() if math.isfinite(value)},
        "distribution": {"kll": {"buckets": buckets(values), "sketch": Sketch().add(values).document()}},
    }


def buckets(values: Array) -> list[dict[str, float]]:
    """Ten of equal width; the last one includes its upper bound, as numpy's histogram does."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        width, largest = max(0.5, abs(low) * 1e-9), float(np.finfo(float).max)
        low, high = max(low - width, -largest), min(high + width, largest)
    steps = np.linspace(0.0, 1.0, BUCKETS + 1)
    edges = low * (1.0 - steps) + high * steps  # a difference of the two could overflow
    edges[0], edges[-1] = low, high
    edges = np.maximum.accumulate(np.minimum(edges, high))  # rounding may have put one beyond its neighbour
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BUCKETS - 1)
    counts = np.bincount(places, minlength=BUCKETS)
    return [
        {"lower_bound": float(edges[place]), "upper_bound": float(edges[place + 1]), "count": float(count)}
        for place, count in enumerate(counts)
    ]


def categorical(item: Column) -> dict[str, Any]:
    """The values with their counts, the most frequent first."""
    counts = item.categories()
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:CATEGORIES]
    listed = [{"value": value, "count": count} for value, count in ordered]
    return {"distinct_count": len(counts), "distribution": {"categorical": {"buckets": listed}}}


def constraints_of(columns: list[Column]) -> dict[str, Any]:
    """constraints.json as a baseline suggests it."""
    return {
        "version": 0.0,
        "features": [feature_constraints(item) for item in columns],
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": 0.1,
                "comparison_method": "Robust",
                "categorical_comparison_threshold": 0.1,
                "categorical_drift_method": "LInfinity",
            },
        },
    }


def feature_constraints(item: Column) -> dict[str, Any]:
    """An entry of `features`: what the column was, which a later one must be too."""
    suggested: dict[str, Any] = {
        "name": item.name,
        "inferred_type": item.kind,
        "completeness": item.filled / item.size if item.size else 1.0,
    }
    if item.kind in NUMERIC:
        suggested["num_constraints"] = {"is_non_negative": not bool((item.finite() < 0).any())}
    elif item.kind == STRING:
        values = item.categories()
        if len(values) <= DOMAIN and len(values) < item.filled:
            suggested["string_constraints"] = {"domains": sorted(values)}
    return suggested
