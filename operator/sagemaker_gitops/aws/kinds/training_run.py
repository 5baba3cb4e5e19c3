"""TrainingRun at AWS: observe reads the one step that matters, execute makes one call. Implements around.Kind.

Facts come as late as possible (docs/decisions/0001): no call is made for what status already proves under the same content name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.deleting import Deleting, deleting, prove_bound
from sagemaker_gitops.aws.kinds.evidence import concluding, evaluated, serving_champion
from sagemaker_gitops.aws.kinds.jobs import foreign_owner, look
from sagemaker_gitops.aws.kinds.leftovers import find_running
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.kinds.slots import Slots
from sagemaker_gitops.aws.kinds.sources import Sources
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core import conditions, tenancy
from sagemaker_gitops.core.actions import Action, AwsRequest, Outcome, UploadSource
from sagemaker_gitops.core.budget import pays
from sagemaker_gitops.core.errors import AwsFailure, Category, Finding, InvalidResource
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.champion import reevaluation, unfit
from sagemaker_gitops.core.kinds.training_run.deletion import plan_deletion
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    InputVersion,
    JobFact,
    JobType,
    Leftover,
    Missing,
    Slot,
    Source,
    Succeeded,
    TrainingRunFacts,
    Unseen,
)
from sagemaker_gitops.core.kinds.training_run.plan import plan
from sagemaker_gitops.core.kinds.training_run.preview import preview
from sagemaker_gitops.core.kinds.training_run.requests import EVALUATION_OUTPUT, job_outputs
from sagemaker_gitops.core.kinds.training_run.retrain import nonce_of, retrain_of
from sagemaker_gitops.core.kinds.training_run.run import Attempt, Progress, Recorded, Run, content_of, input_uris, spec_hash, walk
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.situation import TERMINAL_PHASES, Pass, build_run, finished
from sagemaker_gitops.core.kinds.training_run.wanted import wanted_of
from sagemaker_gitops.core.plan import OnEvent, Plan
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Binding, Bound

JOB_CREATES = {"CreateTrainingJob": JobType.TRAINING_JOB, "CreateProcessingJob": JobType.PROCESSING_JOB, "CreateJob": JobType.GLUE_JOB}
RUNNING_PHASES = ("Running",)
LookAt = Callable[[Attempt], Awaitable[JobFact]]
WAITING_PHASES = ("Running", "Queued", "Pending")


@dataclass(slots=True)
class TrainingRunKind:
    """`known`, `taken` and `uploaded` are memory of this process only: names proven ours, names that a create found taken, and
    content-addressed sources seen in S3."""

    aws: Aws
    references: References
    settings: Settings
    slots: Slots
    spending: Spending
    sources: Sources = field(init=False)
    known: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    uploaded: set[str] = field(default_factory=set)
    name: str = "TrainingRun"
    optimistic: bool = True  # False: look at every name before saying that it would be created, for `plan`
    _owners: dict[str, Key] = field(default_factory=dict)
    _active: dict[Key, dict[str, tuple[JobType, str, datetime | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sources = Sources(self.aws, self.references)

    def parse(self, snapshot: Snapshot) -> TrainingRunSpec | Deleting:
        """A resource being deleted is not parsed: it stays deletable whatever its spec has become."""
        if snapshot.deleting:
            return deleting(snapshot)
        try:
            return read(TrainingRunSpec, snapshot.spec)
        except ValidationFailed as error:
            raise InvalidResource(tuple(Finding(path, message) for path, message in error.findings)) from None

    def invalid(self, snapshot: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        return Plan(conditions.invalid(snapshot, error.findings, now), OnEvent(), finalizer=snapshot.has_finalizer)

    def plan(self, snapshot: Snapshot, resource: TrainingRunSpec | Deleting, facts: TrainingRunFacts, now: datetime) -> Plan:
        if isinstance(resource, Deleting):
            self.slots.release(snapshot.key)
            made = plan_deletion(snapshot, resource.policy, facts.leftovers, self.settings, now)
            self._remember(snapshot.key, made)
            return made
        made = plan(snapshot, resource, facts, self.settings, now)
        self._remember(snapshot.key, made)
        if made.status.get("phase") not in WAITING_PHASES:
            self.slots.release(snapshot.key)
        return made

    def forget(self, key: Key) -> None:
        self.slots.release(key)
        for name in self._active.pop(key, {}):
            self._owners.pop(name, None)

    def owner_of(self, aws_name: str) -> Key | None:
        """Whose job an AWS event is about, as far as this process has planned it."""
        return self._owners.get(aws_name)

    def remembered(self) -> Iterator[tuple[Key, JobType, str, datetime | None]]:
        """Jobs that this process planned and has not seen the end of, whatever somebody has made of their object's status."""
        for key, jobs in self._active.items():
            for name, (type_, _, since) in jobs.items():
                yield key, type_, name, since

    def _remember(self, key: Key, made: Plan) -> None:
        jobs = said.recorded_active(made.status)
        for name in self._active.pop(key, {}).keys() - jobs.keys():
            self._owners.pop(name, None)
        self._owners.update(dict.fromkeys(jobs, key))
        if jobs:
            self._active[key] = jobs

    async def observe(self, snapshot: Snapshot, resource: TrainingRunSpec | Deleting, now: datetime) -> TrainingRunFacts:
        binding = binding_of(self.references, snapshot.key.namespace)
        if isinstance(resource, Deleting):
            touches = snapshot.has_finalizer and resource.policy != "Retain"
            return TrainingRunFacts(binding, leftovers=await self._leftovers_of_deleted(snapshot, binding) if touches else {})
        facts = await self._observed(snapshot, resource, binding, now)

        def due() -> bool:
            return pays(plan(snapshot, resource, facts, self.settings, now).actions)

        return replace(facts, spend=await self.spending.before(lambda tenant: scope_of(tenant.spec, snapshot.key), binding, now, due))

    async def _observed(self, snapshot: Snapshot, resource: TrainingRunSpec, binding: Binding, now: datetime) -> TrainingRunFacts:
        """As far as what is known so far does not decide already."""
        if not isinstance(binding, Bound):
            return TrainingRunFacts(binding)
        scope = scope_of(binding.spec, snapshot.key)
        retrain = retrain_of(snapshot, self._policies(snapshot.key))
        nonce = nonce_of(snapshot, retrain)
        if _is_packed(resource) and (finished(snapshot, resource, Source({}), nonce) or self._forbidden(binding, resource)):
            return TrainingRunFacts(binding, Source({}), retrain=retrain)
        source = await self.sources.find(scope, snapshot, resource.source)
        facts = TrainingRunFacts(binding, source, retrain=retrain)
        if not isinstance(source, Source) or finished(snapshot, resource, source, nonce) or self._forbidden(binding, resource):
            return facts
        facts = replace(facts, champion=serving_champion(self.references, snapshot.key.namespace, resource))
        if unfit(snapshot, resource, facts.champion, binding):
            return facts
        inputs = await self._inputs(scope, snapshot, resource, source, nonce)
        facts = replace(facts, inputs=inputs)
        if isinstance(inputs, Missing):
            return facts
        run = build_run(Pass(snapshot, resource, facts, self.settings, now))
        same_run = snapshot.status.get("specHash") == spec_hash(resource, source, run.nonce)
        if not same_run:
            facts = replace(facts, request_findings=request_findings(run))
            if facts.request_findings:
                return facts
        return await self._progress(scope, snapshot, run, facts)

    async def execute(self, snapshot: Snapshot, resource: TrainingRunSpec | Deleting, action: Action) -> Outcome:
        binding = prove_bound(binding_of(self.references, snapshot.key.namespace), snapshot.key)
        scope = scope_of(binding.spec, snapshot.key)
        if isinstance(action, UploadSource):
            if action.uri not in self.uploaded:
                await storage.put_source(self.aws, scope, action.uri, action.files, action.kms_key_arn)
                self.uploaded.add(action.uri)
            return Outcome.DONE
        return await self._call(scope, snapshot, action)

    async def _call(self, scope: Scope, snapshot: Snapshot, action: AwsRequest) -> Outcome:
        if action.operation in STOPS:
            await self._prove_ours(scope, snapshot, STOPS[action.operation], action.subject)
        try:
            await self.aws.call(scope, action.service, action.operation, action.parameters)
        except AwsFailure as failure:
            if failure.category is Category.EXISTS and action.operation == "CreateModelPackageGroup":
                return Outcome.DONE
            if failure.category is Category.EXISTS and action.creates:
                self.taken.add(action.subject)
                return Outcome.EXISTS
            if failure.category in (Category.NOT_FOUND, Category.BUSY) and action.operation in STOPS:
                return Outcome.DONE
            raise
        if action.operation in JOB_CREATES:
            self.known.add(action.subject)
        return Outcome.DONE

    async def _prove_ours(self, scope: Scope, snapshot: Snapshot, type_: JobType, name: str) -> None:
        foreign = await foreign_owner(self.aws, scope, type_, name, self.settings.install, snapshot.key)
        if foreign is not None:
            raise AwsFailure(
                Category.BLOCKED,
                service="sagemaker-gitops",
                operation="Stop",
                code="NameConflict",
                message=f"{name} belongs to {foreign.owner}: it is not touched",
            )

    def _policies(self, key: Key) -> Iterator[Snapshot]:
        """The MonitorPolicies that name this object."""
        for policy in self.references.referrers(key):
            if policy.kind == "MonitorPolicy" and (found := self.references.object(policy)) is not None:
                yield found

    def _forbidden(self, binding: Bound, spec: TrainingRunSpec) -> bool:
        """Whether the plan will refuse before AWS is read: then nothing is read either."""
        try:
            effective = effective_of(spec, binding.spec)
        except InvalidResource:
            return True
        return bool(tenancy.findings(binding.name, binding.spec, wanted_of(spec, effective)))

    async def _inputs(
        self, scope: Scope, snapshot: Snapshot, spec: TrainingRunSpec, source: Source, nonce: str
    ) -> Mapping[str, InputVersion] | Missing:
        """Pinned versions while the same run goes on; resolved anew at the start of another."""
        pinned = _pinned(snapshot, spec_hash(spec, source, nonce), input_uris(spec))
        if pinned is not None:
            return pinned
        resolved: dict[str, InputVersion] = {}
        for name, uri in input_uris(spec).items():
            try:
                version = await storage.resolve_input(self.aws, scope, uri)
            except ValueError as error:
                return Missing(f"input {name}", str(error))
            resolved[name] = InputVersion(uri, version.digest, version.objects, version.size)
        return resolved

    async def _progress(self, scope: Scope, snapshot: Snapshot, run: Run, facts: TrainingRunFacts) -> TrainingRunFacts:
        recorded, jobs = said.recorded_steps(snapshot.status), dict(said.recorded_facts(snapshot.status))
        active = said.recorded_active(snapshot.status)
        # Somebody may take status and finalizer away between two passes: what this process has seen running is looked for all the same.
        bare = not snapshot.status.get("steps") and bool(self._active.get(snapshot.key))
        self._active.setdefault(snapshot.key, {}).update(active)
        incomplete = bare or _status_lost(snapshot) or _run_replaced(snapshot, run)

        async def look_at(attempt: Attempt) -> JobFact:
            fact = await self._fact(scope, snapshot, attempt, incomplete or attempt.aws_name in active)
            return replace(fact, outputs=job_outputs(run, attempt)) if isinstance(fact, Succeeded) and not fact.outputs else fact

        progress = walk(run, jobs, recorded)
        while progress.needs is not None:
            jobs[progress.needs.aws_name] = await look_at(progress.needs)
            progress = walk(run, jobs, recorded)
        facts = replace(facts, jobs=jobs)
        second = ""
        if progress.current is None:
            facts = await concluding(self.aws, scope, run, progress, facts)
            facts, second = await self._second_evaluation(scope, run, progress, facts, recorded, look_at)
        named = {attempt.aws_name for attempt, _ in (*progress.done, *((progress.current,) if progress.current else ()))} | {second}
        leftovers: Mapping[str, Leftover] = {
            name: Leftover(type_, await look(self.aws, scope, type_, name), attempted)
            for name, (type_, _, attempted) in active.items()
            if name not in named
        }
        if incomplete:
            leftovers = {**leftovers, **await find_running(self.aws, scope, self.settings.install, snapshot.key, named)}
        return replace(facts, leftovers=leftovers, slot=self._slot(snapshot, run))

    async def _fact(self, scope: Scope, snapshot: Snapshot, attempt: Attempt, may_exist: bool) -> JobFact:
        name, type_ = attempt.aws_name, attempt.step.type
        if self.optimistic and not may_exist and name not in self.taken:
            return Unseen()
        fact = await look(self.aws, scope, type_, name)
        if isinstance(fact, Absent):
            self.taken.discard(name)
        elif name not in self.known:
            foreign = await foreign_owner(self.aws, scope, type_, name, self.settings.install, snapshot.key)
            if foreign is not None:
                return foreign
            self.known.add(name)
        return fact

    def _slot(self, snapshot: Snapshot, run: Run) -> Slot:
        limits = run.tenant.spec.limits

        def running() -> list[Key]:
            return [key for key in self.references.running(self.name) if binding_of(self.references, key.namespace) == run.tenant]

        return self.slots.claim(run.tenant.name, snapshot.key, limits.max_concurrent_runs if limits else None, running)

    async def _second_evaluation(
        self, scope: Scope, run: Run, progress: Progress, facts: TrainingRunFacts, recorded: Mapping[str, Recorded], look_at: LookAt
    ) -> tuple[TrainingRunFacts, str]:
        """The champion's evaluation on this run's test data, and its name; nothing when the gates ask for none."""
        jobs = dict(facts.jobs)
        while (found := reevaluation(run, progress, facts.champion, jobs, recorded)) is not None and found[1] is None:
            jobs[found[0].aws_name] = await look_at(found[0])
        if found is None:
            return facts, ""
        attempt, fact = found
        if isinstance(fact, Succeeded):
            uri = fact.outputs.get(EVALUATION_OUTPUT, "")
            facts = replace(facts, champion_evaluation=await evaluated(self.aws, scope, uri))
        return replace(facts, jobs=jobs), attempt.aws_name

    async def _leftovers_of_deleted(self, snapshot: Snapshot, binding: Binding) -> Mapping[str, Leftover]:
        scope = scope_of(prove_bound(binding, snapshot.key, "delete").spec, snapshot.key)
        recorded = said.recorded_active(snapshot.status)
        if _status_lost(snapshot):
            return await find_running(self.aws, scope, self.settings.install, snapshot.key)
        found = {
            name: Leftover(type_, await look(self.aws, scope, type_, name), attempted) for name, (type_, _, attempted) in recorded.items()
        }
        if snapshot.status.get("phase") in TERMINAL_PHASES:
            return found
        # Somebody may have put back an older status, which names an earlier job: what runs is asked of AWS, too.
        return {**found, **await find_running(self.aws, scope, self.settings.install, snapshot.key, found)}


