"""Kernel SHAP: how much each feature of a row moves a model's answer away from its answer to a reference row.

Pure but for the model that it is given. Up to 11 features all coalitions are asked (the Shapley values exactly); beyond that a sample
of pairs, drawn by the kernel's weights with a fixed seed. Source: Lundberg, Lee, "A Unified Approach to Interpreting Model
Predictions" (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
EXACT = 11
PAIRS = 1024


def kernel_shap(predict: Callable[[Array], Array], rows: Array, reference: Array, *, seed: int = 7) -> Array:
    """Attributions, rows x features (x outputs); each row's add up to predict(row) - predict(reference).

    `predict` takes rows x features and answers with one number, or a row of them, for each.
    """
    count, features = rows.shape
    base = _answers(predict, reference[None, :])[0]
    if features == 1:
        alone: Array = _answers(predict, rows)[:, None, :] - base
        return alone
    masks, weights = coalitions(features, np.random.RandomState(seed))
    found = np.empty((count, features, len(base)))
    for at, row in enumerate(rows):
        asked = np.vstack([np.where(masks, row, reference), row[None, :]])
        answers = _answers(predict, asked) - base
        found[at] = _solve(masks.astype(float), weights, answers[:-1], answers[-1])
    return found


def _answers(predict: Callable[[Array], Array], rows: Array) -> Array:
    answers = np.asarray(predict(rows), dtype=float)
    if len(answers) != len(rows):
        raise ValueError(f"predict answered {len(answers)} of {len(rows)} rows")
    shaped: Array = answers.reshape(len(rows), -1)
    return shaped


def coalitions(features: int, random: np.random.RandomState) -> tuple[Array, Array]:
    """Which features are the row's own, one line each, and the weight of each line; neither none nor all."""
    sizes = np.arange(1, features)
    if features <= EXACT:
        masks = np.zeros((2**features - 2, features), dtype=bool)
        lines = (chosen for size in sizes for chosen in combinations(range(features), int(size)))
        for line, chosen in enumerate(lines):
            masks[line, list(chosen)] = True
        taken = masks.sum(axis=1)
        kernel = np.array([0.0] + [(features - 1) / (comb(features, int(size)) * size * (features - size)) for size in sizes])
        return masks, kernel[taken]
    chance = 1.0 / (sizes * (features - sizes))
    drawn = random.choice(sizes, size=PAIRS, p=chance / chance.sum())
    half = np.argsort(random.random_sample((PAIRS, features)), axis=1).argsort(axis=1) < drawn[:, None]
    masks, counts = np.unique(np.vstack([half, ~half]), axis=0, return_counts=True)
    return masks, counts.astype(float)


def _solve(masks: Array, weights: Array, answers: Array, whole: Array) -> Array:
    """Weighted least squares under the constraint that the attributions add up to `whole`: the last feature takes the rest."""
    design = masks[:, :-1] - masks[:, -1:]
    target = answers - masks[:, -1:] * whole[None, :]
    root = np.sqrt(weights)[:, None]
    first = np.linalg.lstsq(design * root, target * root, rcond=None)[0]
    return np.vstack([first, whole[None, :] - first.sum(axis=0, keepdims=True)])


def ndcg(baseline: dict[str, float], live: dict[str, float]) -> float:
    """How well the window keeps the baseline's order of features, 0 to 1: gains are the baseline's attributions, features that are
    equal in the window share their places. NaN if the baseline attributes nothing. A feature that one side lacks has 0 there."""
    names = sorted({*baseline, *live})
    gains = np.abs(np.array([baseline.get(name, 0.0) for name in names]))
    scores = np.abs(np.array([live.get(name, 0.0) for name in names]))
    discounts = 1.0 / np.log2(np.arange(2, len(names) + 2))
    ideal = float(np.sort(gains)[::-1] @ discounts)
    if not ideal:
        return float("nan")
    _, places, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared = np.array([discounts[end - count : end].mean() for end, count in zip(ends, counts, strict=True)])
    return float(gains @ shared[places]) / ideal
