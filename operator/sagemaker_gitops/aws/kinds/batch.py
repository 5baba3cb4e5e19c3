"""Batch jobs at AWS, as a ModelEndpoint needs them: the one that is recorded, and what there is under the name of the one that is due.

A job is looked for by its name before it is asked for, and AWS's list is asked whether another one of ours runs: batch jobs start a few
times a day, and no answer that was lost may start one twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.jobs import foreign_owner, look
from sagemaker_gitops.aws.kinds.leftovers import find_running_of
from sagemaker_gitops.aws.kinds.training_run import placed
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core.actions import AwsRequest, Outcome
from sagemaker_gitops.core.errors import AwsFailure, Category, Finding
from sagemaker_gitops.core.kinds.model_endpoint.effective import BATCH
from sagemaker_gitops.core.kinds.model_endpoint.facts import Asked, BatchFact, BatchJob, Due, Refusal
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_models
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.model_endpoint.transform import create_transform_job, job_of
from sagemaker_gitops.core.kinds.model_endpoint.triggers import asked_of, due_of, recorded_of
from sagemaker_gitops.core.kinds.training_run.facts import Absent, Active, Failed, JobFact, JobType, Unknown
from sagemaker_gitops.core.kinds.training_run.run import content_of
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import Key, Snapshot

CREATE, STOP = "CreateTransformJob", "StopTransformJob"
OVERRIDES = {"CreateModel": "createModel", "CreateTransformJob": "createTransformJob"}
MAX_ATTEMPTS = 20  # jobs for the same data and model; each costs a Describe after a lost status
REFUSED_FOR = {Category.BLOCKED: 600.0, Category.TERMINAL: 6 * 3600.0}  # seconds: a quota or a right is mended by people


@dataclass(slots=True)
class Batches:
    """Memory of this process only: names proven ours, what AWS refused, and the jobs that have not been seen to end."""

    aws: Aws
    install: str
    known: set[str] = field(default_factory=set)
    _refused: dict[str, tuple[AwsFailure, datetime | None]] = field(default_factory=dict)
    _active: dict[Key, tuple[str, datetime | None]] = field(default_factory=dict)

    async def look(self, scope: Scope, here: Pass) -> BatchFact | None:
        """Raises AwsFailure. Nothing is read for an object that has no batch, and never a job that has ended."""
        recorded, key = recorded_of(here.snapshot.status), here.snapshot.key
        name = recorded.job_name if recorded.unfinished else self._active.get(key, ("", None))[0]
        lost_track = bool(name) and name != recorded.job_name
        running = await self._running(scope, key, name) if name else None
        if lost_track:
            if isinstance(running, Active | Unknown):
                return BatchFact(other=name)
            running = None
        if here.spec.batch is None or (running is not None and isinstance(running, Active | Unknown)):
            return BatchFact(running) if running is not None else None
        asked = asked_of(here)
        due = due_of(here, asked, lost=isinstance(running, Absent)) if asked is not None else None
        if asked is None or due is None:
            unknown = here.snapshot.has_finalizer and not recorded.fields
            return BatchFact(running, other=await self._other(scope, key) if unknown else "")
        try:
            return await self._look_at_due(scope, here, running, asked, due)
        except AwsFailure as failure:
            if failure.category not in REFUSED_FOR:
                raise
            return BatchFact(running, due, refusal=_refusal(failure, here.now + timedelta(seconds=REFUSED_FOR[Category.BLOCKED])))

    async def _running(self, scope: Scope, owner: Key, name: str) -> JobFact:
        """A job that may not be looked at is taken for one in a state that nobody knows."""
        try:
            return await self._fact(scope, owner, name)
        except AwsFailure as failure:
            if failure.category not in REFUSED_FOR:
                raise
            return Unknown(failure.code)

    async def _look_at_due(self, scope: Scope, here: Pass, running: JobFact | None, asked: Asked, due: Due) -> BatchFact:
        recorded = recorded_of(here.snapshot.status)
        if isinstance(running, Absent):
            again = job_of(here, asked, str(recorded.fields.get("inputDigest") or ""), recorded.attempt)
            if again.name == recorded.job_name:
                return await self._before_create(scope, here, running, due, again)
            attempted = recorded.moment("attemptedAt")
            if attempted is not None and here.now < attempted + timedelta(seconds=here.settings.create_quarantine):
                return BatchFact(running)
        assert here.spec.batch is not None
        try:
            version = await storage.resolve_input(self.aws, scope, here.spec.batch.input)
        except ValueError as error:
            return BatchFact(running, problem=f"{due.trigger}: {error}")
        job, found = await self._newest_attempt(scope, here, asked, due, version.digest)
        if isinstance(found, Absent):
            return await self._before_create(scope, here, running, due, job)
        return BatchFact(running, due, job, found)

    async def _newest_attempt(self, scope: Scope, here: Pass, asked: Asked, due: Due, digest: str) -> tuple[BatchJob, JobFact]:
        """The first attempt that did not fail before what is due now came up."""
        recorded = recorded_of(here.snapshot.status)
        job = job_of(here, asked, digest, recorded.attempt)
        if job.name != recorded.job_name:
            job = job_of(here, asked, digest, 1)
        while True:
            found = recorded.end(job.name) or await self._fact(scope, here.snapshot.key, job.name)
            if not isinstance(found, Failed) or not _tried_again(found, due) or job.attempt >= MAX_ATTEMPTS:
                return job, found
            job = job_of(here, asked, digest, job.attempt + 1)

    async def _before_create(self, scope: Scope, here: Pass, running: JobFact | None, due: Due, job: BatchJob) -> BatchFact:
        refusal = self._refused_before(job.name, here.now)
        if refusal is not None:
            return BatchFact(running, due, job, Absent(), refusal=refusal)
        findings = request_findings(here, job)
        if findings:
            return BatchFact(running, due, job, Absent(), findings=findings)
        return BatchFact(running, due, job, Absent(), other=await self._other(scope, here.snapshot.key))

    async def _fact(self, scope: Scope, owner: Key, name: str) -> JobFact:
        fact = await look(self.aws, scope, JobType.TRANSFORM_JOB, name)
        if isinstance(fact, Absent) or name in self.known:
            return fact
        foreign = await foreign_owner(self.aws, scope, JobType.TRANSFORM_JOB, name, self.install, owner)
        if foreign is None:
            self.known.add(name)
        return foreign or fact

    async def _other(self, scope: Scope, owner: Key) -> str:
        found = await find_running_of(JobType.TRANSFORM_JOB, self.aws, scope, self.install, owner)
        return min(found, default="")

    def refused(self, action: AwsRequest, failure: AwsFailure) -> Outcome | None:
        """What a failed call means if it is about a job, None otherwise. A job that is over needs no stop. Of a create that AWS refuses the
        next pass tells, as the batch's own trouble: production does not become unready by it.
        """
        if action.operation == STOP and failure.category in (Category.NOT_FOUND, Category.BUSY):
            return Outcome.DONE
        if action.operation == CREATE and failure.category in REFUSED_FOR:
            self._refused[action.subject] = (failure, None)
            return Outcome.EXISTS
        return None

    def accepted(self, action: AwsRequest) -> None:
        if action.operation == CREATE:
            self.known.add(action.subject)
            self._refused.pop(action.subject, None)

    def _refused_before(self, name: str, now: datetime) -> Refusal | None:
        """What AWS said to a create, for as long as it is not asked again; that counts from the first look afterwards."""
        if name not in self._refused:
            return None
        failure, until = self._refused[name]
        until = until or now + timedelta(seconds=REFUSED_FOR[failure.category])
        self._refused[name] = (failure, until)
        return _refusal(failure, until) if now < until else None

    async def jobs_of_deleted(self, scope: Scope, snapshot: Snapshot) -> dict[str, JobFact]:
        """What may run for an object on its way out: the recorded job, and what AWS lists, for a status can be an older one."""
        recorded, key = recorded_of(snapshot.status), snapshot.key
        names = {recorded.job_name} if recorded.unfinished else set[str]()
        names |= {self._active[key][0]} if key in self._active else set()
        if not names and not recorded.fields and "batch" not in snapshot.spec:
            return {}
        found = {name: await self._fact(scope, key, name) for name in sorted(names)}
        listed = await find_running_of(JobType.TRANSFORM_JOB, self.aws, scope, self.install, key, found)
        return found | {name: left.fact for name, left in listed.items()}

    def remember(self, key: Key, made: Plan) -> None:
        recorded = recorded_of(made.status)
        if recorded.unfinished:
            self._active[key] = (recorded.job_name, recorded.moment("attemptedAt"))
        else:
            self._active.pop(key, None)

    def forget(self, key: Key) -> None:
        self._active.pop(key, None)

    def owners_of(self, aws_name: str) -> set[Key]:
        return {key for key, (name, _) in self._active.items() if name == aws_name}

    def active(self) -> list[tuple[Key, str, datetime | None]]:
        return [(key, name, since) for key, (name, since) in self._active.items()]


def _refusal(failure: AwsFailure, until: datetime) -> Refusal:
    code = failure.code if failure.code.isalnum() else f"Aws{failure.category}"
    return Refusal(code, f"{failure.operation}: {failure.code}: {failure.message}", until)


def _tried_again(found: Failed, due: Due) -> bool:
    started = found.started or found.finished
    return due.retries is not None and started is not None and started < due.retries


def request_findings(here: Pass, job: BatchJob) -> tuple[Finding, ...]:
    """The requests of a job against botocore's model, before the first of them is sent; CreateModel where the job brings its model."""
    requests: tuple[AwsRequest, ...] = () if here.spec.variants or not here.facts.models else create_models(build_serving(here))
    overrides = content_of(here.spec.overrides) if here.spec.overrides is not None else {}
    return tuple(
        Finding(placed(finding.path, f"{BATCH}: {request.operation}", overrides.get(field, {}), field), finding.message)
        for request in (*requests, create_transform_job(here, job))
        for field in (OVERRIDES[request.operation],)
        for finding in validate(request.service, request.operation, request.parameters)
    )
