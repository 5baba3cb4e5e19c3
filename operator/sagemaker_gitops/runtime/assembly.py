"""The parts of one operator process, and the order in which they start and stop. Knows no kind, no AWS and no kopf.

Start: health server, CRDs present, watch, first lists evaluated, workers. Stop: no new work, running passes end, then the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from sagemaker_gitops.config import Settings
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.kube.client import KubeClient
from sagemaker_gitops.kube.credentials import Credentials
from sagemaker_gitops.kube.events import EventPoster
from sagemaker_gitops.kube.resources import CUSTOM, ResourceType
from sagemaker_gitops.kube.session import WatchLife, open_session
from sagemaker_gitops.runtime import health
from sagemaker_gitops.runtime.clock import FastClock, SystemClock
from sagemaker_gitops.runtime.crds import Crds
from sagemaker_gitops.runtime.intake import Intake
from sagemaker_gitops.runtime.metrics import Metrics
from sagemaker_gitops.runtime.ports import Clock, Kind
from sagemaker_gitops.runtime.queue import KeyedQueue
from sagemaker_gitops.runtime.reconciler import Enqueue, Reconciler
from sagemaker_gitops.runtime.store import References, Store
from sagemaker_gitops.runtime.workers import WorkerPool

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """What the kinds and the background tasks may use. `enqueue` asks for a pass over an object."""

    settings: Settings
    store: Store
    kube: KubeClient
    metrics: Metrics
    clock: Clock
    enqueue: Enqueue


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a kinds factory returns.

    `references` says, per kind, which keys an object refers to. `background` are tasks that run until they are
    cancelled (event intake, List sweep); one that ends or raises ends the operator. `close` runs last.
    """

    kinds: Mapping[str, Kind]
    references: Mapping[str, References] = field(default_factory=dict)
    background: Sequence[Callable[[Enqueue, Store], Coroutine[Any, Any, None]]] = ()
    close: Callable[[], Awaitable[None]] | None = None


KindsFactory = Callable[[Context], Wiring]


class Watcher(Protocol):
    """Lists and watches until stopped. `started` is called when it listens to signals no more than its caller allows."""

    async def run(self, started: Callable[[], None]) -> None: ...

    def stop(self) -> None: ...


class WatcherFactory(Protocol):
    def __call__(self, life: WatchLife, resources: Sequence[ResourceType], observe: Callable[[Mapping[str, Any]], None]) -> Watcher: ...


class Operator:
    """One process. `resources` are listed and watched; `stack` closes what is opened here."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        resources: Sequence[ResourceType],
        factory: KindsFactory,
        make_watcher: WatcherFactory,
        stack: AsyncExitStack,
    ) -> None:
        self._settings = settings
        self._clock = clock = FastClock(*settings.local_clock) if settings.local_clock is not None else SystemClock()
        self._metrics = Metrics()
        self._stop = asyncio.Event()
        self._watching = False
        session = open_session(credentials)
        stack.push_async_callback(session.close)
        self._events = EventPoster(session, credentials.server, settings.instance, clock, self._metrics.kube_request)
        self._kube = KubeClient(session, credentials.server, self._metrics, self._events)
        references: dict[str, References] = {}
        self._store = Store(references)
        self._queue = KeyedQueue(clock.monotonic, namespace_limit=settings.workers - settings.workers // 4)
        self._pool = WorkerPool(self._queue, self._reconcile, workers=settings.workers, monotonic=clock.monotonic)
        context = Context(settings, self._store, self._kube, self._metrics, clock, self._pool.add)
        self._wiring = factory(context)
        references.update(self._wiring.references)
        self._reconciler = Reconciler(
            self._wiring.kinds, self._store, self._kube, clock, self._pool.add, self._metrics, longest=settings.longest_backoff
        )
        self._intake = Intake(
            self._store, self._kube, self._wiring.kinds, self._pool.add, self._metrics.watch_event, resources, settings.namespaces
        )
        self._life = WatchLife(clock.monotonic, on_list=self._intake.list_begins, on_watch=self._intake.list_ends)
        self._watcher = make_watcher(self._life, resources, self._intake.observe)
        custom = [path for item in CUSTOM for path in item.collections(settings.namespaces)]
        self._crds = Crds(self._kube.collection_status, custom, clock.monotonic)
        self._health = health.Health(self._life, self._kube.collection_status, lambda: self._crds.required, lambda: self._intake.evaluated)

    async def run(self, take_signals: Callable[[Callable[[], None]], None]) -> None:
        """Serve until told to stop; raise what broke it otherwise. `take_signals` installs the stop for SIGTERM and SIGINT."""
        self._gauges()
        take_signals(self._stop.set)
        server, port = await health.serve(*self._settings.health_address, self._health, self._metrics)
        log.info("serving", extra={"address": f"{self._settings.health_address[0]}:{port}"})
        tasks = {name: asyncio.create_task(work, name=name) for name, work in self._work(take_signals)}
        try:
            await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            ended = [name for name, task in tasks.items() if task.done()]
        finally:
            log.info("stopping")
            cut_off = await self._pool.stop(self._settings.stop_grace)
            log.info("stopped", extra={"count": cut_off})
            await server.cleanup()
            await self._end(tasks)
        if not self._stop.is_set():
            raise RuntimeError(f"{', '.join(ended)} ended by itself")

    def _work(self, take_signals: Callable[[Callable[[], None]], None]) -> list[tuple[str, Coroutine[Any, Any, Any]]]:
        background = self._wiring.background
        return [
            ("stop", self._stop.wait()),
            ("watch", self._watch(take_signals)),
            ("workers", self._work_when_listed()),
            ("events", self._events.run()),
            ("crds", self._crds.reappear()),
            *((f"background-{n}", start(self._pool.add, self._store)) for n, start in enumerate(background)),
        ]

    async def _watch(self, take_signals: Callable[[Callable[[], None]], None]) -> None:
        await self._crds.wait()
        self._life.expect(self._intake.paths - self._crds.absent)
        self._watching = True
        await self._watcher.run(lambda: take_signals(self._stop.set))

    async def _work_when_listed(self) -> None:
        await self._intake.wait_evaluated(self._life)
        log.info("ready", extra={"count": len(self._store)})
        self._pool.start()
        await self._pool.join()

    async def _reconcile(self, key: Key) -> None:
        await self._reconciler.reconcile(key)

    async def _end(self, tasks: Mapping[str, asyncio.Task[Any]]) -> None:
        """The watcher winds itself down; the rest is cancelled. The first failure, if any, is the operator's."""
        self._watcher.stop()
        for name, task in tasks.items():
            if name != "watch" or not self._watching:
                task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await self._intake.close()
        if self._wiring.close is not None:
            await self._wiring.close()
        for task in tasks.values():
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _gauges(self) -> None:
        metrics, queue, monotonic = self._metrics, self._queue, self._clock.monotonic
        metrics.gauge("queue_depth", "Keys that are due.", lambda: queue.depth)
        metrics.gauge("queue_oldest_seconds", "How long the oldest due key has waited.", lambda: queue.oldest)
        metrics.gauge("queue_scheduled", "Keys waiting for their time.", lambda: queue.scheduled)
        metrics.gauge("passes_active", "Passes under way.", lambda: queue.active)
        metrics.gauge("objects", "Objects in the store.", lambda: len(self._store))
        metrics.gauge(
            "watch_last_activity_timestamp_seconds",
            "When any watch last showed life.",
            lambda: time.time() - (monotonic() - self._life.last_activity),
        )
