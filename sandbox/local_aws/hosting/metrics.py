"""Invocation metrics of endpoints in CloudWatch, sent in batches by the clock.

AWS publishes each metric by endpoint and variant, and by endpoint configuration besides, so that an alarm can watch the new
fleet of an update alone. Here every value has all three dimensions and is sent once: moto, which keeps the metrics, answers a
question for some of the dimensions with all values that have these. Source: developer guide, "Amazon SageMaker AI metrics in
Amazon CloudWatch" and "Auto-Rollback Configuration and Monitoring".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local_aws.clock import Timer
from local_aws.hosting import pace
from local_aws.hosting.endpoint import Endpoint
from local_aws.hosting.variant import Variant
from local_aws.services import Services

NAMESPACE: Final = "AWS/SageMaker"
_BATCH: Final = 100  # metric data in a request, each with at most 150 values
_VALUES: Final = 150
_WALL_SECONDS: Final = 0.2
_MICROSECONDS: Final = 1_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation; `seconds` is wall time that the containers took, `status` 0 a timeout."""

    endpoint: Endpoint
    variant: Variant
    status: int
    seconds: float

    def values(self) -> Iterator[tuple[str, str, float]]:
        """(metric, unit, value) as AWS publishes them for every invocation, errors as 0 or 1."""
        client, server = 400 <= self.status < 500, not 200 <= self.status < 500
        yield "Invocations", "None", 1.0
        yield "InvocationsPerInstance", "None", 1.0 / max(self.variant.current.count, 1)
        yield "Invocation4XXErrors", "None", float(client)
        yield "Invocation5XXErrors", "None", float(server)
        yield "InvocationModelErrors", "None", float(client or server)
        yield "ModelLatency", "Microseconds", round(self.seconds * _MICROSECONDS, 1)


_Key = tuple[str, str, str, str, str]


class Meter:
    """Counts invocations and sends them every `endpoints.metricSeconds` of AWS time; thread safe."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._waiting: dict[_Key, list[float]] = {}
        self._timer: Timer | None = None

    def count(self, invocation: Invocation) -> None:
        endpoint, variant = invocation.endpoint.title, invocation.variant
        with self._lock:
            for name, unit, value in invocation.values():
                self._waiting.setdefault((endpoint, variant.name, variant.config, name, unit), []).append(value)
            if self._timer is None:
                world = self._services.world
                seconds = pace.at_least(world.clock, world.settings["endpoints.metricSeconds"], _WALL_SECONDS)
                self._timer = world.clock.call_later(seconds, lambda: self._services.submit(self.flush))

    def flush(self) -> None:
        """Send what has been counted; a refusal is logged and harms no endpoint."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self._timer = None
        data = list(_data(waiting, self._services.now()))
        cloudwatch = self._services.world.client("cloudwatch")
        for start in range(0, len(data), _BATCH):
            try:
                cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + _BATCH])
            except Exception:
                _log.exception("invocation metrics could not be published")


def _data(waiting: dict[_Key, list[float]], at: datetime) -> Iterator[dict[str, Any]]:
    for (endpoint, variant, config, name, unit), values in waiting.items():
        named = {"EndpointName": endpoint, "VariantName": variant, "EndpointConfigName": config}
        for start in range(0, len(values), _VALUES):
            yield {
                "MetricName": name,
                "Dimensions": [{"Name": dimension, "Value": value} for dimension, value in named.items()],
                "Timestamp": at,
                "Unit": unit,
                "Values": values[start : start + _VALUES],
            }
