"""Target tracking: how many instances a metric asks for, and when cooldowns allow it.

Pure. Source: Application Auto Scaling user guide, "Target tracking scaling policies": out quickly, in gradually; what a scale-out
has just added counts until its cooldown ends; a scale-in waits for its cooldown, a scale-out never waits for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Direction = Literal["out", "in"]

COOLDOWN: Final = 300.0
"""Seconds for SageMaker variants when the policy sets none."""

LOW: Final = 0.9
"""AlarmLow rings below this part of the target, so that small changes do not scale in and out in turn."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """A TargetTrackingScalingPolicyConfiguration; cooldowns in AWS seconds."""

    target: float
    out_cooldown: float = COOLDOWN
    in_cooldown: float = COOLDOWN
    scales_in: bool = True

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Tracking:
        return cls(
            target=config["TargetValue"],
            out_cooldown=float(config.get("ScaleOutCooldown", COOLDOWN)),
            in_cooldown=float(config.get("ScaleInCooldown", COOLDOWN)),
            scales_in=not config.get("DisableScaleIn", False),
        )


@dataclass(frozen=True, slots=True)
class Past:
    """The last scaling in one direction: from which count, and when it ended (AWS seconds since the epoch)."""

    before: int
    ended: float


def wanted(
    tracking: Tracking,
    direction: Direction,
    count: int,
    limits: tuple[int, int],
    value: float,
    now: float,
    out: Past | None,
    back: Past | None,
) -> int:
    """The count that the metric's `value` asks for within `limits`; `count` itself when nothing is to be done.

    `out` and `back` are the last scale-out and the last scale-in.
    """
    low, high = limits
    if direction == "out":
        cooling = out is not None and now < out.ended + tracking.out_cooldown
        base = out.before if out is not None and cooling else count
        needed = math.ceil(base * value / tracking.target - 1e-9)
        # Without an instance there is no proportion: an alarm brings the first one.
        return max(count, min(high, max(needed, 1)))
    if not tracking.scales_in or (back is not None and now < back.ended + tracking.in_cooldown):
        return count
    return min(count, max(low, math.ceil(count * value / tracking.target - 1e-9)))