STOPS = {
    "StopTrainingJob": JobType.TRAINING_JOB,
    "StopProcessingJob": JobType.PROCESSING_JOB,
    "BatchStopJobRun": JobType.GLUE_JOB,
}


def scope_of(tenant: TenantSpec, key: Key) -> Scope:
    return Scope(tenant.account, tenant.region, tenant.role_arn, tenant.external_id, key.namespace, key.kind, key.name)


def _is_packed(spec: TrainingRunSpec) -> bool:
    """Whether the spec alone says what the code is: then an archive in S3 need not be read to know that nothing is new."""
    return spec.source is not None and spec.source.s3 is not None


def _status_lost(snapshot: Snapshot) -> bool:
    """Whether something may have been started of which status does not know any more: a finalizer, and no step."""
    return snapshot.has_finalizer and not snapshot.status.get("steps")


def _run_replaced(snapshot: Snapshot, run: Run) -> bool:
    """An edit is the last moment at which the old run's jobs are looked for: status may be an older one that misses some."""
    return snapshot.has_finalizer and snapshot.status.get("specHash") != spec_hash(run.spec, run.source, run.nonce)


OVERRIDES = {
    "CreateTrainingJob": "createTrainingJob",
    "CreateProcessingJob": "createProcessingJob",
    "CreateJob": "glueCreateJob",
    "StartJobRun": "glueStartJobRun",
    "CreateModelPackageGroup": "createModelPackageGroup",
    "CreateModelPackage": "createModelPackage",
}


