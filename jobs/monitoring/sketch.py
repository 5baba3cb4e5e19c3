"""A KLL quantile sketch, in the parameters that Model Monitor writes (k = 2048, c = 0.64).

Pure. Items of level h count 2^h times, so the weights always add up to the number of values; up to 2,048 values the sketch is the
sample itself. Source: Karnin, Lang, Liberty, "Optimal Quantile Approximation in Streams" (2016). What would be a coin there
alternates here, so that the same data always make the same file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
K, C = 2048, 0.64


class Sketch:
    """Levels of items, lowest first."""

    def __init__(self, k: int = K, c: float = C) -> None:
        self._k, self._c = k, c
        self._levels: list[Array] = [np.empty(0)]
        self._odd = False

    def add(self, values: Array) -> Sketch:
        """Take in finite numbers."""
        for part in np.array_split(values, max(1, math.ceil(len(values) / self._k))):
            self._levels[0] = np.concatenate([self._levels[0], part])
            self._compress()
        return self

    def _capacity(self, level: int) -> int:
        return max(2, math.ceil(self._k * self._c ** (len(self._levels) - level - 1)))

    def _compress(self) -> None:
        while sum(map(len, self._levels)) > sum(map(self._capacity, range(len(self._levels)))):
            level = next(at for at, items in enumerate(self._levels) if len(items) > self._capacity(at))
            if level + 1 == len(self._levels):
                self._levels.append(np.empty(0))
            items = np.sort(self._levels[level])
            kept = len(items) % 2  # an odd one stays, or the weights would no longer add up
            promoted = items[kept:][int(self._odd) :: 2]
            self._odd = not self._odd
            self._levels[level] = items[:kept]
            self._levels[level + 1] = np.concatenate([self._levels[level + 1], promoted])

    def document(self) -> dict[str, Any]:
        """`sketch` of statistics.json."""
        return {"parameters": {"c": self._c, "k": float(self._k)}, "data": [np.sort(items).tolist() for items in self._levels]}


def weighted(document: dict[str, Any]) -> tuple[Array, Array]:
    """The items of a written sketch in ascending order, and how many values each stands for. ValueError for what is no sketch."""
    levels = document.get("data")
    if not isinstance(levels, list) or not all(isinstance(items, list) for items in levels):
        raise ValueError("sketch.data is no list of lists of numbers")
    values = np.array([item for items in levels for item in items], dtype=float)
    weights = np.array([2.0**level for level, items in enumerate(levels) for _ in items])
    order = np.argsort(values, kind="stable")
    return values[order], weights[order]


def quantiles(values: Array, weights: Array, shares: Array) -> Array:
    """The smallest value below or at which a share of the weight lies; `values` ascending."""
    reached = np.cumsum(weights) / weights.sum()
    found: Array = values[np.minimum(np.searchsorted(reached, shares - 1e-12), len(values) - 1)]
    return found
