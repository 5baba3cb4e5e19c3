"""What was decided for a MonitorPolicy: spec over Tenant defaults over our own; and what it would use, for the fence to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.fields import duration
from sagemaker_gitops.api.monitor_engine import MODEL_MONITOR
from sagemaker_gitops.api.monitor_overrides import given_overrides
from sagemaker_gitops.api.monitor_policy import DEFAULT_CHECK_RUNTIME, DEFAULT_MIN_SAMPLE_SIZE, MonitorPolicySpec
from sagemaker_gitops.api.steps import DEFAULT_INSTANCE_COUNT, DEFAULT_VOLUME_SIZE_IN_GB
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.core import overridden, tenancy
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.images import CLARIFY, MONITOR, image_uri, images_table, monitor_image_uri
from sagemaker_gitops.core.notifications import Subscription, subscriptions, topics_of
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound, Wanted

FRAMEWORK, FRAMEWORK_VERSION = "sklearn", "1.4-2"  # numpy, pandas and scipy are what jobs/monitoring needs
FOLDER = "monitoring"


@dataclass(frozen=True, slots=True)
class Effective:
    """The values every request is made with. Times in seconds."""

    role_arn: str
    artifact_prefix: str
    image: str
    instance_type: str
    instance_count: int
    volume_size_in_gb: int
    max_runtime: int
    min_sample_size: int
    min_matched: int
    max_delay: int
    kms_key_arn: str | None
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    network_isolation: bool
    encrypt_inter_container_traffic: bool
    tags: Mapping[str, str]
    notify: tuple[Subscription, ...] = ()

    def base(self, owner: Key) -> str:
        """The folder of everything that this policy's checks read and write."""
        return f"{self.artifact_prefix.rstrip('/')}/{owner.namespace}/{owner.name}/{FOLDER}"

    def as_status(self) -> dict[str, Any]:
        """status.effective, in the spec's own words."""
        shown: dict[str, Any] = {
            "executionRoleArn": self.role_arn,
            "image": self.image,
            "resources": {
                "instanceType": self.instance_type,
                "instanceCount": self.instance_count,
                "volumeSizeInGB": self.volume_size_in_gb,
            },
            "maxRuntime": duration(self.max_runtime),
            "minSampleSize": self.min_sample_size,
        }
        if self.kms_key_arn:
            shown["kmsKeyArn"] = self.kms_key_arn
        if self.subnet_ids:
            shown["subnetIds"] = list(self.subnet_ids)
        if self.notify:
            shown["notify"] = [item.as_status() for item in self.notify]
        return shown


def effective_of(spec: MonitorPolicySpec, tenant: TenantSpec) -> Effective:
    """Raises InvalidResource naming every value that neither the spec nor the Tenant gives."""
    defaults, network, machines = tenant.defaults, tenant.defaults.network, spec.resources
    type_ = (machines and machines.instance_type) or (defaults.instance_types and defaults.instance_types.processing)
    longest = tenant.limits.max_runtime if tenant.limits else None
    found: list[Finding] = []
    if not type_:
        found.append(Finding("spec.resources.instanceType", "is required: set it, or spec.defaults.instanceTypes.processing in the Tenant"))
    if not defaults.execution_role_arn:
        found.append(Finding("spec.defaults.executionRoleArn", "is required in the Tenant: checks run as this role"))
    image = ""
    try:
        image = _image(spec, tenant.region, type_ or "ml.m5.large")
    except ValueError as error:
        found.append(Finding("spec.region", f"of the Tenant: {error}"))
    if found:
        raise InvalidResource(tuple(found))
    least = spec.min_sample_size or DEFAULT_MIN_SAMPLE_SIZE
    truth = spec.ground_truth
    return Effective(
        role_arn=defaults.execution_role_arn or "",
        artifact_prefix=defaults.artifact_prefix,
        image=image,
        instance_type=type_ or "",
        instance_count=(machines and machines.instance_count) or DEFAULT_INSTANCE_COUNT,
        volume_size_in_gb=(machines and machines.volume_size_in_gb) or DEFAULT_VOLUME_SIZE_IN_GB,
        max_runtime=min(DEFAULT_CHECK_RUNTIME, longest or DEFAULT_CHECK_RUNTIME),
        min_sample_size=least,
        min_matched=(truth and truth.min_matched) or least,
        max_delay=(truth and truth.max_delay) or 0,
        kms_key_arn=defaults.kms_key_arn,
        subnet_ids=tuple((network and network.subnet_ids) or ()),
        security_group_ids=tuple((network and network.security_group_ids) or ()),
        network_isolation=bool(network and network.isolation),
        encrypt_inter_container_traffic=bool(network and network.encrypt_inter_container_traffic),
        tags=defaults.tags,
        notify=subscriptions("MonitorPolicy", spec.notify, tenant),
    )


def _image(spec: MonitorPolicySpec, region: str, instance_type: str) -> str:
    if spec.engine == MODEL_MONITOR:
        clarify = spec.checks_[0].type == "Bias"
        return monitor_image_uri(images_table(), region, CLARIFY if clarify else MONITOR)
    return image_uri(images_table(), "framework", FRAMEWORK, FRAMEWORK_VERSION, region, instance_type)


def findings_of(spec: MonitorPolicySpec, tenant: Bound) -> tuple[Finding, ...]:
    """What the Tenant's fence refuses. Raises InvalidResource as effective_of does."""
    wanted = wanted_of(spec, effective_of(spec, tenant.spec)) + overridden.wanted_of(given_overrides(spec.overrides))
    return tenancy.findings(tenant.name, tenant.spec, wanted)


def wanted_of(spec: MonitorPolicySpec, effective: Effective) -> Wanted:
    baseline, truth, source = spec.baseline, spec.ground_truth, spec.source
    return Wanted(
        role_arns=[("spec.defaults.executionRoleArn", effective.role_arn)],
        s3_uris=[
            *([("spec.baseline.s3Uri", baseline.s3_uri)] if baseline and baseline.s3_uri else []),
            *([("spec.groundTruth.s3Uri", truth.s3_uri)] if truth else []),
            *([("spec.source.s3.uri", source.s3.uri)] if source and source.s3 else []),
        ],
        endpoint_names=[("spec.target.endpointName", spec.target.endpoint_name)] if spec.target.endpoint_name else [],
        kms_key_arns=[("spec.kmsKeyArn", effective.kms_key_arn)] if effective.kms_key_arn else [],
        images=[
            ("spec.checks", effective.image),
            *((f"spec.checks[{index}].image", check.image) for index, check in enumerate(spec.checks_) if check.image is not None),
        ],
        instance_types=[("spec.resources.instanceType", effective.instance_type)],
        instance_counts=[("spec.resources.instanceCount", effective.instance_count)],
        subnet_ids=[("spec.network.subnetIds", value) for value in effective.subnet_ids],
        security_group_ids=[("spec.network.securityGroupIds", value) for value in effective.security_group_ids],
        topic_arns=topics_of(effective.notify),
    )
