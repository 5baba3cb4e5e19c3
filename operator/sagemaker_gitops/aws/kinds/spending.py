"""What a Tenant has used this month, counted from AWS and never from a status, which can be lost or edited. Reads only.

Asked only when a Tenant has a budget and something paid is about to be created, and then once in settings.spending_interval for all its
objects. Ownership is a tag. Sources: Amazon SageMaker API Reference (List and Describe of training, processing and transform jobs and of
endpoints), AWS Glue API (ListJobs, GetJobRuns).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.hosting import tags_of
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.budget import GLUE_DPU, Spend, Use, budget_of, month_start, spent
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Binding, Bound

LONGEST = timedelta(days=5)  # AWS's bound for processing and transform jobs: what was made earlier has ended before the month
PAGE = 100
DPUS = {"Standard": 1.0, "G.025X": 0.25, "G.1X": 1.0, "G.2X": 2.0, "G.4X": 4.0, "G.8X": 8.0, "Z.2X": 2.0}
ENDED = ("Completed", "Failed", "Stopped")
GLUE_ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED")

Uses = tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class _Listing:
    """One kind of SageMaker job in AWS's words; `billed` and `cluster` say where a Describe has seconds and machines."""

    resource: str
    noun: str
    operations: tuple[str, str]
    cluster: tuple[str, ...]


_LISTINGS = (
    _Listing("training-job", "Training", ("ListTrainingJobs", "DescribeTrainingJob"), ("ResourceConfig",)),
    _Listing("processing-job", "Processing", ("ListProcessingJobs", "DescribeProcessingJob"), ("ProcessingResources", "ClusterConfig")),
    _Listing("transform-job", "Transform", ("ListTransformJobs", "DescribeTransformJob"), ("TransformResources",)),
)


