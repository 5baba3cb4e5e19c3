"""The safety net under the events of the model registry: one list per group and interval, never a Describe per version.

An approval or a rejection whose event was lost is found by comparing what a group's summaries say with what a reference meant when it was
last looked up. A group costs one call an interval, at a pace of one in two seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.resource import Key

log = logging.getLogger(__name__)

PAGE, PAGE_LIMIT = 100, 50
PAUSE_BETWEEN_CALLS = 2.0
APPROVED = "Approved"


@dataclass(frozen=True, slots=True)
class SeenModel:
    """What a reference to the registry meant when it was last looked up: `version` None is the newest approved one.

    `approved` is the ARN of the version that may be served, "" when there was none.
    """

    key: Key
    scope: Scope
    group: str
    version: int | None
    approved: str


async def watch(aws: Aws, seen: Callable[[], Iterable[SeenModel]], wake: Callable[[Key], None], interval: float) -> None:
    """Every `interval` seconds wake the objects that would be served another version, or none, than when they were looked at."""
    while True:
        await asyncio.sleep(interval)
        await watch_once(aws, list(seen()), wake)


async def watch_once(aws: Aws, models: list[SeenModel], wake: Callable[[Key], None]) -> None:
    """One look at every group that something of ours is served from."""
    groups: dict[tuple[str, str, str, str], list[SeenModel]] = defaultdict(list)
    for model in models:
        groups[model.scope.account, model.scope.region, model.scope.role_arn, model.group].append(model)
    for members in groups.values():
        try:
            versions = await _versions(aws, members)
        except AwsFailure as error:
            if error.category is not Category.NOT_FOUND:
                log.warning("approval_watch_failed", extra={"error": str(error), "aws_request_id": error.request_id})
                continue
            versions = {}
        newest = max((number for number, (_, approved) in versions.items() if approved), default=0)
        for model in members:
            arn, approved = versions.get(model.version or newest, ("", False))
            if model.approved != (arn if approved else ""):
                wake(model.key)
        await asyncio.sleep(PAUSE_BETWEEN_CALLS)


async def _versions(aws: Aws, members: list[SeenModel]) -> dict[int, tuple[str, bool]]:
    """ARN and approval by version, newest first, as far back as the members need."""
    latest = any(model.version is None for model in members)
    wanted = {model.version for model in members if model.version is not None}
    found: dict[int, tuple[str, bool]] = {}
    page = {"ModelPackageGroupName": members[0].group, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": PAGE}
    request: dict[str, Any] = page
    for _ in range(PAGE_LIMIT):
        answer = await aws.call(members[0].scope, "sagemaker", "ListModelPackages", request)
        for item in answer.get("ModelPackageSummaryList", ()):
            arn = item["ModelPackageArn"]
            found[int(arn.rpartition("/")[2])] = arn, item.get("ModelApprovalStatus") == APPROVED
        following = answer.get("NextToken")
        satisfied = wanted <= found.keys() and (not latest or any(approved for _, approved in found.values()))
        if not following or satisfied:
            break
        request = page | {"NextToken": following}
        await asyncio.sleep(PAUSE_BETWEEN_CALLS)
    return found
