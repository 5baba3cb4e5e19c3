"""What a TrainingRun would use, for the tenant's fence to judge."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_gitops.api.steps import GLUE_LOCATIONS
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core import overridden
from sagemaker_gitops.core.kinds.training_run.effective import Effective
from sagemaker_gitops.core.kinds.training_run.run import content_of, input_uris
from sagemaker_gitops.core.notifications import topics_of
from sagemaker_gitops.core.tenancy import Wanted


def wanted_of(spec: TrainingRunSpec, effective: Effective) -> Wanted:
    """Effective values and every place where `overrides` could bring in another one."""
    own = Wanted(
        role_arns=[("spec.executionRoleArn", effective.role_arn)],
        s3_uris=[
            *((f"spec.inputs[{index}].s3Uri", uri) for index, uri in enumerate(input_uris(spec).values())),
            *([("spec.source.s3.uri", spec.source.s3.uri)] if spec.source and spec.source.s3 else []),
            *_glue_locations(spec),
        ],
        kms_key_arns=[("spec.kmsKeyArn", effective.kms_key_arn)] if effective.kms_key_arn else [],
        images=[
            ("spec.train", effective.training_image),
            *((f"spec.{step}", image) for step, image in effective.processing_images.items()),
        ],
        instance_types=[("spec.train.resources.instanceType", effective.training_instance_type), *_processing_types(spec, effective)],
        instance_counts=[*_counts(spec)],
        subnet_ids=[("spec.network.subnetIds", value) for value in effective.subnet_ids],
        security_group_ids=[("spec.network.securityGroupIds", value) for value in effective.security_group_ids],
        topic_arns=topics_of(effective.notify),
        groups=[("spec.register.group", spec.register_.group)] if spec.register_ else [],
        runtimes=[*_runtimes(spec, effective)],
    )
    return own + overridden.wanted_of(content_of(spec.overrides)) if spec.overrides is not None else own


def _glue_locations(spec: TrainingRunSpec) -> Iterator[tuple[str, str]]:
    """Glue itself opens what its special parameters name (--extra-jars, --TempDir); arguments of the script are the script's."""
    if spec.prepare and spec.prepare.glue:
        for key in GLUE_LOCATIONS & spec.prepare.glue.arguments.keys():
            for part in overridden.s3_locations(spec.prepare.glue.arguments[key]):
                yield f"spec.prepare.glue.arguments.{key}", part


def _counts(spec: TrainingRunSpec) -> Iterator[tuple[str, int]]:
    parts = (
        ("train", spec.train),
        ("prepare.processing", spec.prepare and spec.prepare.processing),
        ("evaluate.processing", spec.evaluate and spec.evaluate.processing),
    )
    for path, part in parts:
        if part and part.resources and part.resources.instance_count:
            yield f"spec.{path}.resources.instanceCount", part.resources.instance_count
    if spec.prepare and spec.prepare.glue and spec.prepare.glue.workers:
        yield "spec.prepare.glue.workers", spec.prepare.glue.workers


def _runtimes(spec: TrainingRunSpec, effective: Effective) -> Iterator[tuple[str, int]]:
    yield "spec.train.maxRuntime", effective.max_runtime
    for step, part in (("prepare", spec.prepare and spec.prepare.processing), ("evaluate", spec.evaluate and spec.evaluate.processing)):
        if part and part.max_runtime:
            yield f"spec.{step}.processing.maxRuntime", part.max_runtime
    if spec.prepare and spec.prepare.glue and spec.prepare.glue.timeout:
        yield "spec.prepare.glue.timeout", spec.prepare.glue.timeout


def _processing_types(spec: TrainingRunSpec, effective: Effective) -> Iterator[tuple[str, str]]:
    for step, part in (("prepare", spec.prepare and spec.prepare.processing), ("evaluate", spec.evaluate and spec.evaluate.processing)):
        if part:
            chosen = part.resources.instance_type if part.resources else None
            yield f"spec.{step}.processing.resources.instanceType", chosen or effective.processing_instance_type
