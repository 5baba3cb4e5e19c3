"""Work that repeats on AWS time, on a thread of its own: the clock's callbacks must not block."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from local_aws.clock import Clock, Timer
from local_aws.hosting import pace

_WALL_SECONDS = 0.05
_log = logging.getLogger(__name__)


class Ticker:
    """Runs `work` at every whole multiple of `step()` AWS seconds; `step` None ends that until `wake`.

    A jump of the clock over such a moment is followed by one run at once. Never more often than every 0.05 s of the wall, however
    fast the clock runs. What `work` raises is logged.
    """

    def __init__(self, name: str, clock: Clock, step: Callable[[], float | None], work: Callable[[], None]) -> None:
        self._clock = clock
        self._step = step
        self._last: float | None = None
        self._work = work
        self._lock = threading.Lock()
        self._timer: Timer | None = None
        self._running = False
        self._closed = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def wake(self) -> None:
        """There may be work: run at the next due time, if none is set."""
        with self._lock:
            if self._timer is None and not self._running:
                self._schedule()

    def again(self) -> None:
        """As `wake`, but the due time is computed anew: what there is to do has changed."""
        with self._lock:
            if self._running:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._schedule()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _schedule(self) -> None:
        self._timer = None
        step = None if self._closed else self._step()
        if step is None:
            self._last = None
            return
        now = self._clock.time()
        last = now if self._last is None else self._last
        self._last = last
        seconds = max(0.0, (last // step + 1) * step - now)
        self._timer = self._clock.call_later(pace.at_least(self._clock, seconds, _WALL_SECONDS), self._due)

    def _due(self) -> None:
        with self._lock:
            self._timer = None
            if self._closed:
                return
            self._running = True
            self._last = self._clock.time()
            self._pool.submit(self._run)

    def _run(self) -> None:
        try:
            self._work()
        except Exception:
            _log.exception("what repeats on the AWS clock failed")
        with self._lock:
            self._running = False
            self._schedule()
