"""ModelEndpoint at AWS: observe resolves the models and looks at the endpoint, execute makes one call. Implements runtime.ports.Kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.aws.approvals import SeenModel
from sagemaker_gitops.aws.drift import SeenEndpoint
from sagemaker_gitops.aws.kinds.alarms import alarms_called, foreign_alarm_owner
from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.hosting import foreign_owner, look_at_endpoint, packages_of, resolve
from sagemaker_gitops.aws.kinds.inventory import owned
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.kinds.scaling import scaling_of
from sagemaker_gitops.aws.kinds.sights import SIGHTS
from sagemaker_gitops.aws.kinds.smoke import look_at_stand
from sagemaker_gitops.aws.kinds.training_run import scope_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core import conditions
from sagemaker_gitops.core.actions import Action, AwsRequest, Outcome
from sagemaker_gitops.core.errors import AwsFailure, Category, Finding, InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint import alarms, scaling
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains, plan_deletion, retains
from sagemaker_gitops.core.kinds.model_endpoint.effective import findings_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    ForeignEndpoint,
    LiveEndpoint,
    ModelEndpointFacts,
    ModelFact,
    NoEndpoint,
    Resolved,
    SmokeFacts,
)
from sagemaker_gitops.core.kinds.model_endpoint.plan import plan
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_config, create_endpoint, create_models, update_endpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving, endpoint_name
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.model_endpoint.smoke import recorded, stand_config, stand_name
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import OnEvent, Plan
from sagemaker_gitops.core.resource import GROUP, Key, Snapshot
from sagemaker_gitops.core.tenancy import Binding, Bound

DELETED = {"DeleteEndpoint": "endpoint", "DeleteEndpointConfig": "endpoint-config", "DeleteModel": "model"}
GONE_IS_DONE = (*DELETED, "DeregisterScalableTarget", "DeleteAlarms")
CONTENT_NAMED = ("CreateModel", "CreateEndpointConfig")


@dataclass(frozen=True, slots=True)
class Deleting:
    """An object on its way out: all that matters of its spec is the deletion policy, None where it cannot be read."""

    policy: str | None


@dataclass(slots=True)
class ModelEndpointKind:
    """`known` are endpoints whose tags have been seen to be ours; `_models` and `_names` say whom an AWS event concerns.

    `_unsent`: an action was refused, so the UpdateEndpoint that status announces has not been sent: the endpoint may change without it.
    """

    aws: Aws
    references: References
    settings: Settings
    name: str = "ModelEndpoint"
    known: set[str] = field(default_factory=set)
    _names: dict[str, Key] = field(default_factory=dict)
    _models: dict[Key, tuple[SeenModel, ...]] = field(default_factory=dict)
    _seen: dict[Key, ModelEndpointFacts] = field(default_factory=dict)
    _unsent: set[Key] = field(default_factory=set)

    def parse(self, snapshot: Snapshot) -> ModelEndpointSpec | Deleting:
        """A resource being deleted is not parsed: it stays deletable whatever its spec has become."""
        if snapshot.deleting:
            policy = snapshot.spec.get("deletionPolicy")
            return Deleting(policy if policy in ("Delete", "Retain") else None)
        try:
            return read(ModelEndpointSpec, snapshot.spec)
        except ValidationFailed as error:
            raise InvalidResource(tuple(Finding(path, message) for path, message in error.findings)) from None

    def invalid(self, snapshot: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        return Plan(conditions.invalid(snapshot, error.findings, now), OnEvent(), finalizer=snapshot.has_finalizer)

    def owners_of(self, aws_name: str) -> set[Key]:
        """Whom an event about an endpoint or a model package group concerns."""
        found = {key for key, models in self._models.items() if any(model.group == aws_name for model in models)}
        return found | ({self._names[aws_name]} if aws_name in self._names else set())

    async def observe(
        self, snapshot: Snapshot, resource: ModelEndpointSpec | Deleting, now: datetime
    ) -> ModelEndpointFacts | Remains | None:
        key, binding = snapshot.key, binding_of(self.references, snapshot.key.namespace)
        for name in self._names_of(key):
            self._names[name] = key
        if isinstance(resource, Deleting):
            return await self._remains(snapshot, binding, resource) if snapshot.has_finalizer else None
        if not isinstance(binding, Bound):
            return ModelEndpointFacts(binding)
        scope = scope_of(binding.spec, key)
        self._remember(key, resource, scope, {})
        stand = await look_at_stand(self.aws, scope, snapshot, self.settings.install)
        facts = ModelEndpointFacts(binding, smoke=SmokeFacts(stand=stand))
        if _forbidden(binding, resource, facts):
            return facts
        models = {
            variant.name: await resolve(self.aws, scope, self.references, key.namespace, variant.model) for variant in resource.variants
        }
        self._remember(key, resource, scope, models)
        facts = replace(facts, models=models)
        if not all(isinstance(model, Resolved) for model in models.values()) or _forbidden(binding, resource, facts):
            return facts
        serving = build_serving(Pass(snapshot, resource, facts, self.settings, now))
        if (snapshot.status.get("wantedConfig"), snapshot.status.get("observedGeneration")) != (serving.config_name, snapshot.generation):
            facts = replace(facts, request_findings=_request_findings(serving))
            if facts.request_findings:
                return facts
        name = serving.endpoint_name
        endpoint = await look_at_endpoint(self.aws, scope, name, self.settings.install, key, proven=name in self.known)
        facts = replace(facts, endpoint=endpoint, unsent=key in self._unsent)
        for sight in SIGHTS:
            facts = await sight(Look(self.aws, scope, snapshot, serving, now, self.references), facts)
        if isinstance(endpoint, LiveEndpoint):
            self.known.add(name)
            self._seen[key] = facts
        return facts

    def plan(
        self, snapshot: Snapshot, resource: ModelEndpointSpec | Deleting, facts: ModelEndpointFacts | Remains | None, now: datetime
    ) -> Plan:
        if isinstance(resource, Deleting):
            assert not isinstance(facts, ModelEndpointFacts)
            name = endpoint_name(self.settings.install, snapshot.key)
            return plan_deletion(snapshot, resource.policy, facts, name, self.settings, now)
        assert isinstance(facts, ModelEndpointFacts)
        return plan(snapshot, resource, facts, self.settings, now)

    async def execute(self, snapshot: Snapshot, resource: ModelEndpointSpec | Deleting, action: Action) -> Outcome:
        assert isinstance(action, AwsRequest), "an endpoint uploads nothing"
        scope = scope_of(self._bound(snapshot).spec, snapshot.key)
        try:
            if action.operation == "UpdateEndpoint":
                self._unsent.discard(snapshot.key)
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
            if not failure.ambiguous:
                self._unsent.add(snapshot.key)
            raise
        return Outcome.DONE

    def _remember(self, key: Key, spec: ModelEndpointSpec, scope: Scope, models: Mapping[str, ModelFact]) -> None:
        seen = []
        for variant in spec.variants:
            model, packages = models.get(variant.name), packages_of(self.references, key.namespace, variant.model)
            arns = model.package_arns if isinstance(model, Resolved) else ("",) * len(packages)
            seen += [SeenModel(key, scope, package.group, package.version, arn) for package, arn in zip(packages, arns, strict=True)]
        self._models[key] = tuple(seen)

    def forget(self, key: Key) -> None:
        for name in self._names_of(key):
            self._names.pop(name, None)
        self._models.pop(key, None)
        self._seen.pop(key, None)
        self._unsent.discard(key)

    def _names_of(self, key: Key) -> tuple[str, str]:
        """The endpoints whose events concern the object."""
        return endpoint_name(self.settings.install, key), stand_name(self.settings.install, key)

    def seen(self) -> Iterator[SeenEndpoint]:
        """The endpoints that this process has described, for the watch over drift."""
        for key, facts in self._seen.items():
            binding = binding_of(self.references, key.namespace)
            if isinstance(binding, Bound) and isinstance(facts.endpoint, LiveEndpoint):
                name, scope = endpoint_name(self.settings.install, key), scope_of(binding.spec, key)
                yield SeenEndpoint(key, scope, name, facts.endpoint.last_modified, facts.scaling or {}, facts.alarms or {})

    def seen_models(self) -> Iterator[SeenModel]:
        """What the references to the registry meant when they were looked up, for the watch over approvals."""
        for key, models in self._models.items():
            if isinstance(binding_of(self.references, key.namespace), Bound):
                yield from models

    def _bound(self, snapshot: Snapshot) -> Bound:
        binding = binding_of(self.references, snapshot.key.namespace)
        if isinstance(binding, Bound):
            return binding
        raise AwsFailure(
            Category.BLOCKED,
            service="sagemaker-gitops",
            operation="execute",
            code="TenantMissing",
            message=f"no single Tenant names namespace {snapshot.key.namespace}: restore it, or give up the AWS side with {GROUP}/release",
        )

    async def _prove_ours(self, scope: Scope, owner: Key, resource: str, name: str) -> None:
        """A name that status gave may have been written there by anybody."""
        other = await foreign_owner(self.aws, scope, resource, name, self.settings.install, owner)
        if other is not None:
            raise AwsFailure(
                Category.BLOCKED,
                service="sagemaker-gitops",
                operation="delete",
                code="NameConflict",
                message=f"{resource} {name} belongs to {other}: it is not touched",
            )

    async def _remains(self, snapshot: Snapshot, binding: Binding, resource: Deleting) -> Remains | None:
        """None when nothing has to be looked for; the stand of a smoke test goes whatever is retained."""
        record, key = recorded(snapshot.status), snapshot.key
        if retains(resource.policy) and not record.get("endpoint"):
            return None
        scope, (name, test) = scope_of(self._bound(snapshot).spec, key), self._names_of(key)
        stand = await look_at_stand(self.aws, scope, snapshot, self.settings.install) or NoEndpoint()
        config = stand_config(key, str(record["config"])) if record.get("endpoint") and record.get("config") else ""
        if retains(resource.policy) or isinstance(stand, LiveEndpoint):
            return Remains(stand=stand, stand_name=test, stand_config=config)
        endpoint = await look_at_endpoint(self.aws, scope, name, self.settings.install, key, proven=False)
        if isinstance(endpoint, ForeignEndpoint):
            return Remains(endpoint)
        attached = await self._attached(snapshot, scope, name, endpoint)
        if isinstance(endpoint, LiveEndpoint):
            return Remains(endpoint, attached)
        found = await owned(self.aws, scope, self.settings.install, key)
        return Remains(endpoint, attached, found.configs, found.models)

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


def _creating(serving: Serving) -> tuple[AwsRequest, ...]:
    update = update_endpoint(serving, alarms.rollback_alarms(serving))
    return (*create_models(serving), create_config(serving), create_endpoint(serving), update)


def _request_findings(serving: Serving) -> tuple[Finding, ...]:
    """Every creating request against botocore's model, before the first of them is sent."""
    return tuple(
        Finding(f"{action.operation}.{finding.path}", finding.message)
        for action in (*_creating(serving), *scaling.requests(serving), *alarms.requests(serving))
        for finding in validate(action.service, action.operation, action.parameters)
    )
