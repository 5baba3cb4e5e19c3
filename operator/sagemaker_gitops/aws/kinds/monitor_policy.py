"""MonitorPolicy at AWS: observe reads what the check that is due needs, execute makes one call. Implements around.Kind.

Between two checks no call is made: what is watched is known from the ModelEndpoint's status, when from the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.monitor_engine import MODEL_MONITOR
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.deleting import Deleting, deleting, prove_bound
from sagemaker_gitops.aws.kinds.hosting import tags_of
from sagemaker_gitops.aws.kinds.jobs import foreign_owner, look
from sagemaker_gitops.aws.kinds.leftovers import find_running_of
from sagemaker_gitops.aws.kinds.monitor_cloudwatch import own_alarms, own_dashboards
from sagemaker_gitops.aws.kinds.monitor_engine import ModelMonitor
from sagemaker_gitops.aws.kinds.monitor_findings import forbidden, request_findings
from sagemaker_gitops.aws.kinds.monitor_retrains import Retrains
from sagemaker_gitops.aws.kinds.monitor_sights import baseline_of, captured, dated, outputs, report_in, truth_of
from sagemaker_gitops.aws.kinds.monitor_targets import target_and_root
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.kinds.sources import Sources
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.kinds.training_run import scope_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import conditions, naming
from sagemaker_gitops.core.actions import Action, AwsRequest, Outcome, UploadSource
from sagemaker_gitops.core.budget import pays
from sagemaker_gitops.core.errors import AwsFailure, Category, Finding, InvalidResource
from sagemaker_gitops.core.kinds.monitor_policy.checks import absent_scripts
from sagemaker_gitops.core.kinds.monitor_policy.cloudwatch import out_of_line
from sagemaker_gitops.core.kinds.monitor_policy.completion import circle_of, completions_of, looked_at
from sagemaker_gitops.core.kinds.monitor_policy.deletion import plan_deletion
from sagemaker_gitops.core.kinds.monitor_policy.engine_plan import still_there, uses_model_monitor
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import (
    CREATE_SCHEDULE,
    DELETE_SCHEDULE,
    STOP_SCHEDULE,
    schedule_name,
    wanted_of,
)
from sagemaker_gitops.core.kinds.monitor_policy.engine_types import TYPES
from sagemaker_gitops.core.kinds.monitor_policy.facts import (
    Due,
    Explaining,
    NotReady,
    Planned,
    PolicyFacts,
    Refusal,
    RetrainSight,
    RunView,
    Sight,
    TargetFact,
    Unfit,
    Watched,
)
from sagemaker_gitops.core.kinds.monitor_policy.plan import plan
from sagemaker_gitops.core.kinds.monitor_policy.preview import stand_in
from sagemaker_gitops.core.kinds.monitor_policy.requests import ENTRY_POINT, attribution_jobs, job_name, jobs_of, output_of
from sagemaker_gitops.core.kinds.monitor_policy.retrain import DAY, obstacle, pursued, run_of, unheeded, view_of
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass, Recorded, watched_of
from sagemaker_gitops.core.kinds.monitor_policy.target import batch_target, target_of
from sagemaker_gitops.core.kinds.monitor_policy.windows import due_of
from sagemaker_gitops.core.kinds.training_run.facts import Absent, Foreign, JobFact, JobType, Leftover, Source, Succeeded
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.plan import OnEvent, Plan
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Binding, Bound

CREATE, STOP = "CreateProcessingJob", "StopProcessingJob"
CREATES = (CREATE, CREATE_SCHEDULE, *(type_.create for type_ in TYPES))
GONE_IS_DONE = (STOP, "DeleteAlarms", "DeleteDashboards", STOP_SCHEDULE, DELETE_SCHEDULE, *(type_.delete for type_ in TYPES))
REFUSALS = (Category.BLOCKED, Category.TERMINAL)


@dataclass(slots=True)
class MonitorPolicyKind:
    """`known`, `uploaded` and `refused` are memory of this process only: names proven ours, content-addressed files seen in S3, and what
    AWS said to a create. `code` are the files of jobs/monitoring.
    """

    aws: Aws
    references: References
    settings: Settings
    code: Mapping[str, bytes]
    spending: Spending
    sources: Sources = field(init=False)
    retrains: Retrains = field(init=False)
    monitor: ModelMonitor = field(init=False)
    known: set[str] = field(default_factory=set)
    uploaded: set[str] = field(default_factory=set)
    refused: dict[str, AwsFailure] = field(default_factory=dict)
    name: str = "MonitorPolicy"
    _active: dict[Key, tuple[tuple[str, ...], datetime | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sources = Sources(self.aws, self.references)
        self.retrains = Retrains(self.aws, self.settings.install)
        self.monitor = ModelMonitor(self.aws, self.settings.install)

    def parse(self, snapshot: Snapshot) -> MonitorPolicySpec | Deleting:
        """A resource being deleted is not parsed: it stays deletable whatever its spec has become."""
        if snapshot.deleting:
            return deleting(snapshot)
        try:
            return read(MonitorPolicySpec, snapshot.spec)
        except ValidationFailed as error:
            raise InvalidResource(tuple(Finding(path, message) for path, message in error.findings)) from None

    def invalid(self, snapshot: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        return Plan(conditions.invalid(snapshot, error.findings, now), OnEvent(), finalizer=snapshot.has_finalizer)

    def plan(self, snapshot: Snapshot, resource: MonitorPolicySpec | Deleting, facts: PolicyFacts, now: datetime) -> Plan:
        if isinstance(resource, Deleting):
            made = plan_deletion(snapshot, resource.policy, facts, self.settings, now)
        else:
            made = plan(self._pass(snapshot, resource, facts, now))
        self._remember(snapshot.key, made)
        return made

    def forget(self, key: Key) -> None:
        self._active.pop(key, None)

    def owners_of(self, aws_name: str) -> set[Key]:
        """Whose check an AWS event is about, as far as this process has planned it."""
        return {key for key, (names, _) in self._active.items() if aws_name in names}

    def remembered(self) -> Iterator[tuple[Key, JobType, str, datetime | None]]:
        """Checks that this process planned and has not seen the end of."""
        return ((key, JobType.PROCESSING_JOB, name, since) for key, (names, since) in self._active.items() for name in names)

    def _remember(self, key: Key, made: Plan) -> None:
        recorded = Recorded(made.status)
        if recorded.running:
            self._active[key] = (recorded.jobs, moment(recorded.running.get("attemptedAt")))
        else:
            self._active.pop(key, None)

    def _pass(self, snapshot: Snapshot, spec: MonitorPolicySpec, facts: PolicyFacts, now: datetime) -> Pass:
        return Pass(snapshot, spec, facts, self.settings, self.code, now)

    async def observe(self, snapshot: Snapshot, resource: MonitorPolicySpec | Deleting, now: datetime) -> PolicyFacts:
        binding = binding_of(self.references, snapshot.key.namespace)
        if isinstance(resource, Deleting):
            touches = snapshot.has_finalizer and resource.policy != "Retain"
            return await self._remains(snapshot, binding) if touches else PolicyFacts(binding)
        facts = await self._observed(snapshot, resource, binding, now)

        def due() -> bool:
            return pays(plan(self._pass(snapshot, resource, facts, now)).actions)

        return replace(facts, spend=await self.spending.before(lambda tenant: scope_of(tenant.spec, snapshot.key), binding, now, due))

    async def _observed(self, snapshot: Snapshot, resource: MonitorPolicySpec, binding: Binding, now: datetime) -> PolicyFacts:
        """As far as what is known so far does not decide already."""
        facts = PolicyFacts(binding)
        if not isinstance(binding, Bound) or forbidden(resource, binding):
            return facts
        facts = replace(facts, circle=circle_of(snapshot.key.name, resource, self._spec_of(snapshot.key.namespace)))
        if facts.circle:
            return facts
        scope = scope_of(binding.spec, snapshot.key)
        source = await self.sources.find(scope, snapshot, resource.source)
        facts = replace(facts, source=source)
        if not isinstance(source, Source) or ENTRY_POINT not in self.code or absent_scripts(self._pass(snapshot, resource, facts, now)):
            return facts
        if (key := looked_at(resource, snapshot.key.namespace)) is not None:
            facts = replace(facts, completions=completions_of(key, self.references.object(key)))
        facts = replace(facts, target=self._at_rest(snapshot, resource, facts), run=self._asked(snapshot, resource))
        return await self._seen(scope, self._pass(snapshot, resource, facts, now))

    async def _seen(self, scope: Scope, here: Pass) -> PolicyFacts:
        """What is under way, or due; nothing holds the policy back."""
        snapshot, resource, facts = here.snapshot, here.spec, here.facts
        if here.recorded.running:
            return await self._under_way(scope, here)
        if uses_model_monitor(here):
            return await self._monitored(scope, here)
        if snapshot.status.get("monitoringSchedule"):
            seen = "jobDefinition" in snapshot.status
            here = replace(here, facts=replace(facts, engine=await self.monitor.remains(scope, here.bound, snapshot.key, seen=seen)))
            if still_there(here):
                return here.facts
        unknown = not isinstance(facts.target, Watched) and resource.target.endpoint_name is None
        due = None if resource.suspend or unknown else due_of(here)
        if due is not None:
            return await self._look(scope, here, due)
        return await self._follow_up(scope, here)

    async def _monitored(self, scope: Scope, here: Pass) -> PolicyFacts:
        """What Model Monitor has, the report of the execution that ended, or else what an open breach needs."""
        target, refusal = here.facts.target, None
        if isinstance(target, Watched):
            findings = request_findings(here, stand_in(here))
            if findings:
                return replace(here.facts, findings=findings)
            name = schedule_name(self.settings.install, here.bound, here.snapshot.key)
            refusal = self._refusal((wanted_of(here, target.endpoint).definition, name), here.now)
        engine, report = await self.monitor.look(scope, here, refusal)
        facts = replace(here.facts, engine=engine)
        if report is not None:
            return await self._with_thresholds(scope, here, replace(facts, report=report))
        return await self._follow_up(scope, replace(here, facts=facts))

    def _at_rest(self, snapshot: Snapshot, resource: MonitorPolicySpec, facts: PolicyFacts) -> TargetFact | None:
        """What is watched as far as no call tells: of an endpoint that is not ours what was found at the last check, of a batch the newest
        job. None while nothing is known.
        """
        if resource.target.batch_of is not None:
            assert isinstance(facts.binding, Bound)
            if isinstance(facts.completions, NotReady):
                return facts.completions
            return batch_target(resource, facts.binding, facts.completions[0]) if facts.completions else None
        if resource.target.endpoint_ref is not None:
            endpoint = Key("ModelEndpoint", snapshot.key.namespace, resource.target.endpoint_ref.name)
            return target_of(resource, self.references.object(endpoint))
        recorded = Recorded(snapshot.status)
        last = watched_of(recorded.running or recorded.last)
        return last if last is not None and last.endpoint == resource.target.endpoint_name else None

    def _asked(self, snapshot: Snapshot, resource: MonitorPolicySpec) -> RunView | None:
        name = run_of(resource, snapshot.status)
        found = self.references.object(Key("TrainingRun", snapshot.key.namespace, name)) if name else None
        return view_of(name, found.status) if found is not None else None

    def _spec_of(self, namespace: str) -> Callable[[str], Mapping[str, Any] | None]:
        """Specs of other policies of the namespace, as last seen."""

        def named(name: str) -> Mapping[str, Any] | None:
            found = self.references.object(Key("MonitorPolicy", namespace, name))
            return found.spec if found is not None else None

        return named

    async def _follow_up(self, scope: Scope, here: Pass) -> PolicyFacts:
        """What an open breach needs to know, and CloudWatch's alarms where they may differ; nothing at rest. A policy that is suspended
        asks for nothing more; what it has asked for is still to be heeded.
        """
        facts, owner = here.facts, here.snapshot.key
        run = Key("TrainingRun", owner.namespace, run_of(here.spec, here.snapshot.status))
        if unheeded(here):
            self.references.enqueue(run)
        if here.spec.suspend:
            return facts
        if isinstance(facts.target, Watched) and out_of_line(here):
            facts = replace(facts, alarms=await own_alarms(self.aws, scope, self.settings.install, owner))
        on_breach, episode = here.spec.on_breach, pursued(here)
        here = replace(here, facts=facts)
        if on_breach is None or episode is None or obstacle(here, episode) or facts.run is None:
            return facts
        limits = here.bound.spec.limits
        capped = limits is not None and limits.max_retrains_per_day is not None
        sight = RetrainSight(
            await self.retrains.of_run(scope, run, owner),
            await self.retrains.of_tenant(scope, here.now - DAY) if capped else (),
            await self.retrains.approval(scope, facts.run),
            await self.retrains.new_data(scope, facts.run) if on_breach.retrain.require_new_data else True,
        )
        return replace(facts, retrains=sight)

    async def _reported(self, scope: Scope, here: Pass, facts: PolicyFacts, folder: str) -> PolicyFacts:
        """The report, and where thresholds were if status has forgotten."""
        return await self._with_thresholds(scope, here, replace(facts, report=await report_in(self.aws, scope, folder)))

    async def _with_thresholds(self, scope: Scope, here: Pass, facts: PolicyFacts) -> PolicyFacts:
        lost = here.snapshot.has_finalizer and not here.snapshot.status.get("alarms")
        found = await self.retrains.thresholds(scope, here.snapshot.key, here.spec.alarms, here.now) if lost else {}
        return replace(facts, thresholds=found)

    async def _under_way(self, scope: Scope, here: Pass) -> PolicyFacts:
        """The check that status calls in progress; one that never came to be is planned again under its name."""
        entry = here.recorded.running
        fact, _ = await self._fact(scope, here.snapshot.key, here.recorded.job_name)
        facts = replace(here.facts, running=fact)
        if isinstance(fact, Succeeded):
            return await self._reported(scope, here, facts, output_of(here, here.recorded.job_name))
        due, watched = here.recorded.due_of(entry), watched_of(entry)
        if not isinstance(fact, Absent) or due is None or watched is None:
            return facts
        refusal = self._refusal(jobs_of(here, here.recorded.job_name), here.now)
        if refusal is not None:
            return replace(facts, refusal=refusal)
        current, ours = here.facts.target, here.spec.target.endpoint_ref is not None
        if ours and (not isinstance(current, Watched) or current.key != watched.key):
            return facts
        looked = await self._look(scope, here, due)
        if not isinstance(looked.target, Watched) or looked.target.key != watched.key:
            return facts
        same = looked.planned is not None and looked.planned.job_name == here.recorded.job_name
        if same and not isinstance(looked.found, Absent | None):  # the first look was a replica's that had not heard of it yet
            return replace(looked, running=looked.found)
        return replace(facts, planned=looked.planned if same else None, findings=looked.findings)

    async def _look(self, scope: Scope, here: Pass, due: Due) -> PolicyFacts:
        """What the due check would read, and what there is under its name."""
        found_target = await target_and_root(self.aws, scope, here, due)
        if isinstance(found_target, NotReady | Unfit):
            return replace(here.facts, target=found_target)
        watched, root = found_target
        here = replace(here, facts=replace(here.facts, target=watched))
        baseline = await baseline_of(self.aws, scope, here, watched)
        if isinstance(baseline, NotReady):
            return replace(here.facts, target=baseline)
        name = job_name(here, due, watched, baseline)
        found, tags = await self._fact(scope, here.snapshot.key, name)
        planned = Planned(dated(due, tags), watched, Sight(root, (), baseline), name)
        facts = replace(here.facts, planned=planned, found=found)
        if isinstance(found, Succeeded):
            return await self._reported(scope, here, facts, output_of(here, name))
        if not isinstance(found, Absent):
            return facts
        refusal = self._refusal(jobs_of(here, name), here.now)
        if refusal is not None:
            return replace(facts, refusal=refusal)
        if due.job:
            capture = await outputs(self.aws, scope, root)
        else:
            capture = await captured(self.aws, scope, root, watched.variant, due.window)
        sight = Sight(root, capture, baseline, await truth_of(self.aws, scope, here.spec) if capture else None)
        jobs = attribution_jobs(here, name).items() if capture else ()
        explaining = [Explaining(check, job, (await self._fact(scope, here.snapshot.key, job))[0]) for check, job in jobs]
        planned = replace(planned, sight=sight, explaining=tuple(explaining))
        facts = replace(facts, planned=planned)
        return replace(facts, findings=request_findings(replace(here, facts=facts), planned))

    async def _fact(self, scope: Scope, owner: Key, name: str) -> tuple[JobFact, Mapping[str, str]]:
        """The job of that name, and its tags where they had to be read."""
        fact = await look(self.aws, scope, JobType.PROCESSING_JOB, name)
        if isinstance(fact, Absent) or name in self.known:
            return fact, {}
        _, tags = await tags_of(self.aws, scope, "processing-job", name)
        if not naming.owned_by(tags, self.settings.install, owner):
            named = [tags[tag] for tag in naming.OWNER_TAGS if tag in tags]
            return Foreign("/".join(named) or "somebody without our tags"), tags
        self.known.add(name)
        return fact, tags

    def _refusal(self, names: Iterable[str], now: datetime) -> Refusal | None:
        """What AWS said to the create of one of them; told once, then the next window asks again."""
        failure = next(filter(None, [self.refused.pop(name, None) for name in names]), None)
        if failure is None:
            return None
        code = failure.code if failure.code.isalnum() else f"Aws{failure.category}"
        return Refusal(code, f"{failure.operation}: {failure.code}: {failure.message}", now + timedelta(0))

    async def execute(self, snapshot: Snapshot, resource: MonitorPolicySpec | Deleting, action: Action) -> Outcome:
        scope = scope_of(prove_bound(binding_of(self.references, snapshot.key.namespace), snapshot.key).spec, snapshot.key)
        if isinstance(action, UploadSource):
            if action.uri not in self.uploaded:
                await storage.put_source(self.aws, scope, action.uri, action.files, action.kms_key_arn)
                self.uploaded.add(action.uri)
            return Outcome.DONE
        return await self._call(scope, snapshot.key, action)

    async def _call(self, scope: Scope, owner: Key, action: AwsRequest) -> Outcome:
        if action.operation == STOP:
            foreign = await foreign_owner(self.aws, scope, JobType.PROCESSING_JOB, action.subject, self.settings.install, owner)
            if foreign is not None:
                return Outcome.DONE
        try:
            await self.aws.call(scope, action.service, action.operation, action.parameters)
        except AwsFailure as failure:
            if action.operation in CREATES and failure.category is Category.EXISTS:
                return Outcome.EXISTS
            if action.operation in CREATES and failure.category in REFUSALS:
                self.refused[action.subject] = failure
                return Outcome.EXISTS
            if action.operation in GONE_IS_DONE and failure.category in (Category.NOT_FOUND, Category.BUSY):
                return Outcome.DONE
            raise
        if action.operation == CREATE:
            self.known.add(action.subject)
        return Outcome.DONE

    async def _remains(self, snapshot: Snapshot, binding: Binding) -> PolicyFacts:
        """The check that status names, what AWS lists, for a status can be an older one, and the alarms."""
        bound, owner = prove_bound(binding, snapshot.key), snapshot.key
        scope = scope_of(bound.spec, owner)
        running, type_ = Recorded(snapshot.status).running, JobType.PROCESSING_JOB
        found: dict[str, Leftover] = {}
        if running:
            name = str(running["jobName"])
            found[name] = Leftover(type_, (await self._fact(scope, owner, name))[0], moment(running.get("attemptedAt")))
        found |= await find_running_of(type_, self.aws, scope, self.settings.install, owner, found)
        alarms = await own_alarms(self.aws, scope, self.settings.install, owner)
        dashboards = await own_dashboards(self.aws, scope, self.settings.install, owner)
        monitored = snapshot.spec.get("engine") == MODEL_MONITOR or snapshot.status.get("monitoringSchedule")
        seen = "jobDefinition" in snapshot.status
        engine = await self.monitor.remains(scope, bound, owner, seen=seen) if monitored else None
        return PolicyFacts(bound, leftovers=found, alarms=alarms, dashboards=dashboards, engine=engine)
