"""From watch events to the queue: into the store first, then the keys that the event concerns.

Also closes the two gaps that kopf leaves: it does not say when the first lists are in, and a relist reports no deletions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube.errors import Gone
from sagemaker_gitops.kube.resources import ResourceType
from sagemaker_gitops.kube.session import WatchLife
from sagemaker_gitops.runtime.ports import KubeWriter
from sagemaker_gitops.runtime.queue import Priority
from sagemaker_gitops.runtime.reconciler import Enqueue
from sagemaker_gitops.runtime.store import Store

log = logging.getLogger(__name__)

SETTLE = 0.1  # seconds
RECHECK = 30.0  # seconds until an object whose state could not be read is asked for again
TURNS = 50  # of the event loop; an item of a list takes kopf about ten to hand over


class Intake:
    """`reconciled` are the kinds that have passes; the others are only referred to. `count` is told the kind of each event."""

    def __init__(
        self,
        store: Store,
        kube: KubeWriter,
        reconciled: Collection[str],
        enqueue: Enqueue,
        count: Callable[[str], None],
        resources: Sequence[ResourceType],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._kube = kube
        self._reconciled = reconciled
        self._enqueue = enqueue
        self._count = count
        self._resources = {path: item for item in resources for path in item.collections(namespaces)}
        self._listing: set[str] = set()
        self._checks: set[asyncio.Task[None]] = set()
        self._observed = 0
        self.evaluated = False

    @property
    def paths(self) -> Set[str]:
        """The URL paths of the collections that have to be watched."""
        return self._resources.keys()

    def observe(self, event: Mapping[str, Any]) -> None:
        """Take in one watch event; type None is an item of a list."""
        if event["type"] is None:
            self._observed += 1
        self._count(event["object"]["kind"])
        self._wake(self._store.observe_event(event), Priority.RESTART if event["type"] is None else Priority.USER_EDIT)

    def list_begins(self, path: str) -> None:
        self._listing.add(path)
        self._store.begin_list(self._resources[path].kind)

    def list_ends(self, path: str) -> None:
        """A watch was established; if a list came before it, whatever that list did not show may be gone."""
        if path in self._listing:
            self._listing.discard(path)
            check = asyncio.create_task(self._check_unlisted(self._resources[path]), name=f"unlisted {path}")
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)

    async def wait_evaluated(self, life: WatchLife) -> None:
        """Return when every item of the first lists is in the store."""
        while not life.established:
            await asyncio.sleep(SETTLE / 2)
        await self._settle()
        self.evaluated = True

    async def close(self) -> None:
        for check in self._checks:
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    async def _settle(self) -> None:
        """Wait until kopf has handed over what it listed: each object has a task of its own, and none awaits I/O."""
        before = -1
        while before != self._observed:
            before = self._observed
            await asyncio.sleep(SETTLE)
            for _ in range(TURNS):
                await asyncio.sleep(0)

    async def _check_unlisted(self, resource: ResourceType) -> None:
        """Until every one of them has been answered for: a Tenant that is gone must not stay bound."""
        await self._settle()
        while left := [item for item in self._store.unlisted(resource.kind) if not await self._answered(resource, item)]:
            log.warning("relist_check_incomplete", extra={"kind": resource.kind, "left": len(left)})
            await asyncio.sleep(RECHECK)

    async def _answered(self, resource: ResourceType, snapshot: Snapshot) -> bool:
        """Whether the API server said what has become of the object."""
        try:
            fresh = await self._kube.read(snapshot)
        except Gone:
            self._wake(self._store.forget(snapshot.key, snapshot.uid), Priority.SWEEP)
            return True
        except Exception as error:
            log.warning("relist_check_failed", extra={"key": str(snapshot.key), "error": f"{type(error).__name__}: {error}"})
            return False
        seen = self._store.put(fresh) if _selected(resource, fresh) else self._store.forget(snapshot.key, snapshot.uid)
        self._wake(seen, Priority.SWEEP)
        return True

    def _wake(self, keys: set[Key], priority: Priority) -> None:
        for key in keys:
            if key.kind in self._reconciled:
                self._enqueue(key, 0.0, priority)


def _selected(resource: ResourceType, snapshot: Snapshot) -> bool:
    if not resource.label_selector:
        return True
    name, _, value = resource.label_selector.partition("=")
    return snapshot.labels.get(name) == value
