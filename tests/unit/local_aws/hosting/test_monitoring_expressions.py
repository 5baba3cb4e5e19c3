"""When a monitoring schedule is due, and when its alert rings: without an endpoint."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local_aws.monitoring import expression
from local_aws.monitoring.schedule import Alert


def test_an_alert_counts_its_latest_executions() -> None:
    """Two of three."""
    now = datetime.now(UTC)
    good, bad = "Completed", "CompletedWithViolations"
    assert Alert(2, 3, now, now).states([bad, good, bad, good, good, bad]) == ["OK", "OK", "InAlert", "OK", "OK", "OK"]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("cron(0 * ? * * *)", list(range(24))),
        ("cron(0 5 ? * * *)", [5]),
        ("cron(0 17/12 ? * * *)", [5, 17]),
        ("cron(0 17/5 ? * * *)", [3, 8, 13, 17, 22]),
        ("cron(0 0/6 ? * * *)", [0, 6, 12, 18]),
    ],
)
def test_expressions_are_due(text: str, hours: list[int]) -> None:
    """In UTC."""
    every = expression.parse(text)
    assert every is not None
    assert [hour for hour in range(24) if every.due(datetime(2026, 11, 21, hour, tzinfo=UTC))] == hours


@pytest.mark.parametrize("text", ["cron(0 24 ? * * *)", "cron(0 0/25 ? * * *)", "cron(0 */2 ? * * *)", "rate(1 hour)", "now"])
def test_other_expressions_are_none(text: str) -> None:
    """SageMaker knows fewer than EventBridge."""
    with pytest.raises(ValueError):
        expression.parse(text)
