"""How often hosting does what it repeats: in AWS time, but not faster than this machine can, however fast the clock runs."""

from __future__ import annotations

from local_aws.clock import Clock


def at_least(clock: Clock, aws_seconds: float, wall_seconds: float) -> float:
    """AWS seconds until the next time: as many as asked for, and no fewer than pass in `wall_seconds`."""
    return max(aws_seconds, wall_seconds * clock.speed)
