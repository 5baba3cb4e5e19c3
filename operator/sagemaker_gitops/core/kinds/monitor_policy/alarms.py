"""The alarms of a MonitorPolicy: M of N over the checks of the model that serves, missing ones treated as CloudWatch treats them. Pure.

Source: Amazon CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data". Tests hold this to
the evaluation of the local AWS, which has its own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sagemaker_gitops.api.monitor_check import Check
from sagemaker_gitops.api.monitor_policy import Alarm
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.kinds.monitor_policy.report import about
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass, kept
from sagemaker_gitops.core.kinds.monitor_policy.windows import clock_of
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.schedule import following

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
ALARM: State = "ALARM"
OK: State = "OK"
INSUFFICIENT: State = "INSUFFICIENT_DATA"
EXTRA = 2  # periods looked at beyond evaluationPeriods: CloudWatch's evaluation range
MINUTE, DAY, WEEK = 60, 86_400, 604_800
COMPARISONS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    ">": (operator.gt, "GreaterThanThreshold"),
    ">=": (operator.ge, "GreaterThanOrEqualToThreshold"),
    "<": (operator.lt, "LessThanThreshold"),
    "<=": (operator.le, "LessThanOrEqualToThreshold"),
}


def is_bad(alarm: Alarm, value: float, threshold: float) -> bool:
    return COMPARISONS[alarm.operator][0](value, threshold)


def evaluate(alarm: Alarm, threshold: float, periods: Sequence[float | None], before: State) -> tuple[State, int]:
    """The state, and how many numbers are bad. `periods` are the last evaluationPeriods + EXTRA, latest first, None without a number."""
    wanted = alarm.evaluation_periods or 1
    needed, missing = alarm.datapoints_to_alarm or wanted, alarm.treat_missing_data or "missing"
    used = [(age, value) for age, value in enumerate(periods, 1) if value is not None][:wanted]
    bad = sum(is_bad(alarm, value, threshold) for _, value in used)
    lacking = wanted - len(used)
    if bad + (lacking if missing == "breaching" else 0) >= needed:
        return ALARM, bad
    if not lacking or bad < len(used) or missing in ("breaching", "notBreaching"):
        return OK, bad
    if missing == "ignore":
        return before, bad
    # The oldest number is as old as the alarm needs, and all that is later is bad too, or missing.
    return (ALARM if used and used[-1][0] >= needed else INSUFFICIENT), bad


def ratcheted(alarm: Alarm, threshold: float, value: float) -> float:
    """The threshold after the first good check of a newer model."""
    ratchet = alarm.threshold.ratchet
    better = is_bad(alarm, threshold, value) and threshold != value
    if ratchet is None or not (better or ratchet.only_if_better is False):
        return threshold
    return value + ratchet.rate * (threshold - value)


def period_of(here: Pass, at: datetime) -> int:
    """Seconds between two checks, in whole minutes: the longest gap of the next few moments, or the window where no clock
    decides.
    """
    clock = clock_of(here.spec)
    if clock is None:
        return _whole_minutes(here.spec.window or DAY)
    gaps, current = [], at
    for _ in range(8):
        after = following(clock, current)
        if after is None:
            break
        gaps.append((after - current) / timedelta(seconds=1) if current != at else 0.0)
        current = after
    return _whole_minutes(max(gaps, default=0.0))


def _whole_minutes(seconds: float) -> int:
    return max(MINUTE, -int(-seconds // MINUTE) * MINUTE)


def number_of(alarm: Alarm, checks: Sequence[Check], metrics: Sequence[Mapping[str, Any]]) -> tuple[str, str | None]:
    """Name of the number that an alarm compares, and the number as status holds it."""
    return about(next(item for item in checks if item.name == alarm.check), metrics, alarm.metric)


def recorded_of(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What status says of an alarm, read defensively."""
    return next((item for item in status.get("alarms") or () if isinstance(item, Mapping) and item.get("name") == name), {})


def threshold_of(here: Pass, alarm: Alarm) -> float:
    """Where it is now: by status, or by CloudWatch where status was lost; an edit begins anew."""
    recorded = recorded_of(here.snapshot.status, alarm.name)
    before = _float(recorded.get("threshold"))
    if before is not None and not _is_edited(alarm, recorded):
        return before
    return here.facts.thresholds.get(alarm.name, alarm.threshold.initial)


def _is_edited(alarm: Alarm, recorded: Mapping[str, Any]) -> bool:
    return recorded.get("initial") not in (None, repr(alarm.threshold.initial))


def is_edited(here: Pass) -> bool:
    """Whether somebody has moved the threshold of an alarm that was judged by another."""
    return any(_is_edited(alarm, recorded_of(here.snapshot.status, alarm.name)) for alarm in here.spec.alarms)


def judged(here: Pass, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """status.alarms after an ended check. Numbers of another model are forgotten: each model is judged by its own."""
    return [_judged(here, alarm, entry) for alarm in here.spec.alarms]


def _judged(here: Pass, alarm: Alarm, entry: Mapping[str, Any]) -> dict[str, Any]:
    before, threshold = recorded_of(here.snapshot.status, alarm.name), threshold_of(here, alarm)
    key, at = entry.get("modelKey"), moment(entry.get("moment")) or here.now
    _, value = number_of(alarm, here.spec.checks_, entry.get("metrics") or ())
    same = before.get("modelKey") == key
    older = [
        item
        for item in (before.get("points") or () if same else ())
        if isinstance(item, Mapping) and item.get("moment") != entry.get("moment")
    ]
    points = [kept({"moment": timestamp(at), "value": value}), *older]
    periods = buckets(alarm, points, at, period_of(here, at))
    state, bad = evaluate(alarm, threshold, periods, _state(before) if same else INSUFFICIENT)
    settled = None if _is_edited(alarm, before) else before.get("settledFor")
    threshold, settled = _settled(alarm, threshold, settled, str(key), _float(value))
    limit = (alarm.evaluation_periods or 1) + EXTRA
    return kept(
        {
            "name": alarm.name,
            "state": state,
            "threshold": repr(threshold),
            "initial": repr(alarm.threshold.initial),
            "modelKey": key,
            "settledFor": settled,
            "bad": bad,
            "points": points[:limit],
        }
    )


def _settled(alarm: Alarm, threshold: float, settled: Any, key: str, value: float | None) -> tuple[float, Any]:
    """The threshold, and the model that it is settled for: the first model takes it as it is, each newer one moves it when it is good."""
    if value is None or settled == key:
        return threshold, settled
    if settled is None:
        return threshold, key
    return (threshold, settled) if is_bad(alarm, value, threshold) else (ratcheted(alarm, threshold, value), key)


def buckets(alarm: Alarm, points: Sequence[Mapping[str, Any]], at: datetime, period: int) -> list[float | None]:
    """The numbers by period, latest first: several of one period count as the worst of them, as the CloudWatch alarm's statistic does."""
    worst = max if alarm.operator.startswith(">") else min
    found: list[float | None] = [None] * ((alarm.evaluation_periods or 1) + EXTRA)
    for point in points:
        when, value = moment(point.get("moment")), _float(point.get("value"))
        if when is None or value is None:
            continue
        index = max(0, int((at - when) / timedelta(seconds=period)))
        if index < len(found):
            old = found[index]
            found[index] = value if old is None else worst(old, value)
    return found


def _state(before: Mapping[str, Any]) -> State:
    found = before.get("state")
    return found if found in (OK, ALARM) else INSUFFICIENT


def _float(text: Any) -> float | None:
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None
