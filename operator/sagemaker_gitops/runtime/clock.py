"""The clocks behind ports.Clock: the real one, and that of a sandbox. `monotonic` is the one that asyncio's event loop uses."""

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


class FastClock:
    """The clock of a local AWS that was made `speed` times as fast as the wall at `since`, when it showed what the wall did.

    An operator beside such an AWS has to live in the same time: what was captured has to lie in the windows that it checks. Delays
    are real seconds, as long as the event loop waits.
    """

    def __init__(self, speed: float, since: datetime, wall: Callable[[], float] = time.time) -> None:
        self.speed, self.since = speed, since
        self._wall = wall

    def now(self) -> datetime:
        began = self.since.timestamp()
        return datetime.fromtimestamp(began + (self._wall() - began) * self.speed, UTC)

    def monotonic(self) -> float:
        return time.monotonic()
