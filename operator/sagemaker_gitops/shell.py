"""The only importer of kopf.

kopf lists and watches; everything it hands over ends in the store and the queue. Nothing of it but login, list and watch is used:
no state-keeping handlers, timers, daemons, peering or event posting (each measured and refused: reference/model-codebases.md
section 3). Its storages are null, so it can write no annotation.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import kopf

from sagemaker_gitops.config import Settings
from sagemaker_gitops.core.resource import GROUP
from sagemaker_gitops.kube.credentials import Credentials, LoginError, from_kubeconfig, in_cluster
from sagemaker_gitops.kube.resources import CONFIG_MAP, CUSTOM, NAMESPACE, ResourceType
from sagemaker_gitops.kube.session import WatchLife, open_session
from sagemaker_gitops.runtime.assembly import KindsFactory, Operator

WATCHED = (*CUSTOM, CONFIG_MAP, NAMESPACE)

KOPF = Path(kopf.__file__).parent
GENTLE = 5.0  # seconds in which kopf winds itself down
INSISTENT = 5.0  # seconds in which what is left is cancelled again and again

Observe = Callable[[Mapping[str, Any]], None]

log = logging.getLogger(__name__)


class NoProgress(kopf.ProgressStorage):
    """Keeps nothing: only state-keeping handlers have progress, and there are none."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing and copies nothing: the default copies the whole object on every event."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class Backoffs:
    """Pauses between kopf's attempts at a list or watch request, in seconds: short, capped, endless.

    With its default kopf ends the process after 54 s without an API server, and a long series leaves it blind for long.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0)
        while True:
            yield 2.0 + 2.0 * random.random()


def kopf_settings(resources: Sequence[ResourceType]) -> kopf.OperatorSettings:
    """kopf as a watcher and nothing else (reference/performance.md 1.2)."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = 0.1
    settings.watching.chunk_size = 500
    settings.watching.client_timeout = 600.0
    settings.networking.error_backoffs = Backoffs()
    settings.networking.connect_timeout = 5.0
    settings.networking.request_timeout = 60.0
    settings.persistence.finalizer = f"{GROUP}/unused-by-kopf"
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.diffbase_storage = NoDiffBase()
    for resource in resources:
        if resource.label_selector:
            settings.watching.label_selectors[resource.api_version, resource.plural] = resource.label_selector
    return settings


def kopf_registry(credentials: Credentials, life: WatchLife, resources: Sequence[ResourceType], observe: Observe) -> kopf.OperatorRegistry:
    """One login and one on.event handler for every resource."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        session = open_session(credentials, life=life)
        return kopf.AiohttpSession(server=credentials.server, aiohttp_session=session)

    for resource in resources:

        @kopf.on.event(resource.group, resource.version, resource.plural, id=resource.plural, registry=registry)
        async def on_event(event: Mapping[str, Any], **_: Any) -> None:
            observe(event)

    return registry


class Watcher:
    """kopf, embedded: `run` watches until `stop`, and raises when kopf gives up (a CRD removed, a right missing)."""

    def __init__(
        self,
        credentials: Credentials,
        life: WatchLife,
        resources: Sequence[ResourceType],
        observe: Observe,
        *,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._registry = kopf_registry(credentials, life, resources, observe)
        self._settings = kopf_settings(resources)
        self._namespaces = namespaces
        self._stop = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> None:
        """`started` runs once kopf has put up its signal handlers, so that the caller's can replace them."""
        roots = await kopf.spawn_tasks(
            registry=self._registry,
            settings=self._settings,
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=self._stop,
        )
        started()
        try:
            ended, _ = await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_kopf(roots)
        for root in ended:
            root.result()

    def stop(self) -> None:
        self._stop.set()


async def end_kopf(roots: Collection[asyncio.Task[Any]]) -> None:
    """End the tasks of kopf, and no other. kopf.run_tasks would cancel everything that was started after it, passes too, and would wait
    for ever for a watch that swallows the cancellation while it has no connection.
    """
    for root in roots:
        root.cancel()
    await asyncio.wait(roots, timeout=GENTLE)
    deadline = asyncio.get_running_loop().time() + INSISTENT
    while (left := [task for task in asyncio.all_tasks() if _is_kopfs(task)]) and asyncio.get_running_loop().time() < deadline:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.1)
    if left:
        log.error("kopf_does_not_end", extra={"count": len(left)})


def _is_kopfs(task: asyncio.Task[Any]) -> bool:
    """Whether the task runs a coroutine of kopf."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(KOPF)


def login(settings: Settings) -> Credentials:
    """The kubeconfig file if one is set, the pod's service account otherwise. Raises LoginError."""
    if settings.kubeconfig is not None:
        return from_kubeconfig(settings.kubeconfig, settings.kube_context)
    if settings.service_host:
        return in_cluster(settings.service_host, settings.service_port)
    raise LoginError("no cluster to log in to: set KUBECONFIG, or run inside a pod")


async def run(settings: Settings, factory: KindsFactory) -> None:
    """Run the operator until SIGTERM or SIGINT, which it obeys within settings.stop_grace; raise what broke it otherwise."""
    credentials = login(settings)

    def make_watcher(life: WatchLife, resources: Sequence[ResourceType], observe: Observe) -> Watcher:
        return Watcher(credentials, life, resources, observe, namespaces=settings.namespaces)

    async with AsyncExitStack() as stack:
        await Operator(settings, credentials, WATCHED, factory, make_watcher, stack).run(take_signals)


def take_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and SIGINT call `stop`, whoever had them before. A loop outside the main thread gets no signals."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
