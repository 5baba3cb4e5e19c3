"""SageMaker Model Monitor as a MonitorPolicy of `engine: ModelMonitor` sees it: reads only; kinds/monitor_policy.py makes the calls.

A pass at rest costs DescribeMonitoringSchedule and ListMonitoringExecutions. Source: Amazon SageMaker API Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.hosting import tags_of
from sagemaker_gitops.aws.kinds.jobs import look
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.monitor_policy.engine_facts import EngineFacts, Execution, LiveSchedule
from sagemaker_gitops.core.kinds.monitor_policy.engine_report import FILE_OF_STATISTICS, FILE_OF_VIOLATIONS, report_of
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import definition_prefix, schedule_name, wanted_of
from sagemaker_gitops.core.kinds.monitor_policy.engine_types import TYPES, Definition, MonitorType, type_of
from sagemaker_gitops.core.kinds.monitor_policy.facts import Refusal, Report, Watched
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.kinds.monitor_policy.windows import counted_from
from sagemaker_gitops.core.kinds.training_run.facts import Failed, FailureClass, Foreign, JobType, Succeeded
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound

SCHEDULE = "monitoring-schedule"
GOOD, VIOLATED = "Completed", "CompletedWithViolations"
ENDED = (GOOD, VIOLATED, "Failed", "Stopped")
FILE_LIMIT = 4 * 1024 * 1024  # bytes
PAGE = 100


@dataclass(slots=True)
class ModelMonitor:
    """`known` is memory of this process only: ARN paths of what was proven ours."""

    aws: Aws
    install: str
    known: set[str] = field(default_factory=set)

    async def look(self, scope: Scope, here: Pass, refusal: Refusal | None) -> tuple[EngineFacts, Report | None]:
        """The schedule, what of its definitions matters now, the oldest execution that was not heeded, and its report."""
        if refusal is not None:
            return EngineFacts(refusal=(refusal.code, refusal.message)), None
        name, owner = schedule_name(self.install, here.bound, here.snapshot.key), here.snapshot.key
        try:
            schedule = await self._schedule(scope, owner, name)
        except AwsFailure as failure:
            if failure.category is not Category.BLOCKED:
                raise
            return EngineFacts(refusal=(failure.code, f"{failure.operation}: {failure.code}: {failure.message}")), None
        if isinstance(schedule, Foreign):
            return EngineFacts(schedule), None
        wanted = wanted_of(here, here.facts.target.endpoint).definition if isinstance(here.facts.target, Watched) else None
        definition: bool | Foreign | None = None
        if wanted is not None and (schedule is None or schedule.definition != wanted):
            definition = await self._definition(scope, owner, type_of(here.spec), wanted)
        stale: tuple[Definition, ...] = ()
        if schedule is not None and wanted == schedule.definition != here.snapshot.status.get("jobDefinition"):
            stale = tuple(item for item in await self._definitions(scope, owner) if item.name != wanted)
        if schedule is None or not isinstance(here.facts.target, Watched):
            return EngineFacts(schedule, definition), None
        oldest, executing = await self._execution(scope, here, name)
        if oldest is None:
            return EngineFacts(schedule, definition, stale, None, executing), None
        execution, report = await self._ended(scope, here, oldest)
        return EngineFacts(schedule, definition, stale, execution), report

    async def remains(self, scope: Scope, bound: Bound, owner: Key, *, seen: bool) -> EngineFacts:
        """What is ours and has to go: `stale` are all definitions. `seen`: there was a schedule; otherwise an account that may not even
        look has none, and does not hold the policy.
        """
        name, executing = schedule_name(self.install, bound, owner), False
        try:
            schedule = await self._schedule(scope, owner, name)
        except AwsFailure as failure:
            if seen or failure.category is not Category.BLOCKED:
                raise
            return EngineFacts()
        if isinstance(schedule, LiveSchedule):
            given = {"MonitoringScheduleName": name, "SortBy": "ScheduledTime", "SortOrder": "Descending", "MaxResults": 10}
            executing = any(item["MonitoringExecutionStatus"] not in ENDED for item in await self._listed(scope, given))
        return EngineFacts(schedule, stale=await self._definitions(scope, owner), executing=executing)

    async def _schedule(self, scope: Scope, owner: Key, name: str) -> LiveSchedule | Foreign | None:
        answer = await self._described(scope, "DescribeMonitoringSchedule", {"MonitoringScheduleName": name})
        foreign = await self._foreign(scope, owner, SCHEDULE, name, answer)
        if answer is None or foreign is not None:
            return foreign
        config = answer.get("MonitoringScheduleConfig") or {}
        timing = (config.get("ScheduleConfig") or {}).get("ScheduleExpression", "")
        definition = config.get("MonitoringJobDefinitionName", "")
        return LiveSchedule(str(answer["MonitoringScheduleStatus"]), definition, timing, str(answer.get("FailureReason") or ""))

    async def _definition(self, scope: Scope, owner: Key, type_: MonitorType, name: str) -> bool | Foreign:
        answer = await self._described(scope, type_.describe, {"JobDefinitionName": name})
        return await self._foreign(scope, owner, type_.resource, name, answer) or answer is not None

    async def _definitions(self, scope: Scope, owner: Key) -> tuple[Definition, ...]:
        """All that are ours by tag, of every type: an edit may change it."""
        found = [Definition(type_.delete, name) for type_ in TYPES for name in await self._named(scope, owner, type_)]
        return tuple(sorted(found))

    async def _named(self, scope: Scope, owner: Key, type_: MonitorType) -> list[str]:
        request: dict[str, Any] = {"NameContains": definition_prefix(owner), "MaxResults": PAGE}
        found: list[str] = []
        while True:
            answer = await self.aws.call(scope, "sagemaker", type_.list, request)
            for item in answer.get("JobDefinitionSummaries", ()):
                name = item["MonitoringJobDefinitionName"]
                try:
                    foreign = await self._foreign(scope, owner, type_.resource, name, item)
                except AwsFailure as failure:
                    if failure.category is not Category.NOT_FOUND:  # lists lag
                        raise
                    continue
                found += [] if foreign is not None else [name]
            if not answer.get("NextToken"):
                return found
            request = {**request, "NextToken": answer["NextToken"]}

    async def _described(self, scope: Scope, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return await self.aws.call(scope, "sagemaker", operation, parameters)
        except AwsFailure as failure:
            if failure.category is Category.NOT_FOUND:
                return None
            raise

    async def _foreign(self, scope: Scope, owner: Key, resource: str, name: str, answer: object) -> Foreign | None:
        """Whose it is, where it is there and not ours: a tag proves it, never a name."""
        path = f"{resource}/{name}"
        if answer is None:
            self.known.discard(path)
            return None
        if path in self.known:
            return None
        _, tags = await tags_of(self.aws, scope, resource, name)
        if not naming.owned_by(tags, self.install, owner):
            named = [tags[tag] for tag in naming.OWNER_TAGS if tag in tags]
            return Foreign("/".join(named) or "somebody without our tags")
        self.known.add(path)
        return None

    async def _execution(self, scope: Scope, here: Pass, name: str) -> tuple[dict[str, Any] | None, bool]:
        """The oldest one later than what was heeded, if it has ended; otherwise whether it runs."""
        since = counted_from(here)
        order = {"SortBy": "ScheduledTime", "SortOrder": "Ascending", "ScheduledTimeAfter": since, "MaxResults": 10}
        newer = [item for item in await self._listed(scope, {"MonitoringScheduleName": name, **order}) if item["ScheduledTime"] > since]
        if not newer or newer[0]["MonitoringExecutionStatus"] not in ENDED:
            return None, bool(newer)
        return newer[0], False

    async def _listed(self, scope: Scope, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = await self.aws.call(scope, "sagemaker", "ListMonitoringExecutions", given)
        return list(answer.get("MonitoringExecutionSummaries", ()))

    async def _ended(self, scope: Scope, here: Pass, summary: Mapping[str, Any]) -> tuple[Execution, Report | None]:
        scheduled: datetime = summary["ScheduledTime"]
        state, job = summary["MonitoringExecutionStatus"], str(summary.get("ProcessingJobArn") or "").rpartition("/")[2]
        if state in (GOOD, VIOLATED):
            answer = await self._described(scope, "DescribeProcessingJob", {"ProcessingJobName": job}) or {}
            outputs = (answer.get("ProcessingOutputConfig") or {}).get("Outputs") or [{}]
            folder = str((outputs[0].get("S3Output") or {}).get("S3Uri") or "")
            fact = Succeeded(started=answer.get("ProcessingStartTime"), finished=summary.get("LastModifiedTime"))
            return Execution(scheduled, fact, job, folder), await self._report(scope, here, folder, violated=state == VIOLATED)
        failure = FailureClass.STOPPED if state == "Stopped" else FailureClass.CLIENT
        reason = str(summary.get("FailureReason") or f"the execution is {state}, and AWS gives no reason")
        failed = Failed(failure, reason, finished=summary.get("LastModifiedTime"))
        found = await look(self.aws, scope, JobType.PROCESSING_JOB, job) if job else None
        return Execution(scheduled, found if isinstance(found, Failed) else failed, job), None

    async def _report(self, scope: Scope, here: Pass, folder: str, *, violated: bool) -> Report:
        """An execution without violations need not have their file; one that has them must."""
        if not folder:
            return Report(problem="DescribeProcessingJob names no output")
        violations: Any = None
        statistics: Any = None
        try:
            violations = await storage.read_json(self.aws, scope, f"{folder.rstrip('/')}/{FILE_OF_VIOLATIONS}", FILE_LIMIT)
        except ValueError as error:
            if violated:
                return Report(problem=str(error))
        try:
            statistics = await storage.read_json(self.aws, scope, f"{folder.rstrip('/')}/{FILE_OF_STATISTICS}", FILE_LIMIT)
        except ValueError:
            statistics = None  # it only says how many records there were
        return report_of(here.spec.checks_[0], violations, statistics)
