"""How far a window's column is from the baseline's, by five methods; the baseline is what statistics.json says of a feature.

Pure. Every method answers 0 for the same distribution and grows with the difference, so `value > threshold` is drift:

PSI              sum of (q - p) ln(q / p) over the baseline's deciles (or categories); empty bins count as 0.0001
KS               largest difference of the two cumulative distributions, 0 to 1
ChiSquare        Cramer's V of the 2 x bins table, 0 to 1: chi-square itself grows with the traffic; its p-value is in the message
JensenShannon    distance to base 2, 0 to 1
NumericDistance  Model Monitor's L-infinity: KS for numbers, largest difference of shares for categories, less
                 1.8 sqrt((n + m) / nm) unless the baseline's comparison_method is Simple

KS of a category is the largest difference of shares: categories have no order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc

from columns import Array, Column
from sketch import quantiles, weighted

METHODS = ("PSI", "KS", "ChiSquare", "JensenShannon", "NumericDistance")
FLOOR = 1e-4  # share of an empty bin in PSI
DISCRETE = 20  # up to so many distinct numbers are bins of their own


@dataclass(frozen=True)
class Reference:
    """A feature of the baseline. `values` and `weights`: a sample (numbers). `edges` and `counts`: buckets, where there is no
    sketch. `categories`: counts by value; `total`: how many were present."""

    numeric: bool
    total: float
    values: Array | None = None
    weights: Array | None = None
    edges: Array | None = None
    counts: Array | None = None
    categories: dict[str, float] | None = None


@dataclass(frozen=True)
class Distance:
    """`value` is None where the two cannot be compared, and `message` says why."""

    value: float | None
    samples: int
    message: str = ""


def reference(feature: dict[str, Any]) -> Reference | None:
    """What statistics.json says of a feature's distribution, None if it says nothing."""
    texts = feature.get("string_statistics")
    if texts is not None:
        listed = texts.get("distribution", {}).get("categorical", {}).get("buckets", [])
        categories = {str(item["value"]): float(item["count"]) for item in listed}
        total = float(texts.get("common", {}).get("num_present", sum(categories.values())))
        return Reference(False, total, categories=categories) if categories else None
    numbers = feature.get("numerical_statistics") or {}
    kll = numbers.get("distribution", {}).get("kll", {})
    total = float(numbers.get("common", {}).get("num_present", 0))
    if kll.get("sketch", {}).get("data"):
        values, weights = weighted(kll["sketch"])
        if len(values):
            return Reference(True, total or float(weights.sum()), values=values, weights=weights)
    listed = kll.get("buckets") or []
    if not listed:
        return None
    if numbers.get("min") is not None and numbers.get("min") == numbers.get("max"):
        return Reference(True, total, values=np.array([float(numbers["min"])]), weights=np.array([max(total, 1.0)]))
    edges = np.array([listed[0]["lower_bound"], *(item["upper_bound"] for item in listed)], dtype=float)
    counts = np.array([item["count"] for item in listed], dtype=float)
    return Reference(True, total or float(counts.sum()), edges=edges, counts=counts)


def distance(method: str, base: Reference, column: Column, *, robust: bool = True) -> Distance:
    """The distance of a column from its baseline."""
    samples = len(column.finite()) if base.numeric else column.filled
    if not samples:
        return Distance(None, 0, "no value of the baseline's type")
    expected, observed = bins(base, column)
    if not expected.sum():
        return Distance(None, samples, "the baseline has no values")
    if method == "PSI":
        return Distance(psi(expected, observed), samples)
    if method == "JensenShannon":
        return Distance(jensen_shannon(expected, observed), samples)
    if method == "ChiSquare":
        value, probability = chi_square(expected, observed)
        return Distance(value, samples, f"p = {probability:.3g}")
    largest = kolmogorov_smirnov(base, column) if base.numeric else l_infinity(expected, observed)
    if method == "NumericDistance" and robust:
        noise = 1.8 * np.sqrt((base.total + samples) / (base.total * samples))
        largest = max(0.0, largest - float(noise))
    return Distance(largest, samples)


