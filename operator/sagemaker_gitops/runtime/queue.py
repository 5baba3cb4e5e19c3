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

SLACK = 1000


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
        self._waiting: list[tuple[float, int, Key]] = []
        self._ready: dict[str, list[tuple[int, int, Key]]] = {}
        self._active: dict[Key, _Entry | None] = {}
        self._active_by_namespace: dict[str, int] = {}
        self._served: dict[str, int] = {}
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
        turns = [turn for namespace in list(self._ready) if (turn := self._turn(namespace)) is not None]
        if not turns:
            return None
        namespace = min(turns)[-1]
        key = heapq.heappop(self._ready[namespace])[-1]
        self._served[namespace] = next(self._sequence)
        del self._entries[key]
        self._active[key] = None
        self._active_by_namespace[namespace] = self._active_by_namespace.get(namespace, 0) + 1
        return key

    def done(self, key: Key) -> None:
        """The pass over `key` ended; wishes that came meanwhile are queued."""
        again = self._active.pop(key)
        self._active_by_namespace[key.namespace] -= 1
        if not self._active_by_namespace[key.namespace]:
            del self._active_by_namespace[key.namespace]
        if again is not None:
            self._place(key, again)

    def next_due(self) -> float | None:
        """The monotonic time at which the next key becomes due; None when none will without an `add` or a `done`."""
        if any(self._turn(namespace) is not None for namespace in list(self._ready)):
            return self._monotonic()
        while self._waiting:
            due, version, key = self._waiting[0]
            if self._is_current(key, version):
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

    def _turn(self, namespace: str) -> tuple[int, int, int, str] | None:
        """When a namespace's first ready key is served: by priority, then whose namespace waited longest, then first come."""
        ready = self._ready[namespace]
        while ready and not self._is_current(ready[0][-1], ready[0][1]):
            heapq.heappop(ready)
        if not ready:
            del self._ready[namespace]
            return None
        if self._limit is not None and self._active_by_namespace.get(namespace, 0) >= self._limit:
            return None
        return ready[0][0], self._served.get(namespace, 0), ready[0][1], namespace

    def _is_current(self, key: Key, version: int) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.version == version

    def _place(self, key: Key, entry: _Entry) -> None:
        entry.version = next(self._sequence)
        self._entries[key] = entry
        if entry.due <= self._monotonic():
            self._make_ready(key, entry)
        else:
            heapq.heappush(self._waiting, (entry.due, entry.version, key))
            self._compact()

    def _compact(self) -> None:
        """Drop overtaken wishes once they outnumber the others: a long delay must not hold memory for as long."""
        if len(self._waiting) > 2 * len(self._entries) + SLACK:
            self._waiting = [item for item in self._waiting if self._is_current(item[-1], item[1])]
            heapq.heapify(self._waiting)

    def _make_ready(self, key: Key, entry: _Entry) -> None:
        entry.ready = True
        entry.version = next(self._sequence)
        heapq.heappush(self._ready.setdefault(key.namespace, []), (-entry.priority, entry.version, key))

    def _promote(self) -> None:
        now = self._monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, version, key = heapq.heappop(self._waiting)
            if self._is_current(key, version):
                self._make_ready(key, self._entries[key])


def _merged(entry: _Entry | None, wanted: _Entry) -> _Entry:
    if entry is None:
        return wanted
    return _Entry(min(entry.due, wanted.due), max(entry.priority, wanted.priority))
