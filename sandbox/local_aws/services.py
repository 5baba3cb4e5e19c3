"""What the service packages share inside one world: storage, executor, worker threads, logs, events, quotas
and cost.

`of(world)` builds it at first use and takes it down with the world, so that `sagemaker` and `glue` use the
same one.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from local_aws.alarm_actions import AlarmAction
from local_aws.cost import CostMeter
from local_aws.events import Publisher
from local_aws.executor import Executor
from local_aws.logs import LogShipper
from local_aws.metric_store import MetricStore
from local_aws.quotas import Quotas
from local_aws.storage import Storage
from local_aws.world import World

_WORKERS = 8
_log = logging.getLogger(__name__)


class Slots:
    """At most `limit()` processes at a time; later ones start in order when one ends."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._used = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def run(self, start: Callable[[], None]) -> None:
        """Call `start` now or when a slot is free; every start must be followed by one `free`."""
        with self._lock:
            if self._used >= self._limit():
                self._waiting.append(start)
                return
            self._used += 1
        start()

    def cancel(self, start: Callable[[], None]) -> bool:
        """Take back a `run` that has not been called; False when it has."""
        with self._lock:
            if start not in self._waiting:
                return False
            self._waiting.remove(start)
            return True

    def free(self) -> None:
        with self._lock:
            if not self._waiting:
                self._used -= 1
                return
            start = self._waiting.popleft()
        start()


@dataclass(slots=True)
class Services:
    """The shared parts of one world; `submit` runs work on a few threads and logs what it raises.

    `alarm_actions` are called by the service in an action's ARN ("sns"). `metric_sources` are called before alarms are evaluated,
    with the AWS time of the last whole minute, to put what no event brings about (a silence as zero, a backlog's size).
    """

    world: World
    storage: Storage
    executor: Executor
    logs: LogShipper
    events: Publisher
    quotas: Quotas
    cost: CostMeter
    slots: Slots
    metrics: MetricStore = field(default_factory=MetricStore)
    alarm_actions: dict[str, AlarmAction] = field(default_factory=dict)
    metric_sources: list[Callable[[float], None]] = field(default_factory=list)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_WORKERS, thread_name_prefix="job"))

    def now(self) -> datetime:
        """AWS time in whole milliseconds, as it goes over the wire: what a client reads compares equal."""
        moment = self.world.clock.now()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def submit(self, work: Callable[[], None]) -> None:
        try:
            self.pool.submit(_logged, work)
        except RuntimeError:
            _log.debug("work was dropped: this local AWS is closing")

    def discard(self, folder: Path) -> None:
        """Delete a job's folder in the background; its log lies beside it and stays."""
        self.submit(lambda: shutil.rmtree(folder, ignore_errors=True))

    def close(self) -> None:
        """Kill what runs, drop what waits, deliver what is queued."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.executor.close()
        self.pool.shutdown(wait=True)
        self.logs.close()
        self.events.close()


_by_world: dict[int, Services] = {}
_lock = threading.Lock()


def of(world: World) -> Services:
    """The services of this world, built at first use."""
    with _lock:
        services = _by_world.get(id(world))
        if services is None:
            services = _by_world[id(world)] = _build(world)
            world.on_close(lambda: _close(world))
        return services


def _build(world: World) -> Services:
    settings = world.settings
    settings.setdefault("jobs.maxProcesses", 32)
    executor = Executor(world.folder / "executor")
    executor.start()
    services = Services(
        world=world,
        storage=Storage(world.client("s3"), world.account),
        executor=executor,
        logs=LogShipper(world.client("logs"), world.clock),
        events=Publisher(world),
        quotas=Quotas(),
        cost=CostMeter(),
        slots=Slots(lambda: int(settings["jobs.maxProcesses"])),
    )
    world.quotas, world.cost = services.quotas, services.cost
    return services


def _close(world: World) -> None:
    with _lock:
        services = _by_world.pop(id(world), None)
    if services is not None:
        services.close()


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        _log.exception("a job's background work failed")
