"""The real clock behind ports.Clock. `monotonic` is the one that asyncio's event loop uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

STEP = 5.0  # seconds; less is the slewing of an ordinary time service
BELIEVED_AFTER = 600.0  # seconds that a stepped wall clock must hold: longer than every wait that protects against late answers


class SystemClock:
    """UTC wall-clock time, and monotonic seconds.

    `now` follows the wall clock, but a step of it only after it has held: quarantines are measured with `now`, across restarts,
    and must not end early because somebody set the time.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._stepped_at: float | None = None

    def now(self) -> datetime:
        monotonic = self._monotonic()
        offset = self._wall() - monotonic
        if abs(offset - self._offset) <= STEP:
            self._offset, self._stepped_at = offset, None
        elif self._stepped_at is None:
            self._stepped_at = monotonic
        elif monotonic - self._stepped_at >= BELIEVED_AFTER:
            self._offset, self._stepped_at = offset, None
        return datetime.fromtimestamp(self._offset + monotonic, UTC)

    def monotonic(self) -> float:
        return self._monotonic()
