"""The safety net under the events of endpoints: paced ListEndpoints, never a Describe per endpoint.

A summary carries LastModifiedTime, so one page of 100 tells which of 100 endpoints somebody has touched since they were last looked at.
Tags and approvals move no LastModifiedTime: for them, ten objects an interval are looked at anew, one after another.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.resource import Key

log = logging.getLogger(__name__)

PAGE, PAGE_LIMIT = 100, 50
PAUSE_BETWEEN_CALLS = 2.0
ANEW_PER_INTERVAL = 10


@dataclass(frozen=True, slots=True)
class SeenEndpoint:
    """An endpoint of ours as it was when it was last described."""

    key: Key
    scope: Scope
    name: str
    last_modified: datetime


async def watch(aws: Aws, seen: Callable[[], Iterable[SeenEndpoint]], wake: Callable[[Key], None], interval: float) -> None:
    """Every `interval` seconds wake the objects whose endpoint has changed or gone since it was seen, and the next of the rotation."""
    last: Key | None = None
    while True:
        await asyncio.sleep(interval)
        endpoints = list(seen())
        await watch_once(aws, endpoints, wake)
        for key in rotation([endpoint.key for endpoint in endpoints], last):
            wake(key)
            last = key


def rotation(keys: Iterable[Key], last: Key | None) -> list[Key]:
    """The next ones after `last`, from the beginning again after the end; none twice."""
    ordered = sorted(keys)
    start = 0 if last is None else bisect_right(ordered, last)
    return (ordered[start:] + ordered[:start])[:ANEW_PER_INTERVAL]


async def watch_once(aws: Aws, endpoints: list[SeenEndpoint], wake: Callable[[Key], None]) -> None:
    """One look at every account and role that has endpoints of ours."""
    groups: dict[tuple[str, str, str], list[SeenEndpoint]] = defaultdict(list)
    for endpoint in endpoints:
        groups[endpoint.scope.account, endpoint.scope.region, endpoint.scope.role_arn].append(endpoint)
    for members in groups.values():
        try:
            listed = await _listed(aws, members)
        except AwsFailure as error:
            log.warning("drift_watch_failed", extra={"error": str(error), "aws_request_id": error.request_id})
            continue
        for endpoint in members:
            if listed.get(endpoint.name) != endpoint.last_modified:
                wake(endpoint.key)


async def _listed(aws: Aws, members: list[SeenEndpoint]) -> dict[str, datetime]:
    wanted, found = {endpoint.name for endpoint in members}, dict[str, datetime]()
    request: dict[str, Any] = {"MaxResults": PAGE}
    for _ in range(PAGE_LIMIT):
        answer = await aws.call(members[0].scope, "sagemaker", "ListEndpoints", request)
        found |= {item["EndpointName"]: item["LastModifiedTime"] for item in answer.get("Endpoints", ())}
        following = answer.get("NextToken")
        if not following or wanted <= found.keys():
            break
        request["NextToken"] = following
        await asyncio.sleep(PAUSE_BETWEEN_CALLS)
    return found
