"""Bias of data and of predictions, by the public formulas that SageMaker Clarify documents.

Pure. `d` marks the facet that may be disadvantaged, all others are `a`; labels and predictions are booleans, True the favourable
outcome. n: rows, n(1): truly favourable, n'(1): predicted favourable. What is not defined is NaN. Source: developer guide,
"Pre-training Bias Metrics" and "Post-training Data and Model Bias Metrics".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from columns import Array
from quality_metrics import ratio

NEIGHBOURS = 5  # FT: as many as vote


@dataclass(frozen=True)
class Groups:
    """Rows of both facets. `labels` and `predicted` may be missing, `outcomes` are the labels before they were made favourable or
    not, `group` is the column of CDDL and CDDPL, `features` the others as numbers (FT)."""

    d: Array
    labels: Array | None
    predicted: Array | None
    outcomes: Array | None = None
    group: Array | None = None
    features: Array | None = None


@dataclass(frozen=True)
class Counts:
    """The confusion matrix of one facet."""

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def n(self) -> float:
        return self.tp + self.fp + self.fn + self.tn


def _counts(groups: Groups, of_d: bool) -> Counts:
    assert groups.labels is not None
    assert groups.predicted is not None
    there = groups.d if of_d else ~groups.d
    y, p = groups.labels[there], groups.predicted[there]
    return Counts(float((y & p).sum()), float((~y & p).sum()), float((y & ~p).sum()), float((~y & ~p).sum()))


def _difference(of: Callable[[Counts], float], *, d_first: bool = False) -> Callable[[Groups], float]:
    """a minus d, or d minus a."""

    def metric(groups: Groups) -> float:
        found = of(_counts(groups, of_d=False)) - of(_counts(groups, of_d=True))
        return -found if d_first else found

    return metric


def class_imbalance(groups: Groups) -> float:
    """CI = (n_a - n_d) / n."""
    return ratio(float((~groups.d).sum()) - float(groups.d.sum()), len(groups.d))


def _share(values: Array | None, there: Array) -> float:
    assert values is not None
    return ratio(float(values[there].sum()), float(there.sum()))


def label_difference(groups: Groups) -> float:
    """DPL = n_a(1) / n_a - n_d(1) / n_d."""
    return _share(groups.labels, ~groups.d) - _share(groups.labels, groups.d)


def _distributions(groups: Groups) -> tuple[Array, Array]:
    """Shares of every label in a and in d."""
    assert groups.outcomes is not None
    names, places = np.unique(groups.outcomes, return_inverse=True)
    both = [np.bincount(places[there], minlength=len(names)).astype(float) for there in (~groups.d, groups.d)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return both[0] / both[0].sum(), both[1] / both[1].sum()


def kullback_leibler(p: Array, q: Array) -> float:
    """Sum of p ln(p / q); NaN where q lacks what p has."""
    there = p > 0
    if np.isnan(p).any() or np.isnan(q).any() or (q[there] == 0).any():
        return float("nan")
    return float(np.sum(p[there] * np.log(p[there] / q[there])))


def jensen_shannon(p: Array, q: Array) -> float:
    """Half the divergences of both from their middle, in nats."""
    middle = (p + q) / 2
    return (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2


def conditional_disparity(favourable: Array, d: Array, group: Array) -> float:
    """Sum over the subgroups of n_i / n x (n_d(0) / n(0) - n_d(1) / n(1)); a subgroup with one outcome alone has no disparity."""
    total = 0.0
    for value in np.unique(group):
        there = group == value
        good, bad = there & favourable, there & ~favourable
        if good.any() and bad.any():
            total += float(there.sum()) * (float((d & bad).sum()) / float(bad.sum()) - float((d & good).sum()) / float(good.sum()))
    return ratio(total, len(d))


def _on_labels(groups: Groups) -> float:
    assert groups.labels is not None
    return float("nan") if groups.group is None else conditional_disparity(groups.labels, groups.d, groups.group)


def _on_predictions(groups: Groups) -> float:
    assert groups.predicted is not None
    return float("nan") if groups.group is None else conditional_disparity(groups.predicted, groups.d, groups.group)


def disparate_impact(groups: Groups) -> float:
    """DI = (n'_d(1) / n_d) / (n'_a(1) / n_a); 1 is fair."""
    return ratio(_share(groups.predicted, groups.d), _share(groups.predicted, ~groups.d))


def flip_test(groups: Groups) -> float:
    """FT = (F+ - F-) / n_d: members of d whose nearest neighbours in a are mostly given the other outcome.

    F+ counts those that got the unfavourable outcome, F- the favourable one. Features are scaled to unit deviation; ties go to the row
    that comes first in a sorted order, so that the order of rows does not matter.
    """
    assert groups.predicted is not None
    if groups.features is None or not groups.d.any() or groups.d.all() or not groups.features.shape[1]:
        return float("nan")
    spread = groups.features.std(axis=0)
    scaled = groups.features / np.where(spread > 0, spread, 1.0)
    theirs, answers = scaled[~groups.d], groups.predicted[~groups.d]
    order = np.lexsort((answers, *theirs.T))
    theirs, answers = theirs[order], answers[order]
    size = min(NEIGHBOURS, len(theirs))
    flips = 0
    for row, own in zip(scaled[groups.d], groups.predicted[groups.d], strict=True):
        near = np.argsort(np.sum((theirs - row) ** 2, axis=1), kind="stable")[:size]
        voted = answers[near].sum() * 2 > size
        flips += 0 if voted == own else (1 if voted else -1)
    return flips / float(groups.d.sum())


def generalized_entropy(groups: Groups) -> float:
    """GE = 1 / 2n x sum of ((b / mean b)^2 - 1) with b = prediction - label + 1: 0 if the benefit is the same for all."""
    assert groups.labels is not None
    assert groups.predicted is not None
    benefit = groups.predicted.astype(float) - groups.labels.astype(float) + 1.0
    mean = float(benefit.mean()) if len(benefit) else 0.0
    return float(np.mean((benefit / mean) ** 2 - 1) / 2) if mean else float("nan")


def _distribution(of: Callable[[Array, Array], float]) -> Callable[[Groups], float]:
    def metric(groups: Groups) -> float:
        p, q = _distributions(groups)
        return of(p, q)

    return metric


@dataclass(frozen=True)
class BiasMetric:
    """`fair` is the value without bias; the needs say what rows must have."""

    of: Callable[[Groups], float]
    labels: bool
    predictions: bool
    fair: float = 0.0

    def badness(self, value: float) -> float:
        """How far from fair; of a ratio, how far below: the facet with the lowest one is the disadvantaged one."""
        return abs(value) if self.fair == 0.0 else self.fair - value


METRICS: dict[str, BiasMetric] = {
    "CI": BiasMetric(class_imbalance, False, False),
    "DPL": BiasMetric(label_difference, True, False),
    "KL": BiasMetric(_distribution(kullback_leibler), True, False),
    "JS": BiasMetric(_distribution(jensen_shannon), True, False),
    "LP": BiasMetric(_distribution(lambda p, q: float(np.sqrt(np.sum((p - q) ** 2)))), True, False),
    "TVD": BiasMetric(_distribution(lambda p, q: float(np.sum(np.abs(p - q)) / 2)), True, False),
    "KS": BiasMetric(_distribution(lambda p, q: float(np.max(np.abs(p - q), initial=0.0))), True, False),
    "CDDL": BiasMetric(_on_labels, True, False),
    "DPPL": BiasMetric(lambda groups: _share(groups.predicted, ~groups.d) - _share(groups.predicted, groups.d), False, True),
    "DI": BiasMetric(disparate_impact, False, True, 1.0),
    # observed over predicted, of the favourable and of the unfavourable outcome
    "DCA": BiasMetric(_difference(lambda c: ratio(c.tp + c.fn, c.tp + c.fp)), True, True),
    "DCR": BiasMetric(_difference(lambda c: ratio(c.tn + c.fp, c.tn + c.fn), d_first=True), True, True),
    "AD": BiasMetric(_difference(lambda c: ratio(c.tp + c.tn, c.n)), True, True),
    "RD": BiasMetric(_difference(lambda c: ratio(c.tp, c.tp + c.fn)), True, True),
    "SD": BiasMetric(_difference(lambda c: ratio(c.tn, c.tn + c.fp), d_first=True), True, True),
    "DAR": BiasMetric(_difference(lambda c: ratio(c.tp, c.tp + c.fp)), True, True),
    "DRR": BiasMetric(_difference(lambda c: ratio(c.tn, c.tn + c.fn), d_first=True), True, True),
    "TE": BiasMetric(_difference(lambda c: ratio(c.fn, c.fp), d_first=True), True, True),
    "CDDPL": BiasMetric(_on_predictions, False, True),
    "FT": BiasMetric(flip_test, False, True),
    "GE": BiasMetric(generalized_entropy, True, True),
}
