"""The alarms of a MonitorPolicy agree with CloudWatch's, of which the local AWS has an evaluation of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.cloudwatch.evaluation import Datapoint, Rule
from local_aws.cloudwatch.evaluation import evaluate as cloudwatch
from sagemaker_gitops.api.monitor_policy import Alarm
from sagemaker_gitops.core.kinds.monitor_policy.alarms import COMPARISONS, EXTRA, buckets, evaluate, is_bad, ratcheted

MISSING = ("breaching", "notBreaching", "ignore", "missing")
NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)


def alarm(**given: Any) -> Alarm:
    made = {"name": "a", "check": "c", "operator": ">", "threshold": {"initial": 1.0}} | given
    return Alarm.model_validate(made, by_alias=True, by_name=False)


def told(spec: Alarm, threshold: float, periods: list[float | None], before: str) -> str:
    """What CloudWatch's evaluation makes of the same numbers."""
    wanted = spec.evaluation_periods or 1
    rule = Rule(COMPARISONS[spec.operator][1], threshold, wanted, spec.datapoints_to_alarm or wanted, spec.treat_missing_data or "missing")
    points = [Datapoint(-60.0 * age, age, value, 1.0) for age, value in enumerate(periods, 1) if value is not None]
    return cloudwatch(rule, points).state or before


def worlds() -> Iterator[tuple[int, int, str, tuple[float | None, ...]]]:
    """Every history of an alarm of up to three periods: bad, good or missing in each."""
    for wanted in (1, 2, 3):
        for needed, missing in itertools.product(range(1, wanted + 1), MISSING):
            for periods in itertools.product((2.0, 0.0, None), repeat=wanted + EXTRA):
                yield wanted, needed, missing, periods


def test_every_short_history_is_judged_as_cloudwatch_does() -> None:
    """All of them: M of N, each way to treat missing data, bad, good and missing periods."""
    for wanted, needed, missing, periods in worlds():
        spec = alarm(evaluationPeriods=wanted, datapointsToAlarm=needed, treatMissingData=missing)
        for before in ("OK", "ALARM", "INSUFFICIENT_DATA"):
            assert evaluate(spec, 1.0, periods, before)[0] == told(spec, 1.0, list(periods), before), (spec, periods, before)  # type: ignore[arg-type]


@given(
    wanted=st.integers(1, 12),
    share=st.floats(0, 1),
    missing=st.sampled_from([None, *MISSING]),
    operator=st.sampled_from(sorted(COMPARISONS)),
    data=st.data(),
)
def test_any_history_is_judged_as_cloudwatch_does(
    wanted: int, share: float, missing: str | None, operator: str, data: st.DataObject
) -> None:
    numbers = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, 1.5]))
    periods = data.draw(st.lists(numbers, min_size=wanted + EXTRA, max_size=wanted + EXTRA))
    given = {"evaluationPeriods": wanted, "datapointsToAlarm": max(1, round(share * wanted)), "operator": operator}
    spec = alarm(**given, **({"treatMissingData": missing} if missing else {}))
    assert evaluate(spec, 1.0, periods, "OK")[0] == told(spec, 1.0, periods, "OK")


def test_several_numbers_of_one_period_count_as_the_worst() -> None:
    """As the statistic of the CloudWatch alarm does: Maximum for >, Minimum for <."""
    points = [{"moment": f"2026-11-21T10:{minute}:00Z", "value": value} for minute, value in (("30", "1"), ("20", "3"), ("10", "2"))]
    hour = 3600
    assert buckets(alarm(), points, NOW, hour) == [3.0, None, None]
    assert buckets(alarm(operator="<"), points, NOW, hour) == [1.0, None, None]
    assert buckets(alarm(evaluationPeriods=2), points, NOW + timedelta(hours=1), hour) == [None, 3.0, None, None]


@pytest.mark.parametrize(
    ("operator", "value", "only", "expected"),
    [
        (">", 0.2, True, 0.3),
        (">", 0.6, True, 0.4),
        (">", 0.6, False, 0.5),
        (">", 0.4, True, 0.4),
        ("<", 0.6, True, 0.5),
        ("<", 0.2, True, 0.4),
    ],
)
def test_the_ratchet_moves_towards_what_is_better(operator: str, value: float, only: bool, expected: float) -> None:
    """new = value + rate * (threshold - value); only on improvement, unless the spec says otherwise."""
    spec = alarm(operator=operator, threshold={"initial": 0.4, "ratchet": {"rate": 0.5, "onlyIfBetter": only}})
    assert ratcheted(spec, 0.4, value) == pytest.approx(expected)


def test_without_a_ratchet_it_stays() -> None:
    assert ratcheted(alarm(), 0.4, 0.1) == 0.4
    assert is_bad(alarm(operator=">="), 1.0, 1.0)
