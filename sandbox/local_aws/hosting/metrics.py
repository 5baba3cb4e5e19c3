"""Invocation metrics of endpoints in CloudWatch, put as the invocations happen.

AWS publishes each metric by endpoint and variant, and by endpoint configuration besides, so that an alarm can watch the new
fleet of an update alone. Source: developer guide, "Amazon SageMaker AI metrics in Amazon CloudWatch", "Auto-Rollback
Configuration and Monitoring" and, for the zeros of a silent variant that is scaled, "Edit a scaling policy".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from local_aws.clock import Clock
from local_aws.hosting.variant import Variant
from local_aws.metric_store import MINUTE, UNIT, Metric, MetricStore

NAMESPACE: Final = "AWS/SageMaker"
PER_INSTANCE: Final = "InvocationsPerInstance"
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation; `seconds` is wall time that the containers took, `overhead` what was added to it, `status` 0 a timeout."""

    endpoint: str
    variant: Variant
    status: int
    seconds: float
    overhead: float

    def values(self) -> Iterator[tuple[str, str, float]]:
        """(metric, unit, value) as AWS publishes them for every invocation, errors as 0 or 1."""
        client, server = 400 <= self.status < 500, not 200 <= self.status < 500
        yield "Invocations", UNIT, 1.0
        yield PER_INSTANCE, UNIT, 1.0 / max(self.variant.current.count, 1)
        yield "Invocation4XXErrors", UNIT, float(client)
        yield "Invocation5XXErrors", UNIT, float(server)
        yield "InvocationModelErrors", UNIT, float(client or server)
        yield "ModelLatency", "Microseconds", round(self.seconds * _MICROSECONDS, 1)
        yield "OverheadLatency", "Microseconds", round(self.overhead * _MICROSECONDS, 1)


class Meter:
    """Counts the invocations of one world; thread safe."""

    def __init__(self, store: MetricStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def count(self, invocation: Invocation) -> None:
        at, config = self._clock.time(), ("EndpointConfigName", invocation.variant.config)
        named = dimensions(invocation.endpoint, invocation.variant.name)
        for name, unit, value in invocation.values():
            for of_metric in (named, named | {config}):
                self._store.put(Metric(NAMESPACE, name, of_metric), at, value, unit=unit)


def dimensions(endpoint: str, variant: str) -> frozenset[tuple[str, str]]:
    """What every invocation metric of a variant has."""
    return frozenset({("EndpointName", endpoint), ("VariantName", variant)})


def put_silence(store: MetricStore, endpoint: str, variant: str, minute: float) -> None:
    """Zero invocations in the minute that begins then, unless there were some."""
    for name in ("Invocations", PER_INSTANCE):
        metric = Metric(NAMESPACE, name, dimensions(endpoint, variant))
        if store.window(metric, minute, minute + MINUTE) is None:
            store.put(metric, minute, 0.0)