def bins(base: Reference, column: Column) -> tuple[Array, Array]:
    """Counts of the baseline and of the column in the same bins."""
    if not base.numeric:
        return _category_bins(base, column)
    numbers = column.finite()
    if base.edges is not None and base.counts is not None:
        places = np.searchsorted(base.edges[1:-1], numbers, side="right")
        return base.counts, np.bincount(places, minlength=len(base.counts)).astype(float)
    assert base.values is not None
    assert base.weights is not None
    distinct = np.unique(base.values)
    if len(distinct) <= DISCRETE:
        return _number_bins(base.values, distinct, base.weights), _number_bins(numbers, distinct, np.ones(len(numbers)))
    cuts = np.unique(quantiles(base.values, base.weights, np.arange(1, 10) / 10))
    size = len(cuts) + 1
    expected = np.bincount(np.searchsorted(cuts, base.values), weights=base.weights, minlength=size)
    return expected, np.bincount(np.searchsorted(cuts, numbers), minlength=size).astype(float)


def _number_bins(numbers: Array, distinct: Array, weights: Array) -> Array:
    """A bin for each of the baseline's numbers, and one for all others."""
    places = np.minimum(np.searchsorted(distinct, numbers), len(distinct) - 1)
    places = np.where(distinct[places] == numbers, places, len(distinct))
    return np.bincount(places, weights=weights, minlength=len(distinct) + 1)


def _category_bins(base: Reference, column: Column) -> tuple[Array, Array]:
    """A bin for each category of either; what the baseline does not list (it lists the most frequent ones) is one bin."""
    listed = base.categories or {}
    unlisted = max(0.0, base.total - sum(listed.values()))
    found = column.categories()
    if not unlisted:
        names = sorted({*listed, *found})
        return np.array([listed.get(name, 0.0) for name in names]), np.array([float(found.get(name, 0)) for name in names])
    names = sorted(listed)
    others = sum(count for name, count in found.items() if name not in listed)
    return np.array([*(listed[name] for name in names), unlisted]), np.array([*(found.get(name, 0) for name in names), others], dtype=float)


def psi(expected: Array, observed: Array) -> float:
    """Population stability index."""
    p = np.maximum(expected / expected.sum(), FLOOR)
    q = np.maximum(observed / observed.sum(), FLOOR)
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(expected: Array, observed: Array) -> float:
    """The distance: the root of the divergence to base 2."""
    p, q = expected / expected.sum(), observed / observed.sum()
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(max(0.0, divergence)))


def _relative_entropy(p: Array, q: Array) -> float:
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))


def chi_square(expected: Array, observed: Array) -> tuple[float, float]:
    """Cramer's V and the p-value of the test that both come from one distribution."""
    table = np.array([expected, observed])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    whole = table.sum()
    wanted = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / whole
    statistic = float(np.sum((table - wanted) ** 2 / wanted))
    return float(np.sqrt(statistic / whole)), float(chdtrc(table.shape[1] - 1, statistic))


def l_infinity(expected: Array, observed: Array) -> float:
    """The largest difference of shares."""
    return float(np.max(np.abs(expected / expected.sum() - observed / observed.sum())))


def kolmogorov_smirnov(base: Reference, column: Column) -> float:
    """The largest difference of the cumulative distributions; with buckets alone, of what it is at their edges."""
    numbers = np.sort(column.finite())
    if base.edges is not None and base.counts is not None:
        inner = np.cumsum(base.counts)[:-1] / base.counts.sum()
        return float(np.max(np.abs(inner - np.searchsorted(numbers, base.edges[1:-1], side="left") / len(numbers)), initial=0.0))
    assert base.values is not None
    assert base.weights is not None
    points = np.concatenate([base.values, numbers])
    reached = np.concatenate([[0.0], np.cumsum(base.weights)]) / base.weights.sum()
    ours = reached[np.searchsorted(base.values, points, side="right")]
    theirs = np.searchsorted(numbers, points, side="right") / len(numbers)
    return float(np.max(np.abs(ours - theirs)))
