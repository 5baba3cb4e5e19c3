"""CloudWatch metrics of asynchronous endpoints: the backlog by the minute, and how each request ended.

The backlog's metrics are what a scaling policy watches; ApproximateBacklogSizePerInstance is left out at zero instances, which is
what HasBacklogWithoutCapacity is for. Source: developer guide, "Monitor asynchronous endpoint".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from local_aws.hosting.async_queue import Backlog, Queue
from local_aws.hosting.metrics import NAMESPACE, dimensions
from local_aws.metric_store import Metric
from local_aws.services import Services


class AsyncMeter:
    """Puts what happens to requests, and at each `measure` the backlogs; thread safe."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def count(self, endpoint: str, variant: str, metric: str, value: float = 1.0, unit: str = "Count") -> None:
        """InvocationsProcessed, InvocationFailures, ExpiredRequests, TimeInBacklog and the like."""
        named = Metric(NAMESPACE, metric, dimensions(endpoint, variant))
        self._services.metrics.put(named, self._services.world.clock.time(), value, unit=unit)

    def measure(self, queues: list[Queue]) -> None:
        """The backlog of `queues` now."""
        now: datetime = self._services.now()
        for queue in queues:
            for name, unit, value in _of_backlog(queue.backlog(now)):
                metric = Metric(NAMESPACE, name, frozenset({("EndpointName", queue.endpoint.title)}))
                self._services.metrics.put(metric, now.timestamp(), value, unit=unit)


def _of_backlog(backlog: Backlog) -> Iterator[tuple[str, str, float]]:
    yield "ApproximateBacklogSize", "Count", float(backlog.size)
    yield "ApproximateAgeOfOldestRequest", "Seconds", backlog.age
    yield "HasBacklogWithoutCapacity", "Count", float(backlog.size > 0 and backlog.instances == 0)
    if backlog.instances:
        yield "ApproximateBacklogSizePerInstance", "Count", backlog.size / backlog.instances
