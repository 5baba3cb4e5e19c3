"""The backlog of one asynchronous endpoint: requests wait in order for capacity, and expire.

Capacity is MaxConcurrentInvocationsPerInstance times the instances that the variant has now, so that nothing runs while it is
scaled to zero. Source: developer guide, "Asynchronous inference"; API reference of InvokeEndpointAsync.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local_aws.hosting.endpoint import Endpoint
from local_aws.storage import S3Uri

DEFAULT_CONCURRENCY: Final = 4
"""SageMaker chooses an optimum by itself when the client config names none."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One accepted request; `params` are those of InvokeEndpointAsync, `received` and `expires` AWS time."""

    params: Mapping[str, Any]
    inference_id: str
    output: S3Uri | None
    failure: S3Uri | None
    received: datetime
    expires: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the backlog metrics say: requests that wait or run, instances, and the age of the oldest in AWS seconds."""

    size: int
    instances: int
    age: float


class Queue:
    """One endpoint's requests; `run` works one off, on a thread that `submit` provides. Thread safe."""

    def __init__(self, endpoint: Endpoint, submit: Callable[[Callable[[], None]], None], run: Callable[[Endpoint, Waiting], None]) -> None:
        self.endpoint = endpoint
        self._submit = submit
        self._run = run
        self._lock = threading.Lock()
        self._waiting: deque[Waiting] = deque()
        self._running: list[Waiting] = []

    def add(self, request: Waiting) -> None:
        with self._lock:
            self._waiting.append(request)
        self.pump()

    def pump(self) -> None:
        """Start what there is capacity for; asked again whenever that may have grown."""
        capacity = self._capacity()
        with self._lock:
            while self._waiting and len(self._running) < capacity:
                request = self._waiting.popleft()
                self._running.append(request)
                self._submit(lambda request=request: self._work(request))  # type: ignore[misc]

    def expired(self, now: float) -> list[Waiting]:
        """Take out what has waited longer than its RequestTTLSeconds."""
        with self._lock:
            found = [request for request in self._waiting if request.expires <= now]
            self._waiting = deque(request for request in self._waiting if request.expires > now)
        return found

    def clear(self) -> None:
        """The endpoint is gone: what waits is forgotten."""
        with self._lock:
            self._waiting.clear()

    def backlog(self, now: datetime) -> Backlog:
        with self._lock:
            every = [*self._running, *self._waiting]
        oldest = min((request.received for request in every), default=now)
        return Backlog(len(every), self._instances(), (now - oldest).total_seconds())

    def _work(self, request: Waiting) -> None:
        try:
            self._run(self.endpoint, request)
        finally:
            with self._lock:
                self._running.remove(request)
            self.pump()

    def _capacity(self) -> int:
        fleet = self.endpoint.serving
        if fleet is None:
            return 0
        client: Mapping[str, int] = fleet.config.body.get("AsyncInferenceConfig", {}).get("ClientConfig", {})
        return client.get("MaxConcurrentInvocationsPerInstance", DEFAULT_CONCURRENCY) * self._instances()

    def _instances(self) -> int:
        fleet = self.endpoint.serving
        return 0 if fleet is None else sum(variant.current.count for variant in fleet.variants.values())
