"""Kubernetes Events in the background: few, bounded, and never in the way of a pass (failure-modes.md B14, G5)."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import aiohttp

from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.kube.resources import RESOURCES

log = logging.getLogger(__name__)

WORKERS = 4
BACKLOG = 1000
QUIET = 600.0  # seconds in which the same reason is said once per object
NOTE_LIMIT = 1000  # events.k8s.io/v1 refuses notes above 1 kB
TIMEOUT = aiohttp.ClientTimeout(total=10)

_Fact = tuple[str, str, str]


class Clock(Protocol):
    """The part of runtime.ports.Clock that is needed; kube is the layer below."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class EventPoster:
    """Posts to events.k8s.io/v1. When posting cannot keep up, the oldest unposted ones are dropped and counted."""

    def __init__(
        self, session: aiohttp.ClientSession, server: str, instance: str, clock: Clock, count: Callable[[str, str, str], None]
    ) -> None:
        self._session = session
        self._server = server.rstrip("/")
        self._instance = instance
        self._clock = clock
        self._count = count
        self._said: dict[_Fact, float] = {}
        self._backlog: deque[tuple[str, dict[str, Any]]] = deque(maxlen=BACKLOG)
        self._available = asyncio.Event()

    def post(self, snapshot: Snapshot, *, type_: str, reason: str, message: str) -> None:
        """Say it once per object, reason and message in ten minutes."""
        now = self._clock.monotonic()
        fact = (snapshot.uid, reason, message)
        if now - self._said.get(fact, -QUIET) < QUIET:
            return
        self._said.pop(fact, None)
        self._said[fact] = now
        self._forget_old(now)
        if len(self._backlog) == BACKLOG:
            self._count("event", snapshot.key.kind, "Dropped")
        self._backlog.append((snapshot.key.kind, self._body(snapshot, type_, reason, message)))
        self._available.set()

    async def run(self) -> None:
        """Post until cancelled."""
        await asyncio.gather(*(self._work() for _ in range(WORKERS)))

    async def _work(self) -> None:
        while True:
            while not self._backlog:
                self._available.clear()
                await self._available.wait()
            await self._send(*self._backlog.popleft())

    async def _send(self, kind: str, body: dict[str, Any]) -> None:
        url = f"{self._server}/apis/events.k8s.io/v1/namespaces/{body['metadata']['namespace']}/events"
        try:
            async with self._session.post(url, json=body, timeout=TIMEOUT) as response:
                outcome = str(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            outcome = "Lost"
            log.debug("event_lost", extra={"error": f"{type(error).__name__}: {error}"})
        self._count("event", kind, outcome)

    def _forget_old(self, now: float) -> None:
        """Insertion order is time order, so the old ones are in front."""
        while self._said:
            fact, said = next(iter(self._said.items()))
            if now - said < QUIET:
                return
            del self._said[fact]

    def _body(self, snapshot: Snapshot, type_: str, reason: str, message: str) -> dict[str, Any]:
        resource = RESOURCES[snapshot.key.kind]
        namespace = snapshot.key.namespace or "default"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{snapshot.key.name[:200]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": type_,
            "reason": reason[:128],
            "note": _cut(message or reason),
            "action": "Reconcile",
            "reportingController": "sagemaker-gitops.dev/operator",
            "reportingInstance": self._instance[:128],
            "regarding": {
                "apiVersion": resource.api_version,
                "kind": snapshot.key.kind,
                "namespace": snapshot.key.namespace,
                "name": snapshot.key.name,
                "uid": snapshot.uid,
                "resourceVersion": snapshot.resource_version,
            },
        }


def _cut(text: str) -> str:
    """At most NOTE_LIMIT bytes of UTF-8, never half a character."""
    return text.encode("utf-8", "replace")[:NOTE_LIMIT].decode("utf-8", "ignore")