@dataclass(slots=True)
class Spending:
    """`_tags`, `_ended` and `_types` are of things that do not change any more: they are read once in the life of a process."""

    aws: Aws
    references: References
    settings: Settings
    _seen: dict[str, tuple[datetime, Spend]] = field(default_factory=dict)
    _tags: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    _ended: dict[tuple[str, str], Uses] = field(default_factory=dict)
    _types: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def before(self, scope: Callable[[Bound], Scope], binding: Binding, now: datetime, pays: Callable[[], bool]) -> Spend | None:
        """This month's spend if it matters now: the Tenant has a budget and the plan `pays`. As of the last look: never too much.

        A call that fails raises: nothing is started.
        """
        if not isinstance(binding, Bound) or budget_of(binding) is None or not pays():
            return None
        async with self._locks[binding.name]:
            looked, spend = self._seen.get(binding.name, (datetime.min.replace(tzinfo=UTC), None))
            fresh = timedelta(seconds=self.settings.spending_interval)
            if spend is None or looked < max(now - fresh, month_start(now)):
                spend = spent(await self._uses(scope(binding), binding, now), self.settings.prices, binding.spec.region, now)
                self._seen[binding.name] = now, spend
        return spend

    async def _uses(self, scope: Scope, tenant: Bound, now: datetime) -> Uses:
        found: list[Use] = []
        since = month_start(now) - LONGEST
        covered = tenant.spec.namespaces or [name for name in self.references.namespaces() if binding_of(self.references, name) == tenant]
        for namespace in covered:
            for listing in _LISTINGS:
                found += await self._jobs(scope, tenant, listing, namespace, since)
            found += await self._endpoints(scope, tenant, namespace)
            found += await self._glue(scope, tenant, namespace)
        return tuple(dict.fromkeys(found))  # those of team-a are also listed for team

    async def _jobs(self, scope: Scope, tenant: Bound, listing: _Listing, namespace: str, since: datetime) -> list[Use]:
        found: list[Use] = []
        list_, describe = listing.operations
        request = {"NameContains": _prefix(namespace), "CreationTimeAfter": since}
        for item in await self._listed(scope, "sagemaker", list_, request, f"{listing.noun}JobSummaries"):
            name, key = item[f"{listing.noun}JobName"], (listing.resource, item[f"{listing.noun}JobName"])
            if not name.startswith(_prefix(namespace)):
                continue
            if key not in self._ended:
                if not await self._ours(scope, tenant, listing.resource, name):
                    continue
                answer = await self.aws.call(scope, "sagemaker", describe, {f"{listing.noun}JobName": name})
                uses = tuple(_job_uses(listing, name, answer))
                if answer[f"{listing.noun}JobStatus"] not in ENDED:
                    found += uses
                    continue
                self._ended[key] = uses
            found += self._ended[key]
        return found

    async def _endpoints(self, scope: Scope, tenant: Bound, namespace: str) -> list[Use]:
        """What an endpoint has now, for all the time that it has been there this month: no list tells what it had before."""
        found: list[Use] = []
        for item in await self._listed(scope, "sagemaker", "ListEndpoints", {"NameContains": _prefix(namespace)}, "Endpoints"):
            name = item["EndpointName"]
            if not name.startswith(_prefix(namespace)):
                continue
            try:
                if not await self._ours(scope, tenant, "endpoint", name, changes=True):
                    continue
                answer = await self.aws.call(scope, "sagemaker", "DescribeEndpoint", {"EndpointName": name})
                types = await self._instance_types(scope, answer.get("EndpointConfigName", ""))
            except AwsFailure as failure:
                if failure.category is Category.NOT_FOUND:
                    continue
                raise
            for variant in answer.get("ProductionVariants", ()):
                count, type_ = variant.get("CurrentInstanceCount", 0), types.get(variant["VariantName"], "")
                if type_ and count:
                    found.append(Use(f"{name}/{variant['VariantName']}", type_, Decimal(count), answer["CreationTime"]))
        return found

    async def _instance_types(self, scope: Scope, config: str) -> Mapping[str, str]:
        if config not in self._types:
            answer = await self.aws.call(scope, "sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": config})
            self._types[config] = {item["VariantName"]: item.get("InstanceType", "") for item in answer.get("ProductionVariants", ())}
        return self._types[config]

    async def _glue(self, scope: Scope, tenant: Bound, namespace: str) -> list[Use]:
        """Glue lists names by tag and nothing by time: a job of ours runs once, so one that has ended is asked for once."""
        found: list[Use] = []
        tags = {naming.TAG_INSTALL: self.settings.install, naming.TAG_NAMESPACE: namespace}
        for name in await self._listed(scope, "glue", "ListJobs", {"Tags": tags}, "JobNames"):
            if ("glue", name) not in self._ended:
                runs = await self._listed(scope, "glue", "GetJobRuns", {"JobName": name}, "JobRuns")
                uses = tuple(_run_use(name, run) for run in runs if run.get("StartedOn"))
                if not runs or any(run["JobRunState"] not in GLUE_ENDED for run in runs):
                    found += uses
                    continue
                self._ended["glue", name] = uses
            found += self._ended["glue", name]
        return found

    async def _ours(self, scope: Scope, tenant: Bound, resource: str, name: str, changes: bool = False) -> bool:
        """Made by this installation for a namespace of `tenant`; `changes`: another thing may have the name by now."""
        if (resource, name) not in self._tags or changes:
            self._tags[resource, name] = (await tags_of(self.aws, scope, resource, name))[1]
        owner = naming.owner_of(self._tags[resource, name], self.settings.install)
        return owner is not None and binding_of(self.references, owner.namespace) == tenant

    async def _listed(self, scope: Scope, service: str, operation: str, wanted: Mapping[str, Any], member: str) -> list[Any]:
        found: list[Any] = []
        request: dict[str, Any] = {**wanted, "MaxResults": PAGE}
        while True:
            answer = await self.aws.call(scope, service, operation, request)
            found += answer.get(member, ())
            if not answer.get("NextToken"):
                return found
            request = {**request, "NextToken": answer["NextToken"]}


def _prefix(namespace: str) -> str:
    """What every name of ours in a namespace begins with; one that is long is cut (naming.readable)."""
    return naming.readable(Key("", namespace, "x"))[:-1]


def _job_uses(listing: _Listing, name: str, answer: Mapping[str, Any]) -> Iterable[Use]:
    """Nothing for a job that never came to run; a group of machines each in a cluster of several types."""
    start, end = answer.get(f"{listing.noun}StartTime"), answer.get(f"{listing.noun}EndTime")
    if end is None and answer[f"{listing.noun}JobStatus"] in ENDED:
        end = answer.get("LastModifiedTime") or answer["CreationTime"]
    if start is None:
        return
    cluster: Mapping[str, Any] = answer
    for member in listing.cluster:
        cluster = cluster.get(member, {})
    for index, group in enumerate(cluster.get("InstanceGroups") or (cluster,)):
        if group.get("InstanceType"):
            billed = answer.get("BillableTimeInSeconds") if end is not None else None
            yield Use(f"{name}/{index}", group["InstanceType"], Decimal(group.get("InstanceCount", 1)), start, end, billed)


def _run_use(name: str, run: Mapping[str, Any]) -> Use:
    capacity = run.get("MaxCapacity") or DPUS.get(run.get("WorkerType", ""), 1.0) * run.get("NumberOfWorkers", 1)
    end = run.get("CompletedOn") or (run.get("LastModifiedOn", run["StartedOn"]) if run["JobRunState"] in GLUE_ENDED else None)
    return Use(name, GLUE_DPU, Decimal(str(capacity)), run["StartedOn"], end, run.get("ExecutionTime") if end is not None else None)
