"""Faults that a test orders: latency, throttling, scripted failures, failing jobs, lossy events, lagging
lists.

`app` applies those of a request; services ask for the rest (`next_job_failure`, `event_fate`, `list_lag`).
Without orders every question costs one attribute read, because Describe is the hot path.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import regex

FaultKind = Literal["error", "drop", "accept-then-drop", "accept-then-500", "delay"]
"""What a scripted failure does; the two `accept-` kinds execute the call first."""

DEFAULT_CODE: Final = "InternalFailure"
DEFAULT_MESSAGE: Final = "We encountered an internal error. Please try again."

_KINDS: Final[Mapping[str, FaultKind]] = {
    "error": "error",
    "drop": "drop",
    "accept-then-drop": "accept-then-drop",
    "accept-then-500": "accept-then-500",
    "delay": "delay",
}


@dataclass(slots=True)
class Script:
    """A scripted failure of the next `times` calls of `operation` whose resource name contains a match of
    `resource`.

    `code`, `message` and `status` belong to kind "error", `seconds` (wall time) to kind "delay".
    """

    operation: str
    kind: FaultKind
    service: str | None = None
    resource: str | None = None
    times: int = 1
    code: str = DEFAULT_CODE
    message: str = DEFAULT_MESSAGE
    status: int = 400
    seconds: float = 0.0

    def matches(self, service: str, operation: str, resource: str) -> bool:
        """Whether this failure is meant for the call."""
        if self.operation != operation or self.service not in (None, service):
            return False
        return self.resource is None or regex.search(self.resource, resource) is not None


@dataclass(slots=True)
class JobFailure:
    """The next `times` jobs of a kind ("TrainingJob", "ProcessingJob", "JobRun") whose name contains a
    match fail so.

    `reason` is the FailureReason, for example "CapacityError: Unable to provision requested ML compute
    capacity."
    """

    job: str
    reason: str
    name: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class EventFaults:
    """Rates from 0 to 1 at which events are dropped or sent twice, and their delay in seconds of AWS time."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall seconds that every call takes longer: `mean` plus or minus up to `jitter`."""

    mean: float = 0.0
    jitter: float = 0.0


class Bucket:
    """A token bucket: `rate` calls a second of wall time, at most `burst` at once."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._monotonic = monotonic
        self._tokens = burst
        self._at = monotonic()

    def take(self) -> bool:
        """Take a token; False when there is none."""
        now = self._monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Faults:
    """Every fault in force. `list_lag` is seconds of AWS time by which lists trail behind describes."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """No fault at all; the random sequence starts anew."""
        with self._lock:
            self.latency = Latency()
            self.list_lag = 0.0
            self.events = EventFaults()
            self._random = random.Random(self._seed)
            self._scripts: list[Script] = []
            self._jobs: list[JobFailure] = []
            self._buckets: dict[tuple[str, str], Bucket] = {}

    def script(self, script: Script) -> None:
        """Order a scripted failure; the oldest that matches is used first."""
        with self._lock:
            self._scripts.append(script)

    def fail_jobs(self, failure: JobFailure) -> None:
        """Order the failure of coming jobs."""
        with self._lock:
            self._jobs.append(failure)

    def throttle(self, service: str, operation: str, rate: float, burst: float) -> None:
        """Limit an operation ("*": every operation of the service, one bucket for all)."""
        with self._lock:
            self._buckets[service, operation] = Bucket(rate, burst)

    def take_script(self, service: str, operation: str, resource: str) -> Script | None:
        """The scripted failure of this call, used up by asking."""
        if not self._scripts:
            return None
        with self._lock:
            for script in self._scripts:
                if script.matches(service, operation, resource):
                    script.times -= 1
                    self._scripts = [entry for entry in self._scripts if entry.times > 0]
                    return script
        return None

    def throttled(self, service: str, operation: str) -> bool:
        """Whether AWS answers this call "Rate exceeded"."""
        if not self._buckets:
            return False
        with self._lock:
            found = [self._buckets.get((service, name)) for name in (operation, "*")]
            return any(bucket is not None and not bucket.take() for bucket in found)

    def next_job_failure(self, job_kind: str, name: str) -> JobFailure | None:
        """The failure that this job is to suffer, used up by asking."""
        if not self._jobs:
            return None
        with self._lock:
            for failure in self._jobs:
                fits = failure.name is None or regex.search(failure.name, name) is not None
                if failure.job == job_kind and fits:
                    failure.times -= 1
                    self._jobs = [entry for entry in self._jobs if entry.times > 0]
                    return failure
        return None

    def event_fate(self) -> tuple[float, ...]:
        """Delays in AWS seconds, one for each copy of an event to send; empty when it is lost."""
        faults = self.events
        if faults == EventFaults():
            return (0.0,)
        with self._lock:
            if self._random.random() < faults.drop:
                return ()
            return (faults.delay,) * (2 if self._random.random() < faults.duplicate else 1)

    def wait(self) -> None:
        """Take the ordered latency."""
        latency = self.latency
        if latency.mean or latency.jitter:
            spread = self._random.uniform(-latency.jitter, latency.jitter)
            self.pause(max(0.0, latency.mean + spread))

    @staticmethod
    def pause(seconds: float) -> None:
        """Keep the caller waiting, in wall time."""
        time.sleep(seconds)

    def report(self) -> dict[str, Any]:
        """Every fault in force, as the admin API shows it."""
        with self._lock:
            return {
                "latency": {"mean": self.latency.mean, "jitter": self.latency.jitter},
                "listLag": self.list_lag,
                "events": {
                    "drop": self.events.drop,
                    "duplicate": self.events.duplicate,
                    "delay": self.events.delay,
                },
                "throttles": [
                    {"service": service, "operation": operation, "rate": bucket.rate, "burst": bucket.burst}
                    for (service, operation), bucket in self._buckets.items()
                ],
                "scripts": [{"operation": entry.operation, "kind": entry.kind, "times": entry.times} for entry in self._scripts],
                "jobs": [{"job": entry.job, "reason": entry.reason, "times": entry.times} for entry in self._jobs],
            }


def fault_kind(value: object) -> FaultKind:
    """The kind of a scripted failure; raises ValueError naming those that exist."""
    kind = _KINDS.get(value) if isinstance(value, str) else None
    if kind is None:
        raise ValueError(f"kind: {value!r} is not known, give one of {', '.join(_KINDS)}")
    return kind
