"""What was decided for a ModelEndpoint: spec over Tenant defaults over our own; and what it would use, for the fence to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec, Variant
from sagemaker_gitops.api.model_reference import ModelReference
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.core import naming, overridden, tenancy
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint.facts import ModelFact, Resolved
from sagemaker_gitops.core.kinds.model_endpoint.modes import mode_findings
from sagemaker_gitops.core.notifications import Subscription, subscriptions, topics_of
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound, Wanted

DEFAULT_INSTANCE_COUNT = 1
BATCH = "batch"
ASYNC_FOLDER = "async"
BURSTABLE = "ml.t2."
WATCHED_MINUTES, BAD_MINUTES = 5, 2  # one bad minute of a quiet endpoint is no verdict


@dataclass(frozen=True, slots=True)
class Watch:
    """One default alarm of every variant. `threshold` is in the metric's own unit, `limit` is the same for people."""

    suffix: str
    metric: str
    threshold: float
    limit: str
    words: str


WATCHES = (
    Watch("5xx", "Invocation5XXErrors", 0.05, "5%", "more than 5% of the answers are server errors"),
    Watch("latency", "ModelLatency", 5_000_000.0, "5s", "the model takes more than 5 s on average"),  # microseconds
)


@dataclass(frozen=True, slots=True)
class BatchMachines:
    """What batch jobs run on. Their disks and results can be encrypted where a serverless endpoint has no key."""

    instance_type: str
    instance_count: int
    kms_key_arn: str | None


@dataclass(frozen=True, slots=True)
class Effective:
    """The values every request is made with; instance types and counts by variant, of those that have machines."""

    role_arn: str
    artifact_prefix: str
    instance_types: Mapping[str, str]
    instance_counts: Mapping[str, int]
    kms_key_arn: str | None
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    network_isolation: bool
    tags: Mapping[str, str]
    asynchronous: bool = False
    given_output: str | None = None
    watches: tuple[Watch, ...] = ()
    batch: BatchMachines | None = None
    notify: tuple[Subscription, ...] = ()

    def async_output(self, owner: Key) -> str:
        """Where the answers of an asynchronous endpoint go."""
        return self.given_output or f"{self.artifact_prefix}{owner.namespace}/{owner.name}/{ASYNC_FOLDER}/"

    def as_status(self, owner: Key) -> dict[str, Any]:
        """status.effective, in the spec's own words."""
        shown: dict[str, Any] = {"executionRoleArn": self.role_arn}
        if self.instance_types:
            shown["instanceTypes"] = dict(self.instance_types)
        if self.batch is not None:
            shown[BATCH] = {"instanceType": self.batch.instance_type, "instanceCount": self.batch.instance_count}
        if self.asynchronous:
            shown["async"] = {"output": self.async_output(owner)}
        if self.kms_key_arn:
            shown["kmsKeyArn"] = self.kms_key_arn
        if self.subnet_ids:
            shown["subnetIds"] = list(self.subnet_ids)
        if self.watches:
            limits = {watch.metric: watch.limit for watch in self.watches}
            shown["defaultAlarms"] = limits | {"evaluation": f"{BAD_MINUTES} of {WATCHED_MINUTES} minutes"}
        if self.notify:
            shown["notify"] = [item.as_status() for item in self.notify]
        return shown


