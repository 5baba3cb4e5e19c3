"""How long to wait before the next attempt: exponential, capped, jittered. Pure: the random fraction is an argument."""

from __future__ import annotations

LONGEST = 3600.0
STEEPEST = 60.0


def ceiling(first: float, longest: float = LONGEST) -> float:
    """The longest delay, in seconds, of a failure whose first retry is due after `first`.

    Sixty times the first one, at most `longest`; a failure that starts slower than that is never hurried.
    """
    return max(first, min(first * STEEPEST, longest))


def delay(first: float, failures: int, fraction: float, longest: float = LONGEST) -> float:
    """Seconds to wait after `failures` (>= 1) attempts in a row failed; `fraction` in [0, 1) spreads the herd.

    Half of the delay is fixed, half is jitter, so that it never becomes 0 and doubles on average.
    """
    doubled = min(first * 2.0 ** min(failures - 1, 30), ceiling(first, longest))
    return doubled * (0.5 + fraction / 2)
