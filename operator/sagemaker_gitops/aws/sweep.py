"""The safety net under the events: paced List calls over what is active, never a Describe per resource.

Nothing active, no call. Summaries carry the status, so one page of 100 jobs answers for 100 resources (reference/performance.md 4.2, 4.4).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.kinds.training_run.facts import JobType
from sagemaker_gitops.core.resource import Key

log = logging.getLogger(__name__)

PAGE = 100
PAGE_LIMIT = 20
PAUSE_BETWEEN_CALLS = 2.0  # ListTrainingJobs: 2 requests a second for the whole account; we take a quarter
ACTIVE = ("InProgress", "Stopping", "STARTING", "RUNNING", "STOPPING", "WAITING")
_LISTS: dict[JobType, tuple[str, str, str, str]] = {
    JobType.TRAINING_JOB: ("ListTrainingJobs", "TrainingJobSummaries", "TrainingJobName", "TrainingJobStatus"),
    JobType.PROCESSING_JOB: ("ListProcessingJobs", "ProcessingJobSummaries", "ProcessingJobName", "ProcessingJobStatus"),
    JobType.TRANSFORM_JOB: ("ListTransformJobs", "TransformJobSummaries", "TransformJobName", "TransformJobStatus"),
}


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that status says is in progress, for whom, and since when (the recorded attempt)."""

    key: Key
    scope: Scope
    type: JobType
    name: str
    since: datetime | None


async def sweep(aws: Aws, active: Callable[[], Iterable[ActiveJob]], wake: Callable[[Key], None], interval: float) -> None:
    """Every `interval` seconds look at all active jobs and wake the objects whose job is no longer active."""
    while True:
        await asyncio.sleep(interval)
        await sweep_once(aws, list(active()), wake)


async def sweep_once(aws: Aws, jobs: list[ActiveJob], wake: Callable[[Key], None]) -> None:
    """One look: a job that is not listed as active, or not listed at all, wakes its object; the pass finds out why."""
    groups: dict[tuple[str, str, str, JobType], list[ActiveJob]] = defaultdict(list)
    for job in jobs:
        groups[job.scope.account, job.scope.region, job.scope.role_arn, job.type].append(job)
    for (_, _, _, type_), members in groups.items():
        if type_ is JobType.GLUE_JOB:
            for job in members:
                wake(job.key)  # Glue lists runs per job only: the pass's own GetJobRuns is that look
                await asyncio.sleep(PAUSE_BETWEEN_CALLS)
            continue
        try:
            listed = await _listed(aws, type_, members)
        except AwsFailure as error:
            # One tenant's broken role must not take the safety net from the others.
            log.warning("sweep_failed", extra={"error": str(error), "aws_request_id": error.request_id})
            continue
        for job in members:
            if listed.get(job.name) not in ACTIVE:
                wake(job.key)


async def _listed(aws: Aws, type_: JobType, members: list[ActiveJob]) -> dict[str, str]:
    operation, member, name, status = _LISTS[type_]
    oldest = min((job.since for job in members if job.since), default=None)
    request: dict[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": PAGE}
    if oldest is not None:
        request["CreationTimeAfter"] = oldest
    wanted = {job.name for job in members}
    found: dict[str, str] = {}
    for _ in range(PAGE_LIMIT):
        answer = await aws.call(members[0].scope, "sagemaker", operation, request)
        found |= {item[name]: item[status] for item in answer.get(member, ())}
        following = answer.get("NextToken")
        if not following or wanted <= found.keys():
            break
        request["NextToken"] = following
        await asyncio.sleep(PAUSE_BETWEEN_CALLS)
    return found
