"""A column of a table, as Model Monitor sees one: its type, what is missing, its numbers or its texts.

Pure. Missing is what is null, blank, or says nan or null; a number that is not finite is missing too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
INTEGRAL, FRACTIONAL, STRING, UNKNOWN = "Integral", "Fractional", "String", "Unknown"
NUMERIC = (INTEGRAL, FRACTIONAL)
_MISSING = frozenset({"", "nan", "null", "none"})


@dataclass(frozen=True)
class Column:
    """`numbers` has NaN where there is none; `texts` None where something else stands. All three as long as the column."""

    name: str
    kind: str
    present: Array
    numbers: Array
    texts: Sequence[str | None]

    @property
    def size(self) -> int:
        return len(self.present)

    @property
    def filled(self) -> int:
        """How many are not missing."""
        return int(self.present.sum())

    def finite(self) -> Array:
        """The numbers that there are."""
        found: Array = self.numbers[~np.isnan(self.numbers)]
        return found

    def categories(self) -> Counter[str]:
        """How often each value occurs, as text, missing ones left out."""
        return Counter(text for text in self.labels() if text is not None)

    def labels(self) -> list[str | None]:
        """Each value as text (3 for 3.0), None where it is missing."""
        return [
            text if text is not None else (label(number) if there and number == number else None)
            for text, number, there in zip(self.texts, self.numbers.tolist(), self.present.tolist(), strict=True)
        ]

    def share(self, kind: str) -> float:
        """The share of what is present that has a type; every number can stand for a Fractional, every value for a String."""
        if not self.filled:
            return 1.0
        finite = self.finite()
        if kind == INTEGRAL:
            return float((finite == np.floor(finite)).sum()) / self.filled
        return len(finite) / self.filled if kind == FRACTIONAL else 1.0


def label(value: Any) -> str:
    """A value as the name of a class or category: 3 for 3.0 and for "3.0", true for True."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.strip()
        try:
            number = float(text)
        except ValueError:
            return text
        return label(number) if text[:1] not in ("0", "+") or text.startswith("0.") or text == "0" else text
    if isinstance(value, (int, float)):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value)


def columns_of(table: dict[str, list[Any]]) -> list[Column]:
    """The columns of a table, in its order."""
    return [column(name, values) for name, values in table.items()]


def column(name: str, values: list[Any]) -> Column:
    """A column of raw values: cells of CSV, or what JSON holds."""
    types = set(map(type, values))
    if types <= {str, int, float}:
        try:
            numbers = np.array(list(map(float, values)))  # ten times quicker than numpy's own reading of texts
        except (ValueError, OverflowError):
            return _mixed(name, values)
        if np.isfinite(numbers).all():
            return Column(name, _numeric_kind(numbers), np.ones(len(values), dtype=bool), numbers, [None] * len(values))
    return _mixed(name, values)


def _mixed(name: str, values: list[Any]) -> Column:
    numbers = np.full(len(values), np.nan)
    texts: list[str | None] = [None] * len(values)
    present = np.zeros(len(values), dtype=bool)
    nested = False
    for position, value in enumerate(values):
        cell = _cell(value)
        if isinstance(cell, float):
            numbers[position] = cell
        elif cell is not None:
            texts[position] = cell
        nested = nested or isinstance(value, (list, dict))
        present[position] = cell is not None
    if nested or not present.any():
        kind = UNKNOWN
    elif any(text is not None for text in texts):
        kind = STRING
    else:
        kind = _numeric_kind(numbers[present])
    return Column(name, kind, present, numbers, texts)


def _cell(value: Any) -> float | str | None:
    """A finite number, a text, or None for what is missing."""
    if value is None or isinstance(value, bool):
        return None if value is None else label(value)
    if isinstance(value, str) and value.strip().lower() in _MISSING:
        return None
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return value if isinstance(value, str) else str(value)
    return number if np.isfinite(number) else None


def _numeric_kind(numbers: Array) -> str:
    if not len(numbers):
        return UNKNOWN
    return INTEGRAL if np.array_equal(numbers, np.floor(numbers)) else FRACTIONAL
