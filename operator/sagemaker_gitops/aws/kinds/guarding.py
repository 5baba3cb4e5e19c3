"""Any kind behind the guard against mass deletion: while too many objects go away at once, nothing of theirs is deleted at AWS.

The one place where core/mass_deletion.py is enforced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from sagemaker_gitops.aws.kinds.around import Around
from sagemaker_gitops.aws.kinds.deleting import Deleting
from sagemaker_gitops.core.mass_deletion import AtStake, Limit, held, is_agreed, is_crowded, let_go, was_held
from sagemaker_gitops.core.plan import OnEvent, Plan
from sagemaker_gitops.core.resource import Key, Snapshot


class Objects(Protocol):
    """runtime.store.Store, which this layer does not know."""

    def leaving(self) -> Iterable[tuple[Key, str]]: ...

    def get(self, key: Key) -> Snapshot | None: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """The facts of an object whose deletion is held: AWS was not asked."""


@dataclass(slots=True)
class Guard:
    """One for all kinds. `at_stake` says per kind what counts.

    Memory of this process only: what was let through (`gone` counts until its window has passed, though the object is no more), what is
    held (for the metric), and what an object that is going away counts as, by its version.
    """

    objects: Objects
    at_stake: Mapping[str, AtStake]
    limit: Limit
    gone: dict[str, datetime] = field(default_factory=dict)
    waiting: set[Key] = field(default_factory=set)
    _counted: dict[Key, tuple[str, tuple[str, datetime] | None]] = field(default_factory=dict)

    def holds(self, snapshot: Snapshot, now: datetime, *, found: bool = False) -> bool:
        """Whether the deletion of `snapshot` has to wait. `found`: it would take something away, whatever its status led to expect."""
        at = snapshot.deleted_at
        if at is None or self.limit.count == 0 or is_agreed(snapshot, now):
            return False
        if not self._is_at_stake(snapshot, found):
            return False
        deletions = {**self._deletions(now), snapshot.uid: at}
        return was_held(snapshot.status) or is_crowded(at, deletions.values(), self.limit)

    def settle(self, snapshot: Snapshot, now: datetime, *, holds: bool) -> None:
        """What came of the pass."""
        if holds:
            self.waiting.add(snapshot.key)
            return
        self.waiting.discard(snapshot.key)
        if snapshot.deleted_at is not None and self._is_at_stake(snapshot) and not is_agreed(snapshot, now):
            self.gone[snapshot.uid] = snapshot.deleted_at

    def forget(self, key: Key) -> None:
        self.waiting.discard(key)
        self._counted.pop(key, None)

    def _is_at_stake(self, snapshot: Snapshot, found: bool = False) -> bool:
        return snapshot.has_finalizer and self.at_stake[snapshot.key.kind](snapshot, found)

    def _deletions(self, now: datetime) -> Mapping[str, datetime]:
        """When what counts was deleted, by uid."""
        self.gone = {uid: at for uid, at in self.gone.items() if now - at <= 2 * self.limit.window}
        found = dict(self.gone)
        for key, version in self.objects.leaving():
            if key.kind in self.at_stake and (counted := self._count(key, version, now)) is not None:
                found[counted[0]] = counted[1]
        return found

    def _count(self, key: Key, version: str, now: datetime) -> tuple[str, datetime] | None:
        known = self._counted.get(key)
        if known is None or known[0] != version:
            snapshot = self.objects.get(key)
            counts = snapshot is not None and self._is_at_stake(snapshot) and not is_agreed(snapshot, now)
            counted = (snapshot.uid, snapshot.deleted_at) if snapshot is not None and snapshot.deleted_at is not None and counts else None
            self._counted[key] = known = (version, counted)
        return known[1]


@dataclass(slots=True)
class Guarding(Around):
    """`kind` behind the guard."""

    guard: Guard

    def forget(self, key: Key) -> None:
        self.guard.forget(key)
        self.kind.forget(key)

    async def observe(self, snapshot: Snapshot, resource: Any, now: datetime) -> Any:
        if isinstance(resource, Deleting) and self.guard.holds(snapshot, now):
            return Waiting()
        return await self.kind.observe(snapshot, resource, now)

    def plan(self, snapshot: Snapshot, resource: Any, facts: Any, now: datetime) -> Plan:
        """Looks again: more may have been deleted while AWS was asked."""
        if not isinstance(resource, Deleting):
            return self.kind.plan(snapshot, resource, facts, now)
        made = self._deletion(snapshot, resource, facts, now)
        self.guard.settle(snapshot, now, holds=made is None)
        return made or Plan(held(snapshot, self.guard.limit, now), OnEvent())

    def _deletion(self, snapshot: Snapshot, resource: Deleting, facts: Any, now: datetime) -> Plan | None:
        """None: it is held."""
        if isinstance(facts, Waiting):
            return None
        made = self.kind.plan(replace(snapshot, status=let_go(snapshot, now)), resource, facts, now)
        return None if made.actions and self.guard.holds(snapshot, now, found=True) else made
