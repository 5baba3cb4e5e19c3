"""What a TrainingRun would use, for the tenant's fence to judge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core.kinds.training_run.effective import Effective
from sagemaker_gitops.core.kinds.training_run.run import content_of, input_uris
from sagemaker_gitops.core.tenancy import Wanted


def wanted_of(spec: TrainingRunSpec, effective: Effective) -> Wanted:
    """Effective values and every place where `overrides` could bring in another one."""
    everything = list(_leaves(content_of(spec.overrides), "spec.overrides")) if spec.overrides is not None else []
    overridden = [(path, value) for path, value in everything if isinstance(value, str)]
    numbers = [(path, value) for path, value in everything if isinstance(value, int | float) and not isinstance(value, bool)]
    return Wanted(
        role_arns=[("spec.executionRoleArn", effective.role_arn)],
        s3_uris=[
            *((f"spec.inputs[{index}].s3Uri", uri) for index, uri in enumerate(input_uris(spec).values())),
            *([("spec.source.s3.uri", spec.source.s3.uri)] if spec.source and spec.source.s3 else []),
            *[(path, value) for path, value in overridden if value.startswith("s3://")],
        ],
        kms_key_arns=[
            *([("spec.kmsKeyArn", effective.kms_key_arn)] if effective.kms_key_arn else []),
            *_named(overridden, "KmsKeyId", "VolumeKmsKeyId", "S3KmsKeyId"),
        ],
        images=[
            ("spec.train", effective.training_image),
            *((f"spec.{step}", image) for step, image in effective.processing_images.items()),
            *_named(overridden, "TrainingImage", "ImageUri", "Image"),
        ],
        instance_types=[
            ("spec.train.resources.instanceType", effective.training_instance_type),
            *_processing_types(spec, effective),
            *_named(overridden, "InstanceType"),
        ],
        instance_counts=[*_counts(spec), *_whole(numbers, "InstanceCount", "NumberOfWorkers", "MaxCapacity")],
        subnet_ids=[("spec.network.subnetIds", value) for value in effective.subnet_ids]
        + [(path, value) for path, value in overridden if ".Subnets[" in path],
        security_group_ids=[("spec.network.securityGroupIds", value) for value in effective.security_group_ids]
        + [(path, value) for path, value in overridden if ".SecurityGroupIds[" in path],
        runtimes=[
            *_runtimes(spec, effective),
            *_whole(numbers, "MaxRuntimeInSeconds"),
            *((path, minutes * 60) for path, minutes in _whole(numbers, "Timeout")),
        ],
    )


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


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every single value in a nested one, with its path."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _named(values: list[tuple[str, str]], *members: str) -> list[tuple[str, str]]:
    return [(path, value) for path, value in values if path.rsplit(".", 1)[-1] in members]


def _whole(values: list[tuple[str, int | float]], *members: str) -> list[tuple[str, int]]:
    """Numbers under one of the member names, rounded up: Glue counts capacity in parts."""
    return [(path, math.ceil(value)) for path, value in values if path.rsplit(".", 1)[-1] in members]
