"""Whether an alarm's datapoints breach its threshold: M of N, missing data, low samples, and the reason in AWS's words.

Pure. Sources: CloudWatch user guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" (whose two
tables are among the tests); the reasons from alarms quoted in public issues.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

EXTRA: Final = 2
"""Periods that are looked at beyond EvaluationPeriods, the "evaluation range": five for an alarm of three, as in AWS's tables."""

_SAMPLES: Final = 10
_ROUNDING: Final = 1e-6
_OPERATORS: Final[Mapping[str, tuple[Callable[[float, float], bool], str]]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
OPERATORS: Final = frozenset(_OPERATORS)
_FILLED: Final = {"breaching": "Breaching", "notBreaching": "NonBreaching", "ignore": "Ignored"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alarm compares; `breaching` of the latest `periods` datapoints make it ring."""

    comparison: str
    threshold: float
    periods: int
    breaching: int
    missing: str = "missing"
    percentile: float | None = None
    ignore_low_samples: bool = False

    @classmethod
    def of(cls, alarm: Mapping[str, Any]) -> Rule:
        """From the members of PutMetricAlarm."""
        periods = alarm["EvaluationPeriods"]
        extended = alarm.get("ExtendedStatistic")
        return cls(
            comparison=alarm["ComparisonOperator"],
            threshold=alarm["Threshold"],
            periods=periods,
            breaching=alarm.get("DatapointsToAlarm", periods),
            missing=alarm.get("TreatMissingData", "missing"),
            percentile=None if extended is None else float(extended[1:]),
            ignore_low_samples=alarm.get("EvaluateLowSampleCountPercentile") == "ignore",
        )

    def breaks(self, value: float) -> bool:
        return _OPERATORS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One period that has data; `start` in seconds since the epoch, `age` 1 for the latest period."""

    start: float
    age: int
    value: float
    samples: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state` is None when the alarm stays as it is; `evaluated` are the datapoints that decided, latest first."""

    state: State | None
    reason: str
    evaluated: tuple[Datapoint, ...]


def evaluate(rule: Rule, points: Sequence[Datapoint]) -> Verdict:
    """The verdict over the evaluation range; `points` are the periods that have data, latest first."""
    used = tuple(points[: rule.periods])
    lacking = rule.periods - len(used)
    if rule.ignore_low_samples and used and _too_few(rule, used):
        return Verdict(None, "", used)
    broken = sum(rule.breaks(point.value) for point in used)
    if lacking and rule.missing == "breaching":
        broken += lacking
    sound = len(used) - sum(rule.breaks(point.value) for point in used)
    state: State | None
    if broken >= rule.breaching:
        state = "ALARM"
    elif not lacking or sound or rule.missing in ("breaching", "notBreaching"):
        state = "OK"
    elif rule.missing == "ignore":
        state = None
    else:
        # The oldest datapoint is as old as an alarm needs, and whatever is later breaches too or is missing.
        state = "ALARM" if used and used[-1].age >= rule.breaching else "INSUFFICIENT_DATA"
    return Verdict(state, _reason(rule, state, used, lacking), used)


def _too_few(rule: Rule, used: Sequence[Datapoint]) -> bool:
    if rule.percentile is None:
        return False
    share = rule.percentile / 100.0
    rare = min(share, 1.0 - share)
    return rare <= 0 or sum(point.samples for point in used) < _SAMPLES / rare - _ROUNDING


def _reason(rule: Rule, state: State | None, used: Sequence[Datapoint], lacking: int) -> str:
    if state is None:
        return ""
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_were(lacking, 'unknown')}."
    crossed = [point for point in used if rule.breaks(point.value) == (state == "ALARM")]
    if not used:
        return f"Threshold Crossed: no datapoints were received for {_count(rule.periods, 'period')} and {_missing(rule, lacking)}."
    shown = ", ".join(f"{_number(point.value)} ({_minute(point.start)})" for point in crossed)
    word = "was" if len(crossed) == 1 else "were"
    negated = "" if state == "ALARM" else "not "
    text = f"Threshold Crossed: {len(crossed)} out of the last {rule.periods} datapoints [{shown}] {word} {negated}"
    text += f"{_OPERATORS[rule.comparison][1]} the threshold ({_number(rule.threshold)})"
    if lacking and rule.missing in _FILLED:
        text += f" and {_missing(rule, lacking)}"
    needed = rule.breaching if state == "ALARM" else rule.periods - rule.breaching + 1
    change = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
    return f"{text} (minimum {_count(needed, 'datapoint')} for {change} transition)."


def _missing(rule: Rule, lacking: int) -> str:
    return f"{_count(lacking, 'missing datapoint')} {'was' if lacking == 1 else 'were'} treated as [{_FILLED.get(rule.missing, 'Missing')}]"


def _were(number: int, what: str) -> str:
    return f"{_count(number, 'datapoint')} {'was' if number == 1 else 'were'} {what}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _number(value: float) -> str:
    return str(float(value))


def _minute(start: float) -> str:
    return datetime.fromtimestamp(start, UTC).strftime("%d/%m/%y %H:%M:%S")
