"""A token bucket for each account, region and operation: halves when AWS throttles, grows slowly while calls wait (AIMD).

Published quotas are few (reference/performance.md 4.2): ListTrainingJobs and LookupEvents have 2 requests a second per account; the rest is
a cautious start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Bucket = tuple[str, str, str]  # account, region, service:Operation

# Requests per second; the longest prefix counts.
START_RATES: Mapping[str, float] = {
    "sagemaker:Create": 2.0,
    "sagemaker:Stop": 2.0,
    "sagemaker:Describe": 10.0,
    "sagemaker:List": 5.0,
    "sagemaker:ListTrainingJobs": 0.5,
    "sagemaker:ListProcessingJobs": 0.5,
    "sagemaker:ListTransformJobs": 0.5,
    "sagemaker-runtime:": 5.0,
    "glue:": 5.0,
    "glue:StartJobRun": 2.0,
    "logs:": 5.0,
    "application-autoscaling:": 5.0,
    "cloudwatch:": 5.0,
    "cloudwatch:PutMetricAlarm": 2.0,
    "cloudwatch:DeleteAlarms": 2.0,
    "cloudtrail:LookupEvents": 1.0,
    "s3:": 100.0,
}
DEFAULT_RATE = 20.0
UNLIMITED: Mapping[str, float] = {"": float("inf")}
GROWTH, GROWTH_INTERVAL, HALVING_INTERVAL, LEAST = 1.1, 10.0, 1.0, 0.1
HEADROOM = 5.0  # how far a rate may grow beyond its start while calls wait and AWS takes them all
HARD_QUOTAS = frozenset({"sagemaker:ListTrainingJobs", "sagemaker:ListProcessingJobs", "cloudtrail:LookupEvents"})


@dataclass(slots=True)
class _State:
    rate: float
    ceiling: float
    next_at: float = 0.0
    grown_at: float = float("-inf")
    halved_at: float = float("-inf")


class Limits:
    """`rates` maps the beginning of service:Operation to requests per second. One waiter after another, in order of arrival."""

    def __init__(
        self,
        rates: Mapping[str, float] = START_RATES,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rates = rates
        self._monotonic = monotonic
        self._sleep = sleep
        self._states: dict[Bucket, _State] = {}

    async def acquire(self, bucket: Bucket) -> float:
        """Wait for a token; returns the seconds waited."""
        state, now = self._state(bucket), self._monotonic()
        start = max(now, state.next_at)
        if start > now and state.rate < state.ceiling and now - state.grown_at >= GROWTH_INTERVAL:
            state.rate, state.grown_at = min(state.ceiling, state.rate * GROWTH), now
        state.next_at = start + 1.0 / state.rate
        if start > now:
            await self._sleep(start - now)
        return start - now

    def throttled(self, bucket: Bucket) -> None:
        """AWS refused for rate: halve, once for all calls that were under way together."""
        state, now = self._state(bucket), self._monotonic()
        if now < state.halved_at + HALVING_INTERVAL:
            return
        state.halved_at = now
        before = state.rate if state.rate != float("inf") else DEFAULT_RATE
        state.rate = max(min(LEAST, before), before / 2)
        state.grown_at = now
        state.next_at = max(state.next_at, now + 1.0 / state.rate)

    def rate(self, bucket: Bucket) -> float:
        """Requests per second allowed now."""
        return self._state(bucket).rate

    def _state(self, bucket: Bucket) -> _State:
        if bucket not in self._states:
            known = [(len(prefix), rate) for prefix, rate in self._rates.items() if bucket[2].startswith(prefix)]
            rate = max(known)[1] if known else DEFAULT_RATE
            ceiling = rate if bucket[2] in HARD_QUOTAS else rate * HEADROOM
            self._states[bucket] = _State(rate, ceiling, grown_at=self._monotonic())
        return self._states[bucket]