def effective_of(spec: ModelEndpointSpec, tenant: TenantSpec) -> Effective:
    """Raises InvalidResource naming every value that neither the spec nor the Tenant gives, and those that AWS does not take together."""
    defaults = tenant.defaults
    hosting = defaults.instance_types.hosting if defaults.instance_types else None
    network = spec.network or defaults.network
    role = spec.execution_role_arn or defaults.execution_role_arn
    found = [] if role else [Finding("spec.executionRoleArn", "is required: set it, or spec.defaults.executionRoleArn in the Tenant")]
    types: dict[str, str] = {}
    serverless = any(variant.serverless for variant in spec.variants)
    for index, variant in enumerate(spec.variants):
        if variant.serverless is not None:
            continue
        chosen = (variant.resources and variant.resources.instance_type) or hosting
        if chosen is None:
            path = f"spec.variants[{index}].resources.instanceType"
            found.append(Finding(path, "is required: set it, or spec.defaults.instanceTypes.hosting in the Tenant"))
        types[variant.name] = chosen or ""
    tags = {**defaults.tags, **spec.tags}
    if len(tags) > naming.TAG_LIMIT:
        found.append(Finding("spec.tags", f"{len(tags)} tags with the Tenant's, more than {naming.TAG_LIMIT}: leave some out"))
    found += _contradictions(spec, types)
    machines = spec.batch.resources if spec.batch is not None else None
    batch_type = (machines and machines.instance_type) or hosting
    if spec.batch is not None and batch_type is None:
        path = "spec.batch.resources.instanceType"
        found.append(Finding(path, "is required: set it, or spec.defaults.instanceTypes.hosting in the Tenant"))
    if found:
        raise InvalidResource(tuple(found))
    return Effective(
        role_arn=role or "",
        artifact_prefix=defaults.artifact_prefix,
        instance_types=types,
        instance_counts={variant.name: _count(variant) for variant in spec.variants if variant.serverless is None},
        kms_key_arn=None if serverless else spec.kms_key_arn or defaults.kms_key_arn,
        subnet_ids=tuple((network and network.subnet_ids) or ()),
        security_group_ids=tuple((network and network.security_group_ids) or ()),
        network_isolation=bool(network and network.isolation),
        tags=tags,
        asynchronous=spec.async_ is not None,
        given_output=spec.async_.output if spec.async_ is not None else None,
        watches=WATCHES if spec.rollout is not None and spec.rollout.create_default_alarms else (),
        batch=BatchMachines(
            batch_type or "",
            (machines and machines.instance_count) or DEFAULT_INSTANCE_COUNT,
            spec.kms_key_arn or defaults.kms_key_arn,
        )
        if spec.batch is not None
        else None,
        notify=subscriptions("ModelEndpoint", spec.notify, tenant),
    )


def models_of(spec: ModelEndpointSpec) -> dict[str, tuple[str, ModelReference]]:
    """Every model that is needed, as name -> (path in the spec, reference): one of each variant, or that of batch alone."""
    found = {variant.name: (f"spec.variants[{index}].model", variant.model) for index, variant in enumerate(spec.variants)}
    if not found and spec.batch is not None and spec.batch.model is not None:
        return {BATCH: ("spec.batch.model", spec.batch.model)}
    return found


def findings_of(spec: ModelEndpointSpec, tenant: Bound, models: Mapping[str, ModelFact]) -> tuple[Finding, ...]:
    """What AWS's rules and the Tenant's fence refuse, as far as the models are known. Raises InvalidResource as effective_of does."""
    effective = effective_of(spec, tenant.spec)
    impossible = mode_findings(spec, tenant, models)
    return impossible or tenancy.findings(tenant.name, tenant.spec, wanted_of(spec, effective, models))


def _contradictions(spec: ModelEndpointSpec, instance_types: Mapping[str, str]) -> Iterator[Finding]:
    """Amazon SageMaker Developer Guide, "Automatic scaling of models"; CapacitySize in the API Reference."""
    size = spec.rollout.size if spec.rollout is not None else None
    for index, variant in enumerate(spec.variants):
        if variant.serverless is not None:
            continue
        type_, scaling = instance_types[variant.name], variant.autoscaling
        if scaling is not None and type_.startswith(BURSTABLE):
            path = f"spec.variants[{index}].resources.instanceType"
            yield Finding(path, f"{type_} is burstable, and AWS does not scale it: choose another type, or leave autoscaling out")
        most = scaling.max_capacity if scaling is not None else _count(variant)
        if isinstance(size, int) and 2 * size > most:
            words = f"{size} is more than half of the {most} of variant {variant.name}, and AWS takes at most half"
            yield Finding("spec.rollout.size", f"{words}: give a percentage, or more instances")


