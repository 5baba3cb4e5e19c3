"""What was decided for a ModelEndpoint: spec over Tenant defaults over our own; and what it would use, for the fence to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint.facts import ModelFact, Resolved
from sagemaker_gitops.core.tenancy import Wanted

DEFAULT_INSTANCE_COUNT = 1


@dataclass(frozen=True, slots=True)
class Effective:
    """The values every request is made with; instance types and counts by variant."""

    role_arn: str
    artifact_prefix: str
    instance_types: Mapping[str, str]
    instance_counts: Mapping[str, int]
    kms_key_arn: str | None
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    network_isolation: bool
    tags: Mapping[str, str]

    def as_status(self) -> dict[str, Any]:
        """status.effective, in the spec's own words."""
        shown: dict[str, Any] = {"executionRoleArn": self.role_arn, "instanceTypes": dict(self.instance_types)}
        if self.kms_key_arn:
            shown["kmsKeyArn"] = self.kms_key_arn
        if self.subnet_ids:
            shown["subnetIds"] = list(self.subnet_ids)
        return shown


def effective_of(spec: ModelEndpointSpec, tenant: TenantSpec) -> Effective:
    """Raises InvalidResource naming every value that neither the spec nor the Tenant gives."""
    defaults = tenant.defaults
    hosting = defaults.instance_types.hosting if defaults.instance_types else None
    network = spec.network or defaults.network
    role = spec.execution_role_arn or defaults.execution_role_arn
    found = [] if role else [Finding("spec.executionRoleArn", "is required: set it, or spec.defaults.executionRoleArn in the Tenant")]
    types: dict[str, str] = {}
    for index, variant in enumerate(spec.variants):
        chosen = (variant.resources and variant.resources.instance_type) or hosting
        if chosen is None:
            path = f"spec.variants[{index}].resources.instanceType"
            found.append(Finding(path, "is required: set it, or spec.defaults.instanceTypes.hosting in the Tenant"))
        types[variant.name] = chosen or ""
    tags = {**defaults.tags, **spec.tags}
    if len(tags) > naming.TAG_LIMIT:
        found.append(Finding("spec.tags", f"{len(tags)} tags with the Tenant's, more than {naming.TAG_LIMIT}: leave some out"))
    if found:
        raise InvalidResource(tuple(found))
    return Effective(
        role_arn=role or "",
        artifact_prefix=defaults.artifact_prefix,
        instance_types=types,
        instance_counts={
            variant.name: (variant.resources and variant.resources.instance_count) or DEFAULT_INSTANCE_COUNT for variant in spec.variants
        },
        kms_key_arn=spec.kms_key_arn or defaults.kms_key_arn,
        subnet_ids=tuple((network and network.subnet_ids) or ()),
        security_group_ids=tuple((network and network.security_group_ids) or ()),
        network_isolation=bool(network and network.isolation),
        tags=tags,
    )


def wanted_of(spec: ModelEndpointSpec, effective: Effective, models: Mapping[str, ModelFact]) -> Wanted:
    """What the endpoint would use; `models` as far as they are known: a registered model is judged by its own image and archive."""
    paths = {variant.name: f"spec.variants[{index}]" for index, variant in enumerate(spec.variants)}
    resolved = {name: model for name, model in models.items() if isinstance(model, Resolved)}
    overridden = list(_leaves(spec.overrides.model_dump(by_alias=True, exclude_none=True), "spec.overrides")) if spec.overrides else []
    return Wanted(
        role_arns=[("spec.executionRoleArn", effective.role_arn)],
        s3_uris=[
            *((f"{paths[name]}.model", model.artifact) for name, model in resolved.items() if model.artifact),
            *((f"{paths[v.name]}.model.artifact", v.model.artifact) for v in spec.variants if v.model.artifact),
            *((path, value) for path, value in overridden if value.startswith("s3://")),
        ],
        kms_key_arns=[
            *([("spec.kmsKeyArn", effective.kms_key_arn)] if effective.kms_key_arn else []),
            *((path, value) for path, value in overridden if path.endswith("KmsKeyId")),
        ],
        images=[
            *((f"{paths[name]}.model", model.image) for name, model in resolved.items()),
            *((f"{paths[v.name]}.model.image", v.model.image) for v in spec.variants if v.model.image),
            *((path, value) for path, value in overridden if path.endswith(".Image")),
        ],
        instance_types=[(f"{paths[name]}.resources.instanceType", value) for name, value in effective.instance_types.items()],
        instance_counts=[(f"{paths[name]}.resources.instanceCount", value) for name, value in effective.instance_counts.items()],
        endpoint_names=[("spec.endpointName", spec.endpoint_name)] if spec.endpoint_name else [],
        subnet_ids=[("spec.network.subnetIds", value) for value in effective.subnet_ids]
        + [(path, value) for path, value in overridden if ".Subnets[" in path],
        security_group_ids=[("spec.network.securityGroupIds", value) for value in effective.security_group_ids]
        + [(path, value) for path, value in overridden if ".SecurityGroupIds[" in path],
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a nested value, with its path."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value
