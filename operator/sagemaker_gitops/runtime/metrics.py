"""Prometheus metrics: rates, queue, AWS and Kubernetes calls. No label holds anything a user typed (failure-modes.md G11).

One instance per operator, with its own registry, handed to whoever counts; nobody else imports prometheus_client.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

PREFIX = "sagemaker_gitops"
CONTENT_TYPE = CONTENT_TYPE_LATEST
PASS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What is counted. Implements reconciler.Recorder, kube.client.WriteRecorder and the recorder of the AWS layer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._passes = self._counter("passes", "Passes by kind and how they ended.", "kind", "outcome")
        self._pass_seconds = Histogram(
            f"{PREFIX}_pass_seconds", "Duration of a pass.", ("kind",), buckets=PASS_BUCKETS, registry=self.registry
        )
        self._steps = self._counter("step_transitions", "Steps that reached a state.", "kind", "step", "reason")
        self._aws = self._counter("aws_calls", "AWS API calls by operation and outcome.", "operation", "outcome")
        self._aws_seconds = Histogram(f"{PREFIX}_aws_call_seconds", "Duration of an AWS API call.", ("operation",), registry=self.registry)
        self._throttles = self._counter("aws_throttles", "AWS calls refused for their rate.", "operation")
        self._aws_events = self._counter("aws_events", "Messages taken from the event queue.", "source", "outcome")
        self._kube = self._counter("kubernetes_requests", "Kubernetes API requests by verb and outcome.", "verb", "kind", "outcome")
        self._watch_events = self._counter("watch_events", "Watch events received.", "kind")

    def passed(self, kind: str, outcome: str, seconds: float) -> None:
        self._passes.labels(kind, outcome).inc()
        self._pass_seconds.labels(kind).observe(seconds)

    def stepped(self, kind: str, step: str, state: str) -> None:
        self._steps.labels(kind, step, state).inc()

    def aws_call(self, operation: str, outcome: str, seconds: float) -> None:
        """`operation` is service:Operation; `outcome` is OK or the error's category."""
        self._aws.labels(operation, outcome).inc()
        self._aws_seconds.labels(operation).observe(seconds)
        if outcome == "Throttled":
            self._throttles.labels(operation).inc()

    def aws_event(self, source: str, outcome: str) -> None:
        """`source` is the EventBridge source; `outcome` is Enqueued, Ignored or Malformed."""
        self._aws_events.labels(source, outcome).inc()

    def kube_request(self, verb: str, kind: str, outcome: str) -> None:
        self._kube.labels(verb, kind, outcome).inc()

    def watch_event(self, kind: str) -> None:
        self._watch_events.labels(kind).inc()

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is scraped."""
        Gauge(f"{PREFIX}_{name}", text, registry=self.registry).set_function(read)

    def scrape(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)
