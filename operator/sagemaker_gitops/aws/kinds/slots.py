"""Who of a tenant's runs may run now: first come, first served, in memory, rebuilt from statuses at start.

Not a lock: two operators could each let one in. Names keep that harmless (failure-modes.md F1); the limit is about money, not safety.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sagemaker_gitops.core.kinds.training_run.facts import Slot
from sagemaker_gitops.core.resource import Key


@dataclass(slots=True)
class _Line:
    running: set[Key] = field(default_factory=set)
    waiting: dict[Key, None] = field(default_factory=dict)


@dataclass(slots=True)
class Slots:
    """One line per tenant. `exists` tells objects from ghosts: one that was deleted while it waited holds no place."""

    enqueue: Callable[[Key], None]
    exists: Callable[[Key], bool]
    _lines: dict[str, _Line] = field(default_factory=dict)

    def claim(self, tenant: str, key: Key, limit: int | None, running: Callable[[], Iterable[Key]]) -> Slot:
        """A place for `key`: 0 ahead means run. `running` seeds a new line from what the statuses say."""
        if tenant not in self._lines:
            self._lines[tenant] = _Line(set(running()))
        line = self._lines[tenant]
        line.running = {other for other in line.running if self.exists(other)}
        line.waiting = {other: None for other in line.waiting if self.exists(other)}
        if limit is None or key in line.running:
            line.waiting.pop(key, None)
            line.running.add(key)
            return Slot(0, limit or 0)
        line.waiting.setdefault(key, None)
        place = list(line.waiting).index(key)
        if len(line.running) + place < limit:
            line.waiting.pop(key)
            line.running.add(key)
            return Slot(0, limit)
        return Slot(len(line.running) + place + 1 - limit, limit)

    def release(self, key: Key) -> None:
        """The run ended or is gone: wake whoever waits in its lines."""
        for line in self._lines.values():
            if key in line.running or key in line.waiting:
                line.running.discard(key)
                line.waiting.pop(key, None)
                for waiting in line.waiting:
                    self.enqueue(waiting)
