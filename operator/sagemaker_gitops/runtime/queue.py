"""The keyed work queue: unique keys, lowest delay wins, highest priority wins, never two workers on one key.

`KeyedQueue` is synchronous and knows only a monotonic clock, so that tests and the simulation drive it with virtual
time; `WorkerPool` (workers.py) puts tasks on it. Sits between the producers (watch, AWS events, delays) and the reconciler.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from sagemaker_gitops.core.resource import Key


class Priority(IntEnum):
    """Who is served first when several keys are due. A key keeps the highest it was added with."""

    RESTART = 0
    SWEEP = 1
    AWS_EVENT = 2
    USER_EDIT = 3


@dataclass(slots=True)
class _Entry:
    due: float
    priority: Priority
    ready: bool = False
    version: int = 0


class KeyedQueue:
    """What is due, in order: priority, then fair turns between namespaces, then first come.

    `namespace_limit` bounds how many keys of one namespace are worked on at once, so that a tenant whose calls hang
    cannot occupy every worker (failure-modes.md B16). Delays and times are monotonic seconds.
    """

    def __init__(self, monotonic: Callable[[], float], *, namespace_limit: int | None = None) -> None:
        self._monotonic = monotonic
        self._limit = namespace_limit
        self._entries: dict[Key, _Entry] = {}
        self._waiting: list[tuple[float, int, Key, int]] = []
        self._ready: list[tuple[int, int, int, Key, int]] = []
        self._parked: dict[str, list[Key]] = {}
        self._active: dict[Key, _Entry | None] = {}
        self._active_by_namespace: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0
        self._sequence = itertools.count()

    def add(self, key: Key, *, delay: float = 0.0, priority: Priority = Priority.SWEEP) -> None:
        """Ask for a pass over `key` in `delay` seconds at the latest.

        While the key is being worked on, the wish is remembered and takes effect when that pass is done.
        """
        wanted = _Entry(self._monotonic() + max(delay, 0.0), priority)
        if key in self._active:
            self._active[key] = _merged(self._active[key], wanted)
            return
        entry = self._entries.get(key)
        if entry is not None and entry.due <= wanted.due and entry.priority >= priority:
            return
        self._place(key, _merged(entry, wanted))

    def pop(self) -> Key | None:
        """The next key that is due, now active until `done`; None when nothing is."""
        self._promote()
        while self._ready:
            _, turn, _, key, version = heapq.heappop(self._ready)
            entry = self._entries.get(key)
            if entry is None or entry.version != version:
                continue
            if self._saturated(key.namespace):
                self._parked.setdefault(key.namespace, []).append(key)
                continue
            self._turn = max(self._turn, turn)
            del self._entries[key]
            self._active[key] = None
            self._active_by_namespace[key.namespace] = self._active_by_namespace.get(key.namespace, 0) + 1
            return key
        return None

    def done(self, key: Key) -> None:
        """The pass over `key` ended; wishes that came meanwhile are queued."""
        again = self._active.pop(key)
        self._active_by_namespace[key.namespace] -= 1
        if not self._active_by_namespace[key.namespace]:
            del self._active_by_namespace[key.namespace]
        if again is not None:
            self._place(key, again)
        for parked in self._parked.pop(key.namespace, ()):
            if (entry := self._entries.get(parked)) is not None and entry.ready:
                self._make_ready(parked, entry)

    def next_due(self) -> float | None:
        """The monotonic time at which the next key becomes due; None when none will without an `add` or a `done`."""
        if self._ready:
            return self._monotonic()
        while self._waiting:
            due, _, key, version = self._waiting[0]
            entry = self._entries.get(key)
            if entry is not None and entry.version == version:
                return due
            heapq.heappop(self._waiting)
        return None

    @property
    def depth(self) -> int:
        """Keys that are due and not yet worked on."""
        self._promote()
        return sum(entry.ready for entry in self._entries.values())

    @property
    def scheduled(self) -> int:
        """Keys waiting for their delay, due ones included."""
        return len(self._entries)

    @property
    def active(self) -> int:
        """Keys being worked on."""
        return len(self._active)

    @property
    def oldest(self) -> float:
        """Seconds that the longest-waiting due key is overdue; 0 when none is."""
        now = self._monotonic()
        return max((now - entry.due for entry in self._entries.values() if entry.due <= now), default=0.0)

    def _saturated(self, namespace: str) -> bool:
        return self._limit is not None and self._active_by_namespace.get(namespace, 0) >= self._limit

    def _place(self, key: Key, entry: _Entry) -> None:
        entry.version = next(self._sequence)
        self._entries[key] = entry
        if entry.due <= self._monotonic():
            self._make_ready(key, entry)
        else:
            heapq.heappush(self._waiting, (entry.due, entry.version, key, entry.version))

    def _make_ready(self, key: Key, entry: _Entry) -> None:
        entry.ready = True
        entry.version = next(self._sequence)
        if not self._ready:
            self._turns.clear()
        turn = max(self._turn, self._turns.get(key.namespace, self._turn)) + 1
        self._turns[key.namespace] = turn
        heapq.heappush(self._ready, (-entry.priority, turn, entry.version, key, entry.version))

    def _promote(self) -> None:
        now = self._monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, key, version = heapq.heappop(self._waiting)
            entry = self._entries.get(key)
            if entry is not None and entry.version == version:
                self._make_ready(key, entry)


def _merged(entry: _Entry | None, wanted: _Entry) -> _Entry:
    if entry is None:
        return wanted
    return _Entry(min(entry.due, wanted.due), max(entry.priority, wanted.priority))
