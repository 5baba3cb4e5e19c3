"""AWS time: the one clock of the local AWS, which can run faster than the wall or jump.

Only waiting is scaled (provisioning, MaxRuntime, session expiry); work that a process does takes the time
it takes.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

_log = logging.getLogger(__name__)


class Timer:
    """A pending callback of `Clock.call_later`."""

    __slots__ = ("_cancelled", "due", "fn")

    def __init__(self, due: float, fn: Callable[[], None]) -> None:
        self.due = due
        self.fn = fn
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Prevent the callback; harmless when it already ran."""
        self._cancelled = True


class Clock:
    """Starts at the wall's time; `speed` 1.0 is real time, 60 an hour a minute, 0 stands still.

    Callbacks run one after another on the clock's own thread, in order of their due time, and must not block:
    hand longer work to another thread. An exception in a callback is logged and does not stop the clock.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._condition = threading.Condition()
        # One tuple, because readers take no lock: AWS time at the mark, the monotonic mark, the speed since.
        self._state = (time.time(), time.monotonic(), _checked(speed))
        self._queue: list[tuple[float, int, Timer]] = []
        self._sequence = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def time(self) -> float:
        """Seconds since the epoch, AWS time."""
        base, mark, speed = self._state
        return base + (time.monotonic() - mark) * speed

    def now(self) -> datetime:
        """AWS time, aware, UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    @property
    def speed(self) -> float:
        return self._state[2]

    @speed.setter
    def speed(self, value: float) -> None:
        checked = _checked(value)
        with self._condition:
            self._rebase(0.0, checked)
            self._condition.notify()

    def advance(self, aws_seconds: float) -> None:
        """Jump forward; callbacks that become due run at once, in order."""
        if aws_seconds < 0:
            raise ValueError("advance: AWS time never runs backwards, give seconds >= 0")
        with self._condition:
            self._rebase(aws_seconds, self.speed)
            self._condition.notify()

    def call_later(self, aws_seconds: float, fn: Callable[[], None]) -> Timer:
        """Run `fn` when `aws_seconds` of AWS time have passed, also if speed or time change meanwhile."""
        timer = Timer(self.time() + max(0.0, aws_seconds), fn)
        with self._condition:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="aws-clock", daemon=True)
                self._thread.start()
            heapq.heappush(self._queue, (timer.due, next(self._sequence), timer))
            self._condition.notify()
        return timer

    def close(self) -> None:
        """Drop every pending callback and end the thread; a running callback is waited for."""
        with self._condition:
            self._closed = True
            self._queue.clear()
            self._condition.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _rebase(self, jump: float, new_speed: float) -> None:
        base, mark, speed = self._state
        moment = time.monotonic()
        self._state = (base + (moment - mark) * speed + jump, moment, new_speed)

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            try:
                timer.fn()
            except Exception:
                _log.exception("a callback of the AWS clock failed")

    def _next(self) -> Timer | None:
        with self._condition:
            while not self._closed:
                wait = self._wait()
                if wait is not None and wait <= 0.0:
                    timer = heapq.heappop(self._queue)[2]
                    if not timer.cancelled:
                        return timer
                else:
                    self._condition.wait(wait)
            return None

    def _wait(self) -> float | None:
        """Wall seconds until the first callback; None when only a notification can change anything."""
        if not self._queue:
            return None
        left = self._queue[0][0] - self.time()
        if left <= 0.0:
            return 0.0
        return min(left / self.speed, threading.TIMEOUT_MAX) if self.speed > 0 else None


def _checked(speed: float) -> float:
    if not 0.0 <= speed <= 1_000_000.0:
        raise ValueError(f"speed: {speed} is out of range, give 0 (standing still) to 1000000")
    return float(speed)
