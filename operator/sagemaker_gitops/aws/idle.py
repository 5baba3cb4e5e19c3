"""Which endpoints nobody asks: the invocations of all of them in as few GetMetricData calls as there are five hundreds of variants.

Only for endpoints with `idle`, at the pace of the watch over drift, never for each object. Source: Amazon CloudWatch API Reference
(GetMetricData: 500 queries a call, StatusCode of each result), SageMaker developer guide, "Endpoint invocation metrics".
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.kinds.model_endpoint.facts import Quiet
from sagemaker_gitops.core.resource import Key

log = logging.getLogger(__name__)

NAMESPACE, METRIC = "AWS/SageMaker", "Invocations"
QUERIES, PAGE_LIMIT = 500, 20
PAUSE_BETWEEN_CALLS = 2.0
# Seconds up to which parkAfter is looked at in steps of so many seconds: 200 values a query, 100,000 a call.
PERIODS = ((3 * 3600, 60), (16 * 3600, 300), (14 * 86_400, 7200))
Note = Callable[[Key, Quiet], None]


@dataclass(frozen=True, slots=True)
class IdleEndpoint:
    """An endpoint that is to be parked after `park_after` seconds without a request."""

    key: Key
    scope: Scope
    name: str
    variants: tuple[str, ...]
    park_after: int

    @property
    def period(self) -> int:
        return next(period for longest, period in PERIODS if self.park_after <= longest)


async def watch(aws: Aws, idle: Callable[[], Iterable[IdleEndpoint]], note: Note, now: Callable[[], datetime], interval: float) -> None:
    """Every `interval` seconds note of each endpoint when it was asked last."""
    while True:
        await asyncio.sleep(interval)
        await look_once(aws, list(idle()), note, now())


async def look_once(aws: Aws, endpoints: Iterable[IdleEndpoint], note: Note, now: datetime) -> None:
    """An endpoint of which not every result is complete is left out: it might be asked."""
    groups: dict[tuple[str, str, str, int], list[IdleEndpoint]] = defaultdict(list)
    for endpoint in endpoints:
        groups[endpoint.scope.account, endpoint.scope.region, endpoint.scope.role_arn, endpoint.period].append(endpoint)
    first = True
    for members in groups.values():
        for chunk in _chunks(members):
            if not first:
                await asyncio.sleep(PAUSE_BETWEEN_CALLS)
            first = False
            try:
                found = await _asked(aws, chunk, now)
            except AwsFailure as error:
                log.warning("idle_watch_failed", extra={"error": str(error), "aws_request_id": error.request_id})
                break
            for endpoint in chunk:
                if endpoint.key in found:
                    note(endpoint.key, Quiet(now, found[endpoint.key]))


def _chunks(members: Sequence[IdleEndpoint]) -> Iterator[list[IdleEndpoint]]:
    """As many whole endpoints as fit into a call."""
    chunk: list[IdleEndpoint] = []
    for endpoint in members:
        if chunk and sum(len(item.variants) for item in chunk) + len(endpoint.variants) > QUERIES:
            yield chunk
            chunk = []
        chunk.append(endpoint)
    if chunk:
        yield chunk


async def _asked(aws: Aws, chunk: Sequence[IdleEndpoint], now: datetime) -> dict[Key, datetime | None]:
    """When each endpoint was asked last, in whole periods; endpoints with an incomplete answer are missing."""
    period = chunk[0].period
    owners = {f"m{number}": (endpoint, variant) for number, (endpoint, variant) in enumerate(_variants(chunk))}
    longest = max(endpoint.park_after for endpoint in chunk)
    start = datetime.fromtimestamp((now - timedelta(seconds=longest + period)).timestamp() // period * period, now.tzinfo)
    request: dict[str, Any] = {
        "MetricDataQueries": [_query(name, endpoint.name, variant, period) for name, (endpoint, variant) in owners.items()],
        "StartTime": start,
        "EndTime": now,
    }
    last: dict[str, datetime | None] = {}
    complete: set[str] = set()
    for _ in range(PAGE_LIMIT):
        answer = await aws.call(chunk[0].scope, "cloudwatch", "GetMetricData", request)
        for result in answer.get("MetricDataResults", ()):
            _take(result, period, last, complete)
        if not answer.get("NextToken"):
            break
        request = {**request, "NextToken": answer["NextToken"]}
    else:
        return {}
    return _by_endpoint(owners, last, complete)


def _take(result: Mapping[str, Any], period: int, last: dict[str, datetime | None], complete: set[str]) -> None:
    name = result["Id"]
    ends = [
        at + timedelta(seconds=period) for at, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=False) if value
    ]
    before = last.get(name)
    last[name] = max([*ends, *([before] if before is not None else [])], default=None)
    if result.get("StatusCode") == "Complete":
        complete.add(name)


def _by_endpoint(
    owners: Mapping[str, tuple[IdleEndpoint, str]], last: Mapping[str, datetime | None], complete: set[str]
) -> dict[Key, datetime | None]:
    found: dict[Key, list[datetime]] = defaultdict(list)
    unsure = {endpoint.key for name, (endpoint, _) in owners.items() if name not in complete}
    for name, (endpoint, _) in owners.items():
        at = last.get(name)
        found[endpoint.key] += [at] if at is not None else []
    return {key: max(times, default=None) for key, times in found.items() if key not in unsure}


def _variants(chunk: Iterable[IdleEndpoint]) -> Iterator[tuple[IdleEndpoint, str]]:
    return ((endpoint, variant) for endpoint in chunk for variant in endpoint.variants)


def _query(name: str, endpoint: str, variant: str, period: int) -> dict[str, Any]:
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
    metric = {"Namespace": NAMESPACE, "MetricName": METRIC, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}}
