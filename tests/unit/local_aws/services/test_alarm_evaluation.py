"""Alarm states from datapoints: AWS's own tables of missing data, M of N, operators, low samples, and the reasons."""

from __future__ import annotations

import pytest

from local_aws.cloudwatch.evaluation import Datapoint, Rule, State, evaluate

MINUTE = 60.0
NOON = 1_760_000_040.0


def rule(**changes: object) -> Rule:
    base = {"comparison": "GreaterThanThreshold", "threshold": 1.0, "periods": 3, "breaching": 3}
    return Rule(**(base | changes))  # type: ignore[arg-type]


def points(pattern: str) -> list[Datapoint]:
    """As AWS's tables draw them, oldest first: 0 is sound, X breaches, - is missing."""
    newest_first = list(reversed(pattern.split()))
    values = {"0": 0.0, "X": 2.0}
    return [Datapoint(NOON - age * MINUTE, age, values[mark], 1.0) for age, mark in enumerate(newest_first, 1) if mark != "-"]


def state(of: Rule, pattern: str) -> State | None:
    return evaluate(of, points(pattern)).state


TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
ALARM, OK, UNKNOWN, KEEP = "ALARM", "OK", "INSUFFICIENT_DATA", None


@pytest.mark.parametrize(
    ("pattern", "states"),
    [
        ("0 - X - X", (OK, OK, OK, OK)),
        ("0 - - - -", (OK, OK, OK, OK)),
        ("- - - - -", (UNKNOWN, KEEP, ALARM, OK)),
        ("0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
        ("- - X - -", (ALARM, KEEP, ALARM, OK)),
        ("- - - - X", (UNKNOWN, KEEP, ALARM, OK)),
    ],
)
def test_missing_data_of_three_of_three(pattern: str, states: tuple[State | None, ...]) -> None:
    """The first table of "Configuring how CloudWatch alarms treat missing data"."""
    assert tuple(state(rule(missing=treatment), pattern) for treatment in TREATMENTS) == states


@pytest.mark.parametrize(
    ("pattern", "states"),
    [
        ("0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
        ("0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
        ("0 - X - -", (OK, OK, ALARM, OK)),
        ("- - - - 0", (OK, OK, ALARM, OK)),
        ("- - - X -", (ALARM, KEEP, ALARM, OK)),
    ],
)
def test_missing_data_of_two_of_three(pattern: str, states: tuple[State | None, ...]) -> None:
    """The second table: M of N."""
    assert tuple(state(rule(missing=treatment, breaching=2), pattern) for treatment in TREATMENTS) == states


def test_only_the_latest_periods_count() -> None:
    """What is older than EvaluationPeriods decides nothing while there is enough that is later."""
    assert state(rule(), "X X X X 0") == OK
    assert state(rule(), "0 0 X X X") == ALARM


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "above"),
    [
        ("GreaterThanThreshold", OK, OK, ALARM),
        ("GreaterThanOrEqualToThreshold", OK, ALARM, ALARM),
        ("LessThanThreshold", ALARM, OK, OK),
        ("LessThanOrEqualToThreshold", ALARM, ALARM, OK),
    ],
)
def test_every_comparison(comparison: str, below: State, equal: State, above: State) -> None:
    """Of the datapoint with the threshold of 1."""
    found = [
        evaluate(rule(comparison=comparison, periods=1, breaching=1), [Datapoint(NOON, 1, value, 1.0)]).state for value in (0.9, 1.0, 1.1)
    ]
    assert found == [below, equal, above]


def test_few_samples_of_a_percentile_keep_the_state() -> None:
    """p90 needs a hundred samples when they are to be ignored; p10 likewise; otherwise it is evaluated."""
    few, many = [Datapoint(NOON, 1, 2.0, 99.0)], [Datapoint(NOON, 1, 2.0, 100.0)]
    for percentile in (90.0, 10.0):
        careful = rule(periods=1, breaching=1, percentile=percentile, ignore_low_samples=True)
        assert (evaluate(careful, few).state, evaluate(careful, many).state) == (None, ALARM)
    assert evaluate(rule(periods=1, breaching=1, percentile=90.0), few).state == ALARM


@pytest.mark.parametrize(
    ("of", "pattern", "reason"),
    [
        (
            rule(periods=2, breaching=2),
            "X X",
            (
                "Threshold Crossed: 2 out of the last 2 datapoints [2.0 (09/10/25 08:53:00), 2.0 (09/10/25 08:52:00)] were greater "
                "than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition)."
            ),
        ),
        (
            rule(periods=1, breaching=1),
            "0",
            (
                "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (09/10/25 08:53:00)] was not greater than the threshold (1.0) "
                "(minimum 1 datapoint for ALARM -> OK transition)."
            ),
        ),
        (
            rule(periods=1, breaching=1, missing="notBreaching"),
            "-",
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].",
        ),
        (
            rule(missing="breaching"),
            "- - X",
            (
                "Threshold Crossed: 1 out of the last 3 datapoints [2.0 (09/10/25 08:53:00)] was greater than the threshold (1.0) "
                "and 2 missing datapoints were treated as [Breaching] (minimum 3 datapoints for OK -> ALARM transition)."
            ),
        ),
        (rule(periods=1, breaching=1), "-", "Insufficient Data: 1 datapoint was unknown."),
    ],
)
def test_reasons_are_in_the_words_of_aws(of: Rule, pattern: str, reason: str) -> None:
    """Clients show them, and some parse them."""
    assert evaluate(of, points(pattern)).reason == reason
