"""What was decided on the user's behalf: spec over Tenant defaults over our own. Shown in status.effective, never written to spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.steps import DEFAULT_GLUE_TIMEOUT, DEFAULT_MAX_RUNTIME, DEFAULT_VOLUME_SIZE_IN_GB
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.images import ImageKind, image_uri, images_table
from sagemaker_gitops.core.notifications import Subscription, subscriptions


@dataclass(frozen=True, slots=True)
class Effective:
    """The values every request is made with. Times in seconds; images by step name."""

    role_arn: str
    artifact_prefix: str
    training_image: str
    processing_images: Mapping[str, str]
    training_instance_type: str
    processing_instance_type: str
    volume_size_in_gb: int
    max_runtime: int
    processing_max_runtime: int
    glue_timeout: int
    kms_key_arn: str | None
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    network_isolation: bool
    encrypt_inter_container_traffic: bool
    tags: Mapping[str, str]
    notify: tuple[Subscription, ...] = ()

    def as_status(self) -> dict[str, Any]:
        """status.effective: short, flat, in the spec's own words."""
        shown: dict[str, Any] = {
            "executionRoleArn": self.role_arn,
            "artifactPrefix": self.artifact_prefix,
            "trainingImage": self.training_image,
            "trainingInstanceType": self.training_instance_type,
            "maxRuntime": duration(self.max_runtime),
        }
        if self.processing_images:
            shown["processingInstanceType"] = self.processing_instance_type
        if self.kms_key_arn:
            shown["kmsKeyArn"] = self.kms_key_arn
        if self.subnet_ids:
            shown["subnetIds"] = list(self.subnet_ids)
        if self.notify:
            shown["notify"] = [item.as_status() for item in self.notify]
        return shown


def effective_of(spec: TrainingRunSpec, tenant: TenantSpec) -> Effective:
    """Raises InvalidResource naming every value that neither the spec nor the Tenant gives."""
    defaults, limit = tenant.defaults, tenant.limits.max_runtime if tenant.limits else None
    types, network = defaults.instance_types, spec.network or defaults.network
    named = spec.train.resources.instance_type if spec.train.resources else None
    found: list[Finding] = []

    def required(value: str | None, path: str, tenant_path: str) -> str:
        if not value:
            found.append(Finding(path, f"is required: set it, or {tenant_path} in the Tenant"))
        return value or ""

    training_type = required(
        named or (types.training if types else None),
        "spec.train.resources.instanceType",
        "spec.defaults.instanceTypes.training",
    )
    processing_type = (types.processing if types else None) or training_type
    if spec.train.max_runtime is None and limit is None:
        found.append(Finding("spec.train.maxRuntime", "is required: set it, or spec.limits.maxRuntime in the Tenant"))
    spot = spec.train.resources.spot if spec.train.resources else None
    if spot is not None and spec.train.max_runtime is None and limit is not None and spot.max_wait < limit:
        found.append(Finding("spec.train.maxRuntime", f"is required with spot.maxWait: the Tenant's {limit}s would be longer than it"))
    result = Effective(
        role_arn=required(
            spec.execution_role_arn or defaults.execution_role_arn, "spec.executionRoleArn", "spec.defaults.executionRoleArn"
        ),
        artifact_prefix=defaults.artifact_prefix,
        training_image=_image(spec.train, "spec.train", tenant.region, training_type, found),
        processing_images={
            step: _image(part, path, tenant.region, processing_type, found) for step, (part, path) in _processing_parts(spec).items()
        },
        training_instance_type=training_type,
        processing_instance_type=processing_type,
        volume_size_in_gb=DEFAULT_VOLUME_SIZE_IN_GB,
        max_runtime=spec.train.max_runtime or limit or 0,
        processing_max_runtime=min(DEFAULT_MAX_RUNTIME, limit or DEFAULT_MAX_RUNTIME),
        glue_timeout=min(DEFAULT_GLUE_TIMEOUT, limit or DEFAULT_GLUE_TIMEOUT),
        kms_key_arn=spec.kms_key_arn or defaults.kms_key_arn,
        subnet_ids=tuple((network and network.subnet_ids) or ()),
        security_group_ids=tuple((network and network.security_group_ids) or ()),
        network_isolation=bool(network and network.isolation),
        encrypt_inter_container_traffic=bool(network and network.encrypt_inter_container_traffic),
        tags={**defaults.tags, **spec.tags},
        notify=subscriptions("TrainingRun", spec.notify, tenant),
    )
    if found:
        raise InvalidResource(tuple(found))
    return result


def _processing_parts(spec: TrainingRunSpec) -> dict[str, tuple[Any, str]]:
    parts: dict[str, tuple[Any, str]] = {}
    if spec.prepare is not None and spec.prepare.processing is not None:
        parts["prepare"] = (spec.prepare.processing, "spec.prepare.processing")
    if spec.evaluate is not None:
        parts["evaluate"] = (spec.evaluate.processing, "spec.evaluate.processing")
    return parts


def _image(part: Any, path: str, region: str, instance_type: str, found: list[Finding]) -> str:
    """The image named, or the one AWS publishes for the framework or algorithm in the tenant's region."""
    if part.image:
        return str(part.image)
    algorithm = getattr(part, "algorithm", None)
    named = algorithm or part.framework
    kind: ImageKind = "algorithm" if algorithm else "framework"
    try:
        return image_uri(images_table(), kind, named.name, named.version, region, instance_type, getattr(named, "py_version", None))
    except ValueError as error:
        found.append(Finding(f"{path}.{kind}", str(error)))
        return ""


def duration(seconds: int) -> str:
    """The shortest form that the spec would take: 24h, 90m, 45s."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
