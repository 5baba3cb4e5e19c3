"""CloudWatch metrics of asynchronous endpoints: the backlog by the minute, and how each request ended.

The backlog's metrics are what a scaling policy watches; ApproximateBacklogSizePerInstance is left out at zero instances, which is
what HasBacklogWithoutCapacity is for. Source: developer guide, "Monitor asynchronous endpoint".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from local_aws.hosting.async_queue import Backlog, Queue
from local_aws.hosting.metrics import NAMESPACE
from local_aws.services import Services

_BATCH: Final = 100
_log = logging.getLogger(__name__)


class AsyncMeter:
    """Collects what happened to requests until the next `flush`; thread safe."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._data: list[dict[str, Any]] = []

    def count(self, endpoint: str, variant: str, metric: str, value: float = 1.0, unit: str = "Count") -> None:
        """InvocationsProcessed, InvocationFailures, ExpiredRequests, TimeInBacklog and the like."""
        named = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
        datum = {"MetricName": metric, "Dimensions": named, "Timestamp": self._services.now(), "Unit": unit, "Value": value}
        with self._lock:
            self._data.append(datum)

    def flush(self, queues: list[Queue]) -> None:
        """Send what was counted, and the backlog of `queues`; a refusal is logged and harms no endpoint."""
        with self._lock:
            data, self._data = self._data, []
        now = self._services.now()
        for queue in queues:
            data.extend(_of_backlog(queue.endpoint.title, queue.backlog(now), now))
        cloudwatch = self._services.world.client("cloudwatch")
        for start in range(0, len(data), _BATCH):
            try:
                cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + _BATCH])
            except Exception:
                _log.exception("metrics of asynchronous endpoints could not be published")


def _of_backlog(endpoint: str, backlog: Backlog, at: datetime) -> Iterator[dict[str, Any]]:
    values = [
        ("ApproximateBacklogSize", "Count", float(backlog.size)),
        ("ApproximateAgeOfOldestRequest", "Seconds", backlog.age),
        ("HasBacklogWithoutCapacity", "Count", float(backlog.size > 0 and backlog.instances == 0)),
    ]
    if backlog.instances:
        values.append(("ApproximateBacklogSizePerInstance", "Count", backlog.size / backlog.instances))
    for name, unit, value in values:
        dimensions = [{"Name": "EndpointName", "Value": endpoint}]
        yield {"MetricName": name, "Dimensions": dimensions, "Timestamp": at, "Unit": unit, "Value": value}