def _count(variant: Variant) -> int:
    """The number to start with; with autoscaling it does not stay so."""
    given = variant.resources.instance_count if variant.resources is not None else None
    return given or (variant.autoscaling.min_capacity if variant.autoscaling is not None else DEFAULT_INSTANCE_COUNT)


def wanted_of(spec: ModelEndpointSpec, effective: Effective, models: Mapping[str, ModelFact]) -> Wanted:
    """What the endpoint would use; `models` as far as they are known: a registered model is judged by its own image and archive."""
    paths = {variant.name: f"spec.variants[{index}]" for index, variant in enumerate(spec.variants)}
    references = models_of(spec)
    resolved = {references[name][0]: model for name, model in models.items() if isinstance(model, Resolved)}
    own = [(f"{path}{place}", container) for path, model in references.values() for place, container in model.links]
    batch = [("spec.batch.resources", effective.batch)] if effective.batch is not None else []
    wanted = Wanted(
        role_arns=[("spec.executionRoleArn", effective.role_arn)],
        s3_uris=[
            *((path, uri) for path, _, uri in _registered(resolved) if uri),
            *((f"{path}.artifact", container.artifact) for path, container in own if container.artifact),
            *_async_uris(spec),
            *([("spec.batch.input", spec.batch.input), ("spec.batch.output", spec.batch.output)] if spec.batch is not None else []),
        ],
        kms_key_arns=[
            *([("spec.kmsKeyArn", effective.kms_key_arn)] if effective.kms_key_arn else []),
            *(("spec.kmsKeyArn", machines.kms_key_arn) for _, machines in batch if machines.kms_key_arn and not effective.kms_key_arn),
        ],
        images=[
            *((path, image) for path, image, _ in _registered(resolved)),
            *((f"{path}.image", container.image) for path, container in own if container.image),
        ],
        instance_types=[
            *((f"{paths[name]}.resources.instanceType", value) for name, value in effective.instance_types.items()),
            *((f"{path}.instanceType", machines.instance_type) for path, machines in batch),
        ],
        instance_counts=[
            *(
                (f"{paths[v.name]}.resources.instanceCount", effective.instance_counts[v.name])
                for v in spec.variants
                if v.serverless is None and v.autoscaling is None
            ),
            *((f"{paths[v.name]}.autoscaling.maxCapacity", v.autoscaling.max_capacity) for v in spec.variants if v.autoscaling),
            *((f"{path}.instanceCount", machines.instance_count) for path, machines in batch),
        ],
        endpoint_names=[("spec.endpointName", spec.endpoint_name)] if spec.endpoint_name else [],
        subnet_ids=[("spec.network.subnetIds", value) for value in effective.subnet_ids],
        security_group_ids=[("spec.network.securityGroupIds", value) for value in effective.security_group_ids],
        topic_arns=[*_topics(spec), *topics_of(effective.notify)],
        groups=[(f"{path}.package.group", container.package.group) for path, container in own if container.package],
    )
    given = spec.overrides.model_dump(by_alias=True, exclude_none=True) if spec.overrides is not None else {}
    return wanted + overridden.wanted_of(given)


def _registered(resolved: Mapping[str, Resolved]) -> Iterator[tuple[str, str, str | None]]:
    """Path, image and archive of every container that a model turned out to be."""
    for path, model in resolved.items():
        for container in model.containers:
            yield path, container.image, container.artifact


def _async_uris(spec: ModelEndpointSpec) -> Iterator[tuple[str, str]]:
    if spec.async_ is not None:
        given = (("output", spec.async_.output), ("failure", spec.async_.failure))
        yield from ((f"spec.async.{name}", uri) for name, uri in given if uri)


def _topics(spec: ModelEndpointSpec) -> Iterator[tuple[str, str]]:
    if spec.async_ is not None:
        given = (("successTopicArn", spec.async_.success_topic_arn), ("errorTopicArn", spec.async_.error_topic_arn))
        yield from ((f"spec.async.{name}", arn) for name, arn in given if arn)
