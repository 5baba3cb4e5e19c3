"""core.backoff: growth, caps and jitter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagemaker_gitops.core.backoff import LONGEST, ceiling, delay

FIRST = st.floats(0.1, 6 * 3600)


def test_the_delay_doubles_up_to_sixty_times_the_first() -> None:
    """Transient failures are retried within a minute, whatever happens."""
    assert [delay(1.0, failures, 1.0) for failures in (1, 2, 3, 7, 50)] == [1.0, 2.0, 4.0, 60.0, 60.0]


@pytest.mark.parametrize(("first", "expected"), [(1.0, 60.0), (60.0, 3600.0), (6 * 3600.0, 6 * 3600.0)])
def test_the_ceiling_is_an_hour_unless_the_first_retry_is_later(first: float, expected: float) -> None:
    """A refusal is asked again at most once an hour (failure-modes.md G6); a hopeless one not sooner than it began."""
    assert ceiling(first) == expected


@settings(deadline=None)
@given(FIRST, st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_delay_stays_within_half_and_all_of_the_step(first: float, failures: int, fraction: float) -> None:
    """Never zero, never above the ceiling, however long it lasts."""
    assert 0 < first / 2 <= delay(first, failures, fraction) <= max(first, LONGEST)
