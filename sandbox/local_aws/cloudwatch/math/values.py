"""What an expression is made of: numbers, time series and arrays of these.

A time series is a value for each start of a period; a period without data has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Points = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """`points` by the period's start (seconds since the epoch); `label` names it in a result."""

    points: Points
    label: str = ""


Value = float | str | Series | tuple["Value", ...]


class MathError(Exception):
    """An expression that cannot be carried out; the text is for the caller."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The moments of a request's range, and what the other queries of it are, by id."""

    starts: Sequence[float]
    period: int
    metrics: Mapping[str, Series]
    lookup: Callable[[str], Value]

    def constant(self, value: float) -> Series:
        return Series(dict.fromkeys(self.starts, value))


def kind(value: Value) -> str:
    """AWS's word for a type."""
    if isinstance(value, Series):
        return "TimeSeries"
    if isinstance(value, tuple):
        return f"[{kind(value[0]) if value else 'TimeSeries'}]"
    return "String" if isinstance(value, str) else "Scalar"
