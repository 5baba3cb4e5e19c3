"""What the model said and what was true, out of records, item by item.

Pure. A record may hold many rows (a request of several lines): its response and its truth are matched by position, and a record
whose truth has another number of items than its response is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from columns import Array, label
from records import Record, member
from rows import items_of

Attribute = str | int | None
_LABELS = ("predicted_label", "prediction", "label", "value", "score", "predicted")
_SCORES = ("score", "probability", "probabilities", "scores")
_TRUTHS = ("label", "value", "target", "actual", "groundTruth")


@dataclass
class Pairs:
    """Response item and truth item of each row; `uneven` counts records whose numbers of the two differ."""

    items: list[tuple[Any, Any]] = field(default_factory=list)
    uneven: int = 0

    def note(self, unusable: int) -> str:
        """What was left out, for the message of a metric."""
        parts = [f"{self.uneven} records have another number of truths than of predictions" if self.uneven else ""]
        parts += [f"{unusable} rows have no usable prediction or truth" if unusable else ""]
        return "; ".join(part for part in parts if part)


def pairs(records: Sequence[Record]) -> Pairs:
    """The rows of the records that have truth."""
    found = Pairs()
    for record in records:
        if record.truth is None:
            continue
        answers, truths = items_of(record.output), items_of(record.truth)
        if len(answers) != len(truths) and len(answers) == 1 and isinstance(record.truth, list):
            truths = [record.truth]
        if len(answers) != len(truths):
            found.uneven += 1
        else:
            found.items += zip(answers, truths, strict=True)
    return found


def scalar(item: Any, attribute: Attribute, names: Sequence[str]) -> Any:
    """The value that an item holds at `attribute`, or under the first of the usual names, or alone."""
    if attribute is not None:
        return member(item, attribute)
    if isinstance(item, dict):
        return next((item[name] for name in names if name in item), next(iter(item.values())) if len(item) == 1 else None)
    if isinstance(item, list):
        return item[0] if item else None
    return item


def number(value: Any) -> float:
    """A finite number, else NaN."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
    return found if np.isfinite(found) else float("nan")


def numbers(found: Pairs, inference: Attribute, truth: Attribute) -> tuple[Array, Array, int]:
    """Predictions and truths as numbers, and how many rows had none."""
    both = np.array([(number(scalar(item, inference, _LABELS)), number(scalar(true, truth, _TRUTHS))) for item, true in found.items])
    both = both.reshape(-1, 2)
    usable = ~np.isnan(both).any(axis=1)
    return both[usable, 0], both[usable, 1], int((~usable).sum())


def classes(found: Pairs, inference: Attribute, truth: Attribute) -> tuple[list[str], list[str], int]:
    """Predicted and true classes by name, and how many rows had none. Probabilities by class mean the position of the largest."""
    return _named(found, lambda item: _class(item, inference), truth)


def _class(item: Any, inference: Attribute) -> str | None:
    value = scalar(item, inference, _LABELS)
    if inference is None and isinstance(item, list) and len(item) > 1:
        value = item
    if isinstance(value, list):
        ranked = np.array([number(each) for each in value])
        return None if np.isnan(ranked).any() or not len(ranked) else str(int(np.argmax(ranked)))
    return None if value is None or value == "" else label(value)


def binaries(
    found: Pairs, inference: Attribute, probability: Attribute, truth: Attribute, threshold: float, positive: str
) -> tuple[Array, Array, Array | None, int]:
    """Predicted and true positives, the scores (None without), and how many rows had none.

    A number without any attribute named is a probability; a label of 0 and 1 gives the same classes so.
    """
    scores: list[float] = []

    def predicted(item: Any) -> str | None:
        value = None if inference is not None and probability is None else number(scalar(item, probability, _SCORES))
        named = inference is not None or (isinstance(item, dict) and "predicted_label" in item)
        text = _class(item, inference) if named or value is None or np.isnan(value) else None
        if text is None and (value is None or np.isnan(value)):
            return None
        scores.append(float("nan") if value is None else value)
        if text is None:
            return positive if value is not None and value >= threshold else ""
        return text

    guessed, true, unusable = _named(found, predicted, truth)
    usable = np.array(scores)
    whole = len(usable) == len(true) and not np.isnan(usable).any() and len(usable) > 0
    return (
        np.array([text == positive for text in guessed], dtype=bool),
        np.array([text == positive for text in true], dtype=bool),
        usable if whole else None,
        unusable,
    )


def _named(found: Pairs, predicted: Callable[[Any], str | None], truth: Attribute) -> tuple[list[str], list[str], int]:
    guessed: list[str] = []
    true: list[str] = []
    for item, actual in found.items:
        value = scalar(actual, truth, _TRUTHS)
        guess = predicted(item) if value is not None and value != "" else None
        if guess is not None:
            guessed.append(guess)
            true.append(label(value))
    return guessed, true, len(found.items) - len(guessed)


@dataclass(frozen=True)
class Forecasts:
    """All points of all series in a row. `uneven` records have no truth for as many series as they forecast."""

    actual: Array
    mean: Array
    quantiles: dict[float, Array]
    uneven: int


def forecasts(found: Pairs, truth: Attribute) -> Forecasts:
    """DeepAR's output (`quantiles` by level, `mean`) against the points that followed.

    Truth that is shorter than the horizon is compared as far as it goes, points that are null are left out. Levels are those that
    every forecast has.
    """
    series = [(item, _points(scalar(actual, truth, ("target", *_TRUTHS)), actual)) for item, actual in found.items]
    usable = [(item, points) for item, points in series if isinstance(item, dict) and isinstance(item.get("quantiles"), dict)]
    shared = set.intersection(*(set(item["quantiles"]) for item, _ in usable)) if usable else set()
    parts: dict[str, list[Array]] = {name: [] for name in ("actual", "mean", *shared)}
    uneven = found.uneven + len(series) - len(usable)
    for item, points in usable:
        middle = item.get("mean") or item["quantiles"].get("0.5")
        lines = {name: _points(item["quantiles"][name], None) for name in shared} | {"mean": _points(middle, None)}
        size = min(len(points), *(len(line) for line in lines.values()))
        there = ~np.isnan(points[:size])
        for line in lines.values():
            there &= ~np.isnan(line[:size])
        uneven += not there.any()
        for name, line in {**lines, "actual": points}.items():
            parts[name].append(line[:size][there])
    whole = {name: np.concatenate(lines) if lines else np.empty(0) for name, lines in parts.items()}
    return Forecasts(whole["actual"], whole["mean"], {float(name): whole[name] for name in shared}, uneven)


def _points(value: Any, alternative: Any) -> Array:
    """A list of points; of a row of CSV, which has no name, the whole row."""
    if isinstance(alternative, list):
        value = alternative
    if not isinstance(value, list):
        value = [] if value is None else [value]
    return np.array([number(item) for item in value], dtype=float)
