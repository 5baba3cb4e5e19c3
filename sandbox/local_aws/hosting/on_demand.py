"""The compute of a serverless variant: there while requests are under way, gone some idle time later.

At most MaxConcurrency requests at once; with ProvisionedConcurrency the containers stay warm. What is charged is the time that
requests take. Source: developer guide, "Deploy models with Amazon SageMaker Serverless Inference".
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from local_aws.clock import Timer
from local_aws.hosting import pace, words
from local_aws.hosting.container import StartError
from local_aws.hosting.model_server import ModelServer
from local_aws.services import Services

_WALL_SECONDS: Final = 0.2
_MILLISECOND: Final = 0.001
_log = logging.getLogger(__name__)


class OnDemand:
    """`config` gives the ServerlessConfig in force, which can be changed in place; thread safe."""

    def __init__(self, services: Services, name: str, servers: Sequence[ModelServer], config: Callable[[], Mapping[str, int]]) -> None:
        self._services = services
        self._name = name
        self._servers = servers
        self._config = config
        self._lock = threading.Lock()
        self._under_way = 0
        self._unpaid = 0.0
        self._last = 0.0
        self._timer: Timer | None = None
        self._closed = False

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """One request; ThrottlingException when as many as MaxConcurrency are under way."""
        with self._lock:
            if self._under_way >= self._config()["MaxConcurrency"]:
                raise words.throttled()
            self._under_way += 1
        clock = self._services.world.clock
        began = clock.time()
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                self._unpaid += clock.time() - began
            self.idle()

    def idle(self) -> None:
        """Go to sleep when no request comes for `endpoints.serverlessIdleSeconds`."""
        with self._lock:
            self._last = self._services.world.clock.time()
            if self._timer is None and not self._closed:
                self._look_in(self._seconds())

    def changed(self) -> None:
        """The config was changed in place: containers that are provisioned from now on start."""
        if "ProvisionedConcurrency" in self._config():
            self._services.submit(self._warm)
        else:
            self.idle()

    def accrued(self) -> list[tuple[str, str, int, float]]:
        """(name, unit, count, AWS seconds) of what has not been charged yet; empty when nothing is open."""
        with self._lock:
            return [(self._name, self._unit(), 1, self._unpaid)] if self._unpaid else []

    def close(self) -> None:
        """The variant ends: charge what is open."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        self._charge()

    def _sleep(self) -> None:
        with self._lock:
            self._timer = None
            left = self._last + self._seconds() - self._services.world.clock.time()
            if self._under_way or self._closed or "ProvisionedConcurrency" in self._config():
                return
            if left > _MILLISECOND:
                self._look_in(left)
                return
            # Under the lock: no request starts a container that is being put to sleep.
            for server in self._servers:
                server.sleep()
        self._charge()

    def _warm(self) -> None:
        try:
            for server in self._servers:
                server.ensure()
        except StartError as error:
            _log.warning("provisioned containers of %s do not start: %s", self._name, error.reason)

    def _charge(self) -> None:
        with self._services.cost.moving():
            with self._lock:
                seconds, self._unpaid = self._unpaid, 0.0
            if seconds:
                self._services.cost.instances("endpoint", self._name, self._unit(), 1, seconds)

    def _look_in(self, seconds: float) -> None:
        """With the lock held: one timer for all requests, since most of them are followed by another."""
        self._timer = self._services.world.clock.call_later(seconds, lambda: self._services.submit(self._sleep))

    def _seconds(self) -> float:
        world = self._services.world
        return pace.at_least(world.clock, world.settings["endpoints.serverlessIdleSeconds"], _WALL_SECONDS)

    def _unit(self) -> str:
        return f"serverless.{self._config()['MemorySizeInMB']}MB"
