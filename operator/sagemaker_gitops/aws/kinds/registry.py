"""The model registry as one run needs it: is our package there, which approved one is the champion, and how good was it.

Source: Amazon SageMaker API Reference, ListModelPackages and DescribeModelPackage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.aws.storage import read_json
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.training_run.evaluation import flatten
from sagemaker_gitops.core.kinds.training_run.facts import Champion, Package
from sagemaker_gitops.core.kinds.training_run.registration import PACKAGE_KEY, metrics_in
from sagemaker_gitops.core.tenancy import Bound

PAGE = 100
EVALUATION_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Registry:
    """What a look at one group found. Versions newest first."""

    exists: bool
    registered: Package | None = None
    champion: Package | None = None


async def look_up(aws: Aws, scope: Scope, tenant: Bound, group: str, key: str, created_after: Any, champion_wanted: bool) -> Registry:
    """Our package by its key among those made since `created_after` (the run's start), and the newest approved other one."""
    following: str | None = None
    champion: Package | None = None
    registered: Package | None = None
    while True:
        page = {"ModelPackageGroupName": group, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": PAGE}
        try:
            answer = await aws.call(scope, "sagemaker", "ListModelPackages", page | ({"NextToken": following} if following else {}))
        except AwsFailure as failure:
            if failure.category is Category.NOT_FOUND:
                return Registry(False)
            raise
        for summary in answer.get("ModelPackageSummaryList", []):
            recent = created_after is None or summary["CreationTime"] >= created_after
            approved = summary.get("ModelApprovalStatus") == "Approved"
            if not recent and (champion is not None or not champion_wanted):
                return Registry(True, registered, champion)
            if not (recent and registered is None) and not (approved and champion_wanted and champion is None):
                continue
            package, package_key = await _describe(aws, scope, tenant, summary["ModelPackageArn"])
            if package_key == key:
                registered = package
            elif approved and champion is None:
                champion = package
        following = answer.get("NextToken")
        if not following:
            return Registry(True, registered, champion)


async def measured(aws: Aws, scope: Scope, tenant: Bound, champion: Champion) -> Champion:
    """The champion with the numbers that were registered with its package; without them when the package is gone."""
    try:
        package, _ = await _describe(aws, scope, tenant, champion.package_arn)
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return champion
        raise
    return replace(champion, metrics=package.metrics)


async def _describe(aws: Aws, scope: Scope, tenant: Bound, arn: str) -> tuple[Package, str]:
    answer = await aws.call(scope, "sagemaker", "DescribeModelPackage", {"ModelPackageName": arn})
    metadata = answer.get("CustomerMetadataProperties") or {}
    metrics = metrics_in(metadata)
    if not metrics:
        metrics = await _evaluated(aws, scope, tenant, answer)
    containers = (answer.get("InferenceSpecification") or {}).get("Containers") or []
    package = Package(
        arn=answer["ModelPackageArn"],
        group=answer.get("ModelPackageGroupName", ""),
        version=int(answer.get("ModelPackageVersion", 0)),
        approval=answer.get("ModelApprovalStatus", ""),
        metrics=metrics,
        artifact=containers[0].get("ModelDataUrl", "") if len(containers) == 1 else "",
    )
    return package, metadata.get(PACKAGE_KEY, "")


async def _evaluated(aws: Aws, scope: Scope, tenant: Bound, answer: dict[str, Any]) -> dict[str, float]:
    """Metrics of a package that somebody else registered: from its model quality statistics, if they can be read.

    Where they lie is that somebody's word, so it is judged like a word of the spec.
    """
    uri = ((answer.get("ModelMetrics") or {}).get("ModelQuality") or {}).get("Statistics", {}).get("S3Uri")
    if not uri or any(tenancy.outside_prefixes(tenant.name, [("", uri)], tenant.spec.allow.s3_prefixes)):
        return {}
    try:
        return flatten(await read_json(aws, scope, uri, EVALUATION_LIMIT))
    except (AwsFailure, ValueError):
        return {}
