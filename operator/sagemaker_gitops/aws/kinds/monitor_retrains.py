"""What AWS remembers of retrains: training jobs with a policy's tags, the approval of what they made, and whether there is new data.

A status can be lost or edited; limits are counted here. Reads only, and only when a retrain is about to be asked for. Sources: Amazon
SageMaker API Reference (ListTrainingJobs, ListTags, DescribeModelPackage), Amazon CloudWatch API Reference (GetMetricStatistics).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.monitor_policy import Alarm
from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.hosting import tags_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.monitor_policy.facts import Retrained, RunView
from sagemaker_gitops.core.kinds.monitor_policy.publish import NAMESPACE, SERVICE, policy_dimension, threshold_metric
from sagemaker_gitops.core.kinds.training_run.retrain import TAG_EPISODE, TAG_MODEL, TAG_POLICY
from sagemaker_gitops.core.kinds.training_run.run import TRAIN
from sagemaker_gitops.core.resource import Key

PAGE, PAGES = 100, 10
REMEMBERED = timedelta(days=14)
HOUR = 3600


@dataclass(slots=True)
class Retrains:
    """`_tags` are of jobs that have been read: a training job's tags are given when it is made."""

    aws: Aws
    install: str
    _tags: dict[str, Mapping[str, str]] = field(default_factory=dict)

    async def of_run(self, scope: Scope, run: Key, policy: Key) -> tuple[Retrained, ...]:
        """Those that `policy` asked of `run`, of its last hundreds of jobs."""
        listed = await self._listed(scope, {"NameContains": f"{naming.readable(run)}-{TRAIN}-"})
        found = [item for name, created in listed if (item := await self._retrained(scope, name, created)) is not None]
        return tuple(item for item in found if item.policy == f"{policy.namespace}/{policy.name}")

    async def of_tenant(self, scope: Scope, since: datetime) -> tuple[tuple[str, datetime], ...]:
        """Every retrain of the account that this installation made since then."""
        listed = await self._listed(scope, {"NameContains": f"-{TRAIN}-", "CreationTimeAfter": since})
        found = [item for name, created in listed if (item := await self._retrained(scope, name, created)) is not None]
        return tuple((item.episode, item.created) for item in found)

    async def _retrained(self, scope: Scope, name: str, created: datetime) -> Retrained | None:
        if name not in self._tags:
            self._tags[name] = (await tags_of(self.aws, scope, "training-job", name))[1]
        tags = self._tags[name]
        if tags.get(naming.TAG_INSTALL) != self.install or not tags.get(TAG_EPISODE):
            return None
        return Retrained(tags[TAG_EPISODE], tags.get(TAG_POLICY, ""), tags.get(TAG_MODEL, ""), created)

    async def _listed(self, scope: Scope, wanted: Mapping[str, Any]) -> list[tuple[str, datetime]]:
        found: list[tuple[str, datetime]] = []
        request: dict[str, Any] = {**wanted, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": PAGE}
        for _ in range(PAGES):
            answer = await self.aws.call(scope, "sagemaker", "ListTrainingJobs", request)
            found += [(item["TrainingJobName"], item["CreationTime"]) for item in answer.get("TrainingJobSummaries", ())]
            if not answer.get("NextToken"):
                break
            request = {**request, "NextToken": answer["NextToken"]}
        return found

    async def approval(self, scope: Scope, run: RunView) -> str:
        """Of the package that the run registered; empty where there is none."""
        if not run.package_arn:
            return ""
        try:
            answer = await self.aws.call(scope, "sagemaker", "DescribeModelPackage", {"ModelPackageName": run.package_arn})
        except AwsFailure as failure:
            if failure.category is Category.NOT_FOUND:
                return ""
            raise
        return str(answer.get("ModelApprovalStatus", ""))

    async def new_data(self, scope: Scope, run: RunView) -> bool:
        """Whether an input of the run holds something else than when it was trained last. What is gone is nothing new."""
        for uri, digest in run.inputs.values():
            try:
                if (await storage.resolve_input(self.aws, scope, uri)).digest != digest:
                    return True
            except ValueError:
                continue
        return not run.inputs

    async def thresholds(self, scope: Scope, policy: Key, alarms: Sequence[Alarm], now: datetime) -> dict[str, float]:
        """Where ratcheted thresholds were last, by CloudWatch; those of which it knows nothing are left out."""
        dimensions = [{"Name": name, "Value": value} for name, value in policy_dimension(policy).items()]
        found: dict[str, float] = {}
        for alarm in (item for item in alarms if item.threshold.ratchet is not None):
            statistic = "Minimum" if alarm.operator.startswith(">") else "Maximum"  # the ratchet goes one way within an hour
            request = {
                "Namespace": NAMESPACE,
                "MetricName": threshold_metric(alarm.name),
                "Dimensions": dimensions,
                "StartTime": now - REMEMBERED,
                "EndTime": now + timedelta(hours=1),
                "Period": HOUR,
                "Statistics": [statistic],
            }
            points = list(_points(await self.aws.call(scope, SERVICE, "GetMetricStatistics", request), statistic))
            if points:
                found[alarm.name] = max(points)[1]
        return found


def _points(answer: Mapping[str, Any], statistic: str) -> Iterator[tuple[datetime, float]]:
    return ((item["Timestamp"], float(item[statistic])) for item in answer.get("Datapoints", ()))