def placed(path: str, request: str, overridden: Mapping[str, object], field: str) -> str:
    """Where the user wrote what AWS would refuse: in `overrides`, or else in what the request was made from."""
    member = path.partition(".")[0].partition("[")[0]
    return f"spec.overrides.{field}.{path}" if member in overridden else f"{request}.{path}"


def request_findings(run: Run) -> tuple[Finding, ...]:
    """Every request of the run against botocore's model, before the first of them is sent."""
    overrides = content_of(run.spec.overrides) if run.spec.overrides is not None else {}
    return tuple(
        dict.fromkeys(
            Finding(placed(finding.path, f"{step}: {action.operation}", overrides.get(field, {}), field), finding.message)
            for step, action in preview(run)
            if isinstance(action, AwsRequest)
            for field in (OVERRIDES[action.operation],)
            for finding in validate(action.service, action.operation, action.parameters)
        )
    )


def _pinned(snapshot: Snapshot, wanted: str, uris: Mapping[str, str]) -> dict[str, InputVersion] | None:
    if snapshot.status.get("specHash") != wanted:
        return None
    recorded = {item.get("name"): item for item in (snapshot.status.get("provenance") or {}).get("inputs") or ()}
    if set(recorded) != set(uris):
        return None
    return {
        name: InputVersion(item["uri"], item["digest"], item.get("objects", 0), item.get("sizeInBytes", 0))
        for name, item in recorded.items()
    }
