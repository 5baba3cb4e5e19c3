"""What a model's predictions are worth, given the truth: regression, binary, multiclass, forecast.

Pure. Names as in Model Monitor's model quality reports. What is not defined (precision without a positive prediction) is NaN; the
caller makes "insufficient data" of it, never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
REGRESSION, BINARY, MULTICLASS, FORECAST = "Regression", "BinaryClassification", "MulticlassClassification", "Forecast"
METRICS: dict[str, tuple[str, ...]] = {
    REGRESSION: ("rmse", "mae", "mse", "r2"),
    BINARY: (
        *("accuracy", "precision", "recall", "f1", "f0_5", "f2", "auc", "au_prc"),
        *("true_positive_rate", "true_negative_rate", "false_positive_rate", "false_negative_rate"),
    ),
    MULTICLASS: ("accuracy", "weighted_precision", "weighted_recall", "weighted_f1", "weighted_f0_5", "weighted_f2"),
    FORECAST: ("mean_weighted_quantile_loss", "weighted_quantile_loss", "rmse", "mae", "coverage"),
}
# The group of statistics.json, and of constraints.json, by problem type.
GROUPS = {REGRESSION: "regression", BINARY: "binary_classification", MULTICLASS: "multiclass_classification", FORECAST: "forecast"}
LOWER_IS_BETTER = frozenset({"rmse", "mae", "mse", "false_positive_rate", "false_negative_rate", "mean_weighted_quantile_loss"})


def ratio(part: float, whole: float) -> float:
    """NaN where there is nothing to divide by."""
    return float(part) / float(whole) if whole else float("nan")


def regression(actual: Array, predicted: Array) -> dict[str, float]:
    """Errors, and r2 (NaN for a constant truth)."""
    if not len(actual):
        return dict.fromkeys(METRICS[REGRESSION], float("nan"))
    with np.errstate(over="ignore", invalid="ignore"):
        error = predicted - actual
        squares = float(np.mean(error**2))
        spread = float(np.mean((actual - actual.mean()) ** 2))
    return {"rmse": float(np.sqrt(squares)), "mae": float(np.mean(np.abs(error))), "mse": squares, "r2": 1.0 - ratio(squares, spread)}


def binary(actual: Array, predicted: Array, scores: Array | None) -> dict[str, float]:
    """`actual` and `predicted` are booleans; without scores there is no auc."""
    tp, fp = float((actual & predicted).sum()), float((~actual & predicted).sum())
    fn, tn = float((actual & ~predicted).sum()), float((~actual & ~predicted).sum())
    return {
        "accuracy": ratio(tp + tn, len(actual)),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        **{name: ratio((1 + beta**2) * tp, (1 + beta**2) * tp + beta**2 * fn + fp) for name, beta in (("f1", 1), ("f0_5", 0.5), ("f2", 2))},
        "auc": auc(actual, scores) if scores is not None else float("nan"),
        "au_prc": average_precision(actual, scores) if scores is not None else float("nan"),
        "true_positive_rate": ratio(tp, tp + fn),
        "true_negative_rate": ratio(tn, tn + fp),
        "false_positive_rate": ratio(fp, fp + tn),
        "false_negative_rate": ratio(fn, fn + tp),
    }


def auc(actual: Array, scores: Array) -> float:
    """Area under the ROC curve: the chance that a positive scores higher than a negative, ties counting half."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positive = int(actual.sum())
    negative = len(actual) - positive
    return ratio(float(ranks[actual].sum()) - positive * (positive + 1) / 2, positive * negative)


def average_precision(actual: Array, scores: Array) -> float:
    """Area under the precision-recall curve, as the sum of steps (no interpolation)."""
    values, places = np.unique(-scores, return_inverse=True)
    hits = np.cumsum(np.bincount(places, weights=actual.astype(float), minlength=len(values)))
    taken = np.cumsum(np.bincount(places, minlength=len(values)))
    steps = np.diff(hits, prepend=0.0)
    return ratio(float(np.sum(steps * hits / np.maximum(taken, 1))), float(actual.sum()))


def confusion(actual: Sequence[str], predicted: Sequence[str]) -> dict[str, dict[str, int]]:
    """Actual class -> predicted class -> count, over the classes of either."""
    classes = sorted({*actual, *predicted})
    matrix = {row: dict.fromkeys(classes, 0) for row in classes}
    for row, guess in zip(actual, predicted, strict=True):
        matrix[row][guess] += 1
    return matrix


def multiclass(matrix: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Averages over the classes, weighted by how often each is true; a class that was never predicted has precision 0."""
    counts = np.array([list(row.values()) for row in matrix.values()], dtype=float).reshape(len(matrix), len(matrix))
    hits, actual, guessed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    whole = actual.sum()
    if not whole:
        return dict.fromkeys(METRICS[MULTICLASS], float("nan"))
    share = actual / whole
    precision, recall = hits / np.maximum(guessed, 1), hits / np.maximum(actual, 1)
    scores = {
        name: float(((1 + beta**2) * hits / np.maximum((1 + beta**2) * hits + beta**2 * (actual - hits) + guessed - hits, 1e-300)) @ share)
        for name, beta in (("weighted_f1", 1.0), ("weighted_f0_5", 0.5), ("weighted_f2", 2.0))
    }
    return {
        "accuracy": float(hits.sum() / whole),
        "weighted_precision": float(precision @ share),
        "weighted_recall": float(recall @ share),
        **scores,
    }


def forecast(actual: Array, quantiles: Mapping[float, Array], mean: Array) -> dict[str, float]:
    """Losses of a quantile forecast: `quantiles` by level, each as long as `actual`.

    Weighted quantile loss of a level t: 2 x sum of (t (y - q) if y > q, else (1 - t) (q - y)) / sum of |y|; the mean is over the
    levels. Errors are those of `mean`. Coverage: the share of actuals from the lowest to the highest level.
    """
    scale = float(np.sum(np.abs(actual)))
    losses = {level: ratio(2 * pinball(actual, values, level), scale) for level, values in quantiles.items()}
    levels = sorted(quantiles)
    found = regression(actual, mean)
    return {
        "mean_weighted_quantile_loss": float(np.mean(list(losses.values()))) if losses else float("nan"),
        **{f"weighted_quantile_loss_{level:g}": losses[level] for level in levels},
        "rmse": found["rmse"],
        "mae": found["mae"],
        "coverage": float(np.mean((quantiles[levels[0]] <= actual) & (actual <= quantiles[levels[-1]])))
        if len(levels) > 1 and len(actual)
        else float("nan"),
    }


def pinball(actual: Array, predicted: Array, level: float) -> float:
    """The summed pinball loss of one level."""
    error = actual - predicted
    return float(np.sum(np.maximum(level * error, (level - 1) * error)))
