"""ModelEndpoint at AWS: observe resolves the models and looks at the endpoint, execute makes one call. Implements around.Kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.aws.approvals import SeenModel
from sagemaker_gitops.aws.drift import SeenEndpoint
from sagemaker_gitops.aws.idle import IdleEndpoint
from sagemaker_gitops.aws.kinds.alarms import alarms_called, foreign_alarm_owner
from sagemaker_gitops.aws.kinds.batch import Batches
from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.deleting import Deleting, deleting, prove_bound
from sagemaker_gitops.aws.kinds.hosting import foreign, look_at_endpoint, packages_of, resolve, tags_of
from sagemaker_gitops.aws.kinds.inventory import left_behind, owned
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.kinds.scaling import scaling_of
from sagemaker_gitops.aws.kinds.sending import Sending
from sagemaker_gitops.aws.kinds.sights import SIGHTS
from sagemaker_gitops.aws.kinds.smoke import look_at_stand
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.kinds.training_run import scope_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.aws.sweep import ActiveJob
from sagemaker_gitops.core import conditions, naming
from sagemaker_gitops.core.actions import Action, AwsRequest, Outcome
from sagemaker_gitops.core.errors import AwsFailure, Category, Finding, InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint import alarms, parking, scaling
from sagemaker_gitops.core.kinds.model_endpoint.budget import costs
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains, plan_deletion, retains
from sagemaker_gitops.core.kinds.model_endpoint.effective import findings_of, models_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    ForeignEndpoint,
    LiveEndpoint,
    ModelEndpointFacts,
    ModelFact,
    NoEndpoint,
    Quiet,
    Resolved,
    SmokeFacts,
)
from sagemaker_gitops.core.kinds.model_endpoint.plan import plan
from sagemaker_gitops.core.kinds.model_endpoint.preview import preview
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving, endpoint_name
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.model_endpoint.smoke import recorded, stand_config, stand_name
from sagemaker_gitops.core.kinds.training_run.facts import Active, JobType, Unknown
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import OnEvent, Plan
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Binding, Bound

DELETED = {"DeleteEndpoint": "endpoint", "DeleteEndpointConfig": "endpoint-config", "DeleteModel": "model"}
GONE_IS_DONE = (*DELETED, "DeregisterScalableTarget", "DeleteAlarms")
CONTENT_NAMED = ("CreateModel", "CreateEndpointConfig")


@dataclass(slots=True)
class ModelEndpointKind:
    """`known` are endpoints whose tags have been seen to be ours; `_models` and `_names` say whom an AWS event concerns."""

    aws: Aws
    references: References
    settings: Settings
    spending: Spending
    name: str = "ModelEndpoint"
    known: set[str] = field(default_factory=set)
    batches: Batches = field(init=False)
    _names: dict[str, Key] = field(default_factory=dict)
    _models: dict[Key, tuple[SeenModel, ...]] = field(default_factory=dict)
    _seen: dict[Key, tuple[str, ModelEndpointFacts]] = field(default_factory=dict)
    _suspects: set[Key] = field(default_factory=set)
    _idle: dict[Key, IdleEndpoint] = field(default_factory=dict)
    _quiet: dict[Key, Quiet] = field(default_factory=dict)
    _sending: Sending = field(default_factory=Sending)

    def __post_init__(self) -> None:
        self.batches = Batches(self.aws, self.settings.install)

    def parse(self, snapshot: Snapshot) -> ModelEndpointSpec | Deleting:
        """A resource being deleted is not parsed: it stays deletable whatever its spec has become."""
        if snapshot.deleting:
            return deleting(snapshot)
        try:
            return read(ModelEndpointSpec, snapshot.spec)
        except ValidationFailed as error:
            raise InvalidResource(tuple(Finding(path, message) for path, message in error.findings)) from None

    def invalid(self, snapshot: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        return Plan(conditions.invalid(snapshot, error.findings, now), OnEvent(), finalizer=snapshot.has_finalizer)

    def owners_of(self, aws_name: str) -> set[Key]:
        """Whom an event about an endpoint, a model package group or a transform job concerns."""
        found = {key for key, models in self._models.items() if any(model.group == aws_name for model in models)}
        found |= self.batches.owners_of(aws_name)
        return found | ({self._names[aws_name]} if aws_name in self._names else set())

    async def observe(
        self, snapshot: Snapshot, resource: ModelEndpointSpec | Deleting, now: datetime
    ) -> ModelEndpointFacts | Remains | None:
        key, binding = snapshot.key, binding_of(self.references, snapshot.key.namespace)
        for name in self._names_of(snapshot):
            self._names[name] = key
        if isinstance(resource, Deleting):
            return await self._remains(snapshot, binding, resource) if snapshot.has_finalizer else None
        if not isinstance(binding, Bound):
            return ModelEndpointFacts(binding)
        scope, facts = scope_of(binding.spec, key), await self._observed(snapshot, resource, binding, now)
        here = Pass(snapshot, resource, facts, self.settings, now)
        facts = await left_behind(self.aws, scope, here)
        if _forbidden(binding, resource, facts):
            return facts
        facts = replace(facts, batch=await self.batches.look(scope, replace(here, facts=facts)))

        def due() -> bool:
            return costs(replace(here, facts=facts), plan(snapshot, resource, facts, self.settings, now).actions)

        return replace(facts, spend=await self.spending.before(lambda tenant: scope_of(tenant.spec, key), binding, now, due))

    async def _observed(self, snapshot: Snapshot, spec: ModelEndpointSpec, binding: Bound, now: datetime) -> ModelEndpointFacts:
        """As far as what is known so far does not decide already."""
        key, scope = snapshot.key, scope_of(binding.spec, snapshot.key)
        self._remember(key, spec, scope, {})
        stand = await look_at_stand(self.aws, scope, snapshot, self.settings.install)
        facts = ModelEndpointFacts(binding, smoke=SmokeFacts(stand=stand))
        if _forbidden(binding, spec, facts):
            return facts
        resting = parking.at_rest(snapshot, spec, now)
        if resting and spec.batch is None:
            return await self._at_rest(snapshot, scope, facts)
        models = {
            name: await resolve(self.aws, scope, self.references, key.namespace, reference)
            for name, (_, reference) in models_of(spec).items()
        }
        self._remember(key, spec, scope, models)
        facts = replace(facts, models=models)
        if resting:
            return await self._at_rest(snapshot, scope, facts)
        if not all(isinstance(model, Resolved) for model in models.values()) or _forbidden(binding, spec, facts):
            return facts
        if not spec.variants:
            return facts
        serving = build_serving(Pass(snapshot, spec, facts, self.settings, now))
        if (snapshot.status.get("wantedConfig"), snapshot.status.get("observedGeneration")) != (serving.config_name, snapshot.generation):
            facts = replace(facts, request_findings=_request_findings(serving))
            if facts.request_findings:
                return facts
        return await self._looked(Look(self.aws, scope, snapshot, serving, now, self.references, anew=key in self._suspects), facts)

    async def _looked(self, look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
        """The endpoint, and what each concern has to see."""
        key, serving, install = look.snapshot.key, look.serving, self.settings.install
        name, idle = serving.endpoint_name, serving.spec.idle
        endpoint = await look_at_endpoint(self.aws, look.scope, name, install, key, proven=name in self.known)
        if isinstance(endpoint, LiveEndpoint):
            self._sending.witness(key, serving.config_name, endpoint)
        facts = replace(facts, endpoint=endpoint, sent=self._sending.known(key, serving.config_name), quiet=self._quiet.pop(key, None))
        for sight in SIGHTS:
            facts = await sight(replace(look, serving=replace(serving, alias=facts.alias or serving.alias)), facts)
        self._note(key, name, facts)
        if idle is not None and isinstance(facts.endpoint, LiveEndpoint):
            variants = tuple(variant.name for variant in serving.spec.variants)
            self._idle[key] = IdleEndpoint(key, look.scope, name, variants, idle.park_after)
        return facts

    async def _at_rest(self, snapshot: Snapshot, scope: Scope, facts: ModelEndpointFacts) -> ModelEndpointFacts:
        """A parked endpoint costs no call; one that is being parked is looked at, and what hangs on it."""
        key, name = snapshot.key, self._endpoint_of(snapshot)
        if snapshot.status.get("phase") != parking.PARKED:
            endpoint = await look_at_endpoint(self.aws, scope, name, self.settings.install, key, proven=False)
            attached = () if isinstance(endpoint, ForeignEndpoint) else await self._attached(snapshot, scope, name, endpoint)
            facts = replace(facts, endpoint=endpoint, attached=attached)
        self._note(key, name, replace(facts, endpoint=None))
        return facts

    def plan(
        self, snapshot: Snapshot, resource: ModelEndpointSpec | Deleting, facts: ModelEndpointFacts | Remains | None, now: datetime
    ) -> Plan:
        if isinstance(resource, Deleting):
            assert not isinstance(facts, ModelEndpointFacts)
            name = self._endpoint_of(snapshot)
            return plan_deletion(snapshot, resource.policy, facts, name, self.settings, now)
        assert isinstance(facts, ModelEndpointFacts)
        made = plan(snapshot, resource, facts, self.settings, now)
        self.batches.remember(snapshot.key, made)
        return made

    async def execute(self, snapshot: Snapshot, resource: ModelEndpointSpec | Deleting, action: Action) -> Outcome:
        assert isinstance(action, AwsRequest), "an endpoint uploads nothing"
        scope = scope_of(self._bound(snapshot).spec, snapshot.key)
        try:
            if action.operation in DELETED:
                await self._prove_ours(scope, snapshot.key, DELETED[action.operation], action.subject)
            await self.aws.call(scope, action.service, action.operation, action.parameters)
        except AwsFailure as failure:
            if failure.category is Category.EXISTS and action.operation in CONTENT_NAMED:
                return Outcome.DONE
            if failure.category is Category.EXISTS and action.creates:
                return Outcome.EXISTS
            if failure.category is Category.NOT_FOUND and action.operation in GONE_IS_DONE:
                return Outcome.DONE
            told = self.batches.refused(action, failure)
            if told is not None:
                return told
            if failure.ambiguous:
                self._sending.asked(snapshot.key, action, taken=False)
            else:
                failure.withdrawn = self._sending.refused(snapshot)
            raise
        self.batches.accepted(action)
        self._sending.asked(snapshot.key, action, taken=True)
        return Outcome.DONE

    def _note(self, key: Key, name: str, facts: ModelEndpointFacts) -> None:
        """What the watch over drift compares the next list with, and whose tags need no second proof."""
        self._suspects.discard(key)
        self._idle.pop(key, None)
        if isinstance(facts.endpoint, LiveEndpoint):
            self.known.add(name)
            self._seen[key] = name, facts
        else:
            self.known.discard(name)
            self._seen.pop(key, None)

    def suspect(self, key: Key) -> None:
        """Look at everything in the next pass, whatever status says."""
        self._suspects.add(key)

    def _remember(self, key: Key, spec: ModelEndpointSpec, scope: Scope, models: Mapping[str, ModelFact]) -> None:
        seen = []
        for name, (_, reference) in models_of(spec).items():
            model, packages = models.get(name), packages_of(self.references, key.namespace, reference)
            arns = model.package_arns if isinstance(model, Resolved) else ("",) * len(packages)
            seen += [SeenModel(key, scope, package.group, package.version, arn) for package, arn in zip(packages, arns, strict=True)]
        self._models[key] = tuple(seen)

    def forget(self, key: Key) -> None:
        self._names = {name: owner for name, owner in self._names.items() if owner != key}
        self._models.pop(key, None)
        self._seen.pop(key, None)
        self._suspects.discard(key)
        self._idle.pop(key, None)
        self._quiet.pop(key, None)
        self._sending.forget(key)
        self.batches.forget(key)

    def batch_jobs(self) -> Iterator[ActiveJob]:
        """The batch jobs that have not been seen to end, for the sweep."""
        for key, name, since in self.batches.active():
            binding = binding_of(self.references, key.namespace)
            if isinstance(binding, Bound) and self.references.exists(key):
                yield ActiveJob(key, scope_of(binding.spec, key), JobType.TRANSFORM_JOB, name, since)

    def idle(self) -> list[IdleEndpoint]:
        """The endpoints that serve and are to be parked when nobody asks them."""
        return list(self._idle.values())

    def hear(self, key: Key, quiet: Quiet) -> bool:
        """Keep for the next pass what the watch over invocations has found; whether that pass has a reason to run."""
        idle, endpoint = self._idle.get(key), self._seen[key][1].endpoint if key in self._seen else None
        if idle is None or not isinstance(endpoint, LiveEndpoint):
            return False
        earliest = quiet.looked_at - timedelta(seconds=idle.park_after)
        if (quiet.last_asked is not None and quiet.last_asked > earliest) or endpoint.last_modified > earliest:
            return False
        self._quiet[key] = quiet
        return True

    def _names_of(self, snapshot: Snapshot) -> tuple[str, str]:
        """The endpoints whose events concern the object."""
        return self._endpoint_of(snapshot), stand_name(self.settings.install, snapshot.key)

    def seen(self) -> Iterator[SeenEndpoint]:
        """The endpoints that this process has described, for the watch over drift."""
        for key, (name, facts) in self._seen.items():
            binding = binding_of(self.references, key.namespace)
            if isinstance(binding, Bound) and isinstance(facts.endpoint, LiveEndpoint):
                scope = scope_of(binding.spec, key)
                yield SeenEndpoint(key, scope, name, facts.endpoint.last_modified, facts.scaling or {}, facts.alarms or {})

    def _endpoint_of(self, snapshot: Snapshot) -> str:
        """The recorded name while the object goes, because its spec may have become anything; tags prove it like any other."""
        given = snapshot.spec.get("endpointName")
        recorded = snapshot.status.get("endpointName") if snapshot.deleting else None
        name = next((item for item in (recorded, given) if isinstance(item, str)), None)
        return endpoint_name(self.settings.install, snapshot.key, name)

    def seen_models(self) -> Iterator[SeenModel]:
        """What the references to the registry meant when they were looked up, for the watch over approvals."""
        for key, models in self._models.items():
            if isinstance(binding_of(self.references, key.namespace), Bound):
                yield from models

    def _bound(self, snapshot: Snapshot) -> Bound:
        return prove_bound(binding_of(self.references, snapshot.key.namespace), snapshot.key)

    async def _prove_ours(self, scope: Scope, owner: Key, resource: str, name: str) -> None:
        """A name that status gave may have been written there by anybody."""
        _, tags = await tags_of(self.aws, scope, resource, name)
        ours = naming.owned_by(tags, self.settings.install, owner)
        if ours and naming.TAG_ADOPTED not in tags:
            return
        why = "was adopted, and what was not made here is not deleted" if ours else f"belongs to {foreign(tags).owner}: it is not touched"
        raise AwsFailure(
            Category.BLOCKED,
            service="sagemaker-gitops",
            operation="delete",
            code="Adopted" if ours else "NameConflict",
            message=f"{resource} {name} {why}",
        )

    async def _remains(self, snapshot: Snapshot, binding: Binding, resource: Deleting) -> Remains | None:
        """None when nothing has to be looked for; the stand of a smoke test goes whatever is retained."""
        record, key = recorded(snapshot.status), snapshot.key
        if retains(resource.policy) and not record.get("endpoint"):
            return None
        scope, (name, test) = scope_of(self._bound(snapshot).spec, key), self._names_of(snapshot)
        stand = await look_at_stand(self.aws, scope, snapshot, self.settings.install) or NoEndpoint()
        config = stand_config(key, str(record["config"])) if record.get("endpoint") and record.get("config") else ""
        if retains(resource.policy) or isinstance(stand, LiveEndpoint):
            return Remains(stand=stand, stand_name=test, stand_config=config)
        endpoint = await look_at_endpoint(self.aws, scope, name, self.settings.install, key, proven=False)
        jobs = await self.batches.jobs_of_deleted(scope, snapshot)
        if isinstance(endpoint, ForeignEndpoint) or any(isinstance(fact, Active | Unknown) for fact in jobs.values()):
            return Remains(endpoint, jobs=jobs)
        attached = await self._attached(snapshot, scope, name, endpoint)
        if isinstance(endpoint, LiveEndpoint):
            adopted = naming.TAG_ADOPTED in (await tags_of(self.aws, scope, "endpoint", name))[1]
            return Remains(endpoint, attached, adopted=adopted, jobs=jobs)
        found = await owned(self.aws, scope, self.settings.install, key)
        return Remains(endpoint, attached, found.configs, found.models, jobs=jobs)

    async def _attached(self, snapshot: Snapshot, scope: Scope, name: str, endpoint: LiveEndpoint | NoEndpoint) -> tuple[AwsRequest, ...]:
        """Scalable targets go before the endpoint: AWS would need a right of ours to deregister them itself."""
        variants = set(scaling.recorded(snapshot.status)) | (set(endpoint.variants) if isinstance(endpoint, LiveEndpoint) else set())
        targets = await scaling_of(self.aws, scope, name, sorted(variants))
        made = await alarms_called(self.aws, scope, alarms.prefix(name))
        owners = {alarm: await foreign_alarm_owner(self.aws, scope, alarm, self.settings.install, snapshot.key) for alarm in made}
        return (
            *(scaling.deregister(name, variant) for variant in targets),
            *(alarms.delete_alarm(alarm) for alarm, other in owners.items() if other is None),
        )


def _forbidden(binding: Bound, spec: ModelEndpointSpec, facts: ModelEndpointFacts) -> bool:
    """Whether the plan will refuse with what is known: then nothing more is read."""
    try:
        return bool(findings_of(spec, binding, facts.models))
    except InvalidResource:
        return True


def _request_findings(serving: Serving) -> tuple[Finding, ...]:
    """Every creating request against botocore's model, before the first of them is sent."""
    return tuple(
        Finding(f"{action.operation}.{finding.path}", finding.message)
        for _, action in preview(serving)
        for finding in validate(action.service, action.operation, action.parameters)
    )
