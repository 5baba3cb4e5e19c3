"""How many instances target tracking wants: proportion, limits, cooldowns."""

from __future__ import annotations

import pytest

from local_aws.autoscaling.tracking import Direction, Past, Tracking, wanted

PLAIN = Tracking(target=10.0, out_cooldown=60.0, in_cooldown=300.0)
NOW = 1000.0


def count(
    direction: Direction,
    now_has: int,
    value: float,
    tracking: Tracking = PLAIN,
    limits: tuple[int, int] = (1, 8),
    out: Past | None = None,
    back: Past | None = None,
) -> int:
    return wanted(tracking, direction, now_has, limits, value, NOW, out, back)


@pytest.mark.parametrize(
    ("direction", "has", "value", "wants"),
    [
        ("out", 1, 10.0, 1),
        ("out", 1, 10.1, 2),
        ("out", 2, 25.0, 5),
        ("out", 4, 1000.0, 8),
        ("out", 0, 5.0, 1),
        ("in", 4, 5.0, 2),
        ("in", 4, 5.1, 3),
        ("in", 4, 0.0, 1),
        ("in", 2, 9.9, 2),
        ("in", 2, 30.0, 2),
    ],
)
def test_the_count_follows_the_metric(direction: Direction, has: int, value: float, wants: int) -> None:
    """In proportion, rounded up, within the limits, and never in the other direction."""
    assert count(direction, has, value) == wants


def test_a_scale_out_that_cools_down_counts_already() -> None:
    """The metric was measured with the old count: only a larger need than the one answered adds more."""
    fresh = Past(before=1, ended=NOW - 59)
    assert count("out", 3, 30.0, out=fresh) == 3
    assert count("out", 3, 50.0, out=fresh) == 5
    assert count("out", 3, 30.0, out=Past(before=1, ended=NOW - 60)) == 8


def test_a_scale_in_waits_for_its_cooldown() -> None:
    """But a scale-out does not wait for it."""
    fresh = Past(before=8, ended=NOW - 299)
    assert count("in", 4, 0.0, back=fresh) == 4
    assert count("in", 4, 0.0, back=Past(before=8, ended=NOW - 300)) == 1
    assert count("out", 4, 15.0, back=fresh) == 6


def test_scale_in_can_be_disabled() -> None:
    """DisableScaleIn; the cooldowns default to five minutes."""
    tracking = Tracking.of({"TargetValue": 10.0, "DisableScaleIn": True})
    assert count("in", 4, 0.0, tracking=tracking) == 4
    assert (tracking.out_cooldown, tracking.in_cooldown) == (300.0, 300.0)
