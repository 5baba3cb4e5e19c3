"""Virtual time: the operator's clock and the agenda of what the world does by itself."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
START = datetime(2026, 11, 21, tzinfo=UTC)


class VirtualClock:
    """runtime.ports.Clock. `seconds` since START, moved by the world only."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Agenda:
    """What happens at which virtual second, in order of time, then of arrival."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._items: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()

    def add(self, delay: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._items, (self._clock.seconds + delay, next(self._sequence), action))

    @property
    def next_due(self) -> float | None:
        return self._items[0][0] if self._items else None

    def run_until(self, seconds: float) -> None:
        """Do everything that is due by then, each at its own time, and leave the clock there."""
        while self._items and self._items[0][0] <= seconds:
            due, _, action = heapq.heappop(self._items)
            self._clock.seconds = max(self._clock.seconds, due)
            action()
        self._clock.seconds = max(self._clock.seconds, seconds)


class _Breath:
    def __await__(self) -> Generator[None]:
        yield


def breath() -> _Breath:
    """What every call awaits: the place where another operator may come in between."""
    return _BREATH


_BREATH = _Breath()


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing: the fakes answer at once, and asyncio.sleep(0) is a bare yield."""
    while True:
        try:
            if work.send(None) is not None:
                raise AssertionError("the simulated path awaited something real")
        except StopIteration as end:
            result: T = end.value
            return result
