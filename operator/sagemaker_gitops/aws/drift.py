"""The safety net under the events of endpoints: paced ListEndpoints, never a Describe per endpoint.

A summary carries LastModifiedTime, so one page of 100 tells which of 100 endpoints somebody has touched since they were last looked at.
Tags move no LastModifiedTime: for them, a few objects an interval are looked at anew, one after another. Approvals have a net of
their own, approvals.py.
What hangs on an endpoint (scalable targets, policies, alarms) moves no such time: it is compared itself, many at once, at most
ATTACHED_CALLS calls in one interval. With the default of 5 min that is 3 a minute, and ListEndpoints for 1,000 endpoints 2 more. 15 calls
reach 100 scaled endpoints with alarms; 1,000 of them need 140 (AWS gives 10 policies a page), which is every 47 min.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sagemaker_gitops.aws.kinds.alarms import ALARMS_AT_ONCE, alarms_of
from sagemaker_gitops.aws.kinds.scaling import POLICIES_AT_ONCE, TARGETS_AT_ONCE, policies_of, targets_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveAlarm, Scalable
from sagemaker_gitops.core.kinds.model_endpoint.scaling import policy_name, resource_id
from sagemaker_gitops.core.resource import Key

log = logging.getLogger(__name__)

PAGE, PAGE_LIMIT = 100, 50
PAUSE_BETWEEN_CALLS = 2.0
ANEW_PER_INTERVAL, LEAST_ANEW = 10, 2  # ten when ListEndpoints takes one call, two when it takes ten
ATTACHED_CALLS = 15


@dataclass(frozen=True, slots=True)
class SeenEndpoint:
    """An endpoint of ours as it was when it was last described."""

    key: Key
    scope: Scope
    name: str
    last_modified: datetime
    scaling: Mapping[str, Scalable] = field(default_factory=dict)
    alarms: Mapping[str, LiveAlarm] = field(default_factory=dict)


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
    return (ordered[start:] + ordered[:start])[: max(LEAST_ANEW, ANEW_PER_INTERVAL - len(ordered) // PAGE)]


async def watch_once(aws: Aws, endpoints: list[SeenEndpoint], wake: Callable[[Key], None]) -> None:
    """One look at every account and role that has endpoints of ours."""
    for members in _by_role(endpoints):
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


async def watch_attached(aws: Aws, seen: Callable[[], Iterable[SeenEndpoint]], wake: Callable[[Key], None], interval: float) -> None:
    """Wake the objects whose scaling or alarms are not as they were seen: all of them in one interval, or at the pace that is allowed."""
    pause = interval / ATTACHED_CALLS
    while True:
        calls = await watch_attached_once(aws, list(seen()), wake, pause)
        await asyncio.sleep(max(interval - calls * pause, pause))


async def watch_attached_once(aws: Aws, endpoints: list[SeenEndpoint], wake: Callable[[Key], None], pause: float) -> int:
    """One look at everything that hangs on an endpoint, with a pause of so many seconds after each call. Returns how many there were."""
    looks = [look for members in _by_role(endpoints) for look in _attached_looks(aws, members)]
    for look in looks:
        try:
            for key in await look():
                wake(key)
        except AwsFailure as error:
            log.warning("drift_watch_failed", extra={"error": str(error), "aws_request_id": error.request_id})
        await asyncio.sleep(pause)
    return len(looks)


_Values = Mapping[str, tuple[Key, Any]]  # by resource id or alarm name: whose it is, and what was seen


def _attached_looks(aws: Aws, members: Sequence[SeenEndpoint]) -> Iterator[Callable[[], Awaitable[set[Key]]]]:
    """One call each; the policies of endpoints with several scaled variants may take another page."""
    scope, scaled = members[0].scope, [endpoint for endpoint in members if endpoint.scaling]
    bounds = {name: (key, (target.minimum, target.maximum)) for name, (key, target) in _targets(scaled).items()}
    for names in _chunks(list(bounds), TARGETS_AT_ONCE):
        yield partial(_differing, {name: bounds[name] for name in names}, partial(targets_of, aws, scope, names))
    for endpoints in _chunks(scaled, POLICIES_AT_ONCE):
        policies = {name: (key, target.policy) for name, (key, target) in _targets(endpoints).items()}
        yield partial(_differing, policies, partial(policies_of, aws, scope, [policy_name(endpoint.name) for endpoint in endpoints]))
    settings = {name: (endpoint.key, alarm.settings) for endpoint in members for name, alarm in endpoint.alarms.items()}
    for names in _chunks(list(settings), ALARMS_AT_ONCE):
        yield partial(_differing, {name: settings[name] for name in names}, partial(_settings_of, aws, scope, names))


def _targets(endpoints: Iterable[SeenEndpoint]) -> dict[str, tuple[Key, Scalable]]:
    return {resource_id(each.name, variant): (each.key, target) for each in endpoints for variant, target in each.scaling.items()}


async def _differing(before: _Values, ask: Callable[[], Awaitable[Mapping[str, Any]]]) -> set[Key]:
    now = await ask()
    return {key for name, (key, value) in before.items() if now.get(name) != value}


async def _settings_of(aws: Aws, scope: Scope, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    return {name: alarm.settings for name, alarm in (await alarms_of(aws, scope, names)).items()}


def _by_role(endpoints: Iterable[SeenEndpoint]) -> list[list[SeenEndpoint]]:
    groups: dict[tuple[str, str, str], list[SeenEndpoint]] = defaultdict(list)
    for endpoint in endpoints:
        groups[endpoint.scope.account, endpoint.scope.region, endpoint.scope.role_arn].append(endpoint)
    return list(groups.values())


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
