"""Finding what still runs for an object whose status was lost: AWS's lists by name, ownership by tag (failure-modes.md A8, D9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sagemaker_gitops.aws.kinds.jobs import foreign_owner, look
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.kinds.training_run.facts import Active, JobType, Leftover, Unknown
from sagemaker_gitops.core.resource import Key

_LISTS = {
    JobType.TRAINING_JOB: ("ListTrainingJobs", "TrainingJobSummaries", "TrainingJobName"),
    JobType.PROCESSING_JOB: ("ListProcessingJobs", "ProcessingJobSummaries", "ProcessingJobName"),
    JobType.TRANSFORM_JOB: ("ListTransformJobs", "TransformJobSummaries", "TransformJobName"),
}
_STEPS = (JobType.TRAINING_JOB, JobType.PROCESSING_JOB)


async def find_running(aws: Aws, scope: Scope, install: str, owner: Key, known: Collection[str] = ()) -> Mapping[str, Leftover]:
    """Every active job of a step whose tags name `owner`, but for those `known` already."""
    found: dict[str, Leftover] = {}
    for type_ in _STEPS:
        found |= await find_running_of(type_, aws, scope, install, owner, known)
    tags = {naming.TAG_INSTALL: install, naming.TAG_NAMESPACE: owner.namespace, naming.TAG_NAME: owner.name}
    for name in await _names(aws, scope, "glue", "ListJobs", {"Tags": tags, "MaxResults": 100}, "JobNames", None):
        if name not in known:
            await _add(found, aws, scope, install, owner, JobType.GLUE_JOB, name)
    return found


async def find_running_of(
    type_: JobType, aws: Aws, scope: Scope, install: str, owner: Key, known: Collection[str] = ()
) -> dict[str, Leftover]:
    """Active SageMaker jobs of one type."""
    found: dict[str, Leftover] = {}
    operation, member, name_member = _LISTS[type_]
    for status in ("InProgress", "Stopping"):
        parameters = {"NameContains": naming.readable(owner), "StatusEquals": status, "MaxResults": 100}
        for name in await _names(aws, scope, "sagemaker", operation, parameters, member, name_member):
            if name not in known:
                await _add(found, aws, scope, install, owner, type_, name)
    return found


async def _names(
    aws: Aws, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any], member: str, name_member: str | None
) -> list[str]:
    names: list[str] = []
    following: str | None = None
    while True:
        answer = await aws.call(scope, service, operation, dict(parameters) | ({"NextToken": following} if following else {}))
        names += [item[name_member] if name_member else item for item in answer.get(member, ())]
        following = answer.get("NextToken")
        if not following:
            return names


async def _add(found: dict[str, Leftover], aws: Aws, scope: Scope, install: str, owner: Key, type_: JobType, name: str) -> None:
    if await foreign_owner(aws, scope, type_, name, install, owner) is not None:
        return
    fact = await look(aws, scope, type_, name)
    if isinstance(fact, Active | Unknown):
        found[name] = Leftover(type_, fact)
