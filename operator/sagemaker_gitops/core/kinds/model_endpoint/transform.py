"""A batch job of a ModelEndpoint: what names it, and the exact CreateTransformJob.

Its name is content: model, object versions of the input, settings, rerun annotation, attempt. Neither a moment nor a machine is in it,
so that no trigger, restart or lost status runs the same predictions twice. Member names and limits: Amazon SageMaker API Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.batch import Batch
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.effective import BATCH, effective_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import Asked, BatchJob
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass
from sagemaker_gitops.core.kinds.training_run.run import content_of
from sagemaker_gitops.core.merge import deep_merge
from sagemaker_gitops.core.resource import RERUN, REVISION
from sagemaker_gitops.core.tenancy import Bound

_TRIGGERS = ("schedule", "onNewModel", "variant", "model")
_MACHINES = ("resources", "maxConcurrentTransforms", "maxPayloadInMB")  # how fast, not what comes out


def settings_digest(here: Pass) -> str:
    """Identity of what an edit can change about the jobs; what starts them is not in it."""
    return naming.content_key([content_of(_batch(here), _TRIGGERS), _overrides(here)])


def job_of(here: Pass, asked: Asked, input_digest: str, attempt: int) -> BatchJob:
    tenant, owner, batch = _bound(here).spec, here.snapshot.key, _batch(here)
    identity = {
        "install": here.settings.install,
        "account": tenant.account,
        "region": tenant.region,
        "owner": [owner.kind, owner.namespace, owner.name],
        "model": asked.digest,
        "input": [batch.input, input_digest],
        "settings": content_of(batch, (*_TRIGGERS, *_MACHINES, "input")),
        "overrides": _overrides(here),
        "nonce": here.snapshot.annotations.get(RERUN, ""),
        "attempt": attempt,
    }
    return BatchJob(naming.aws_name(owner, BATCH, naming.content_key(identity)), attempt, asked, input_digest)


def output_of(here: Pass, job_name: str) -> str:
    """Every job has a folder of its own: results are never overwritten, and those of a failed job never mixed with good ones."""
    return f"{_batch(here).output}{job_name}/"


def create_transform_job(here: Pass, job: BatchJob) -> AwsRequest:
    batch, effective = _batch(here), effective_of(here.spec, _bound(here).spec)
    machines = effective.batch
    assert machines is not None
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": batch.input}}
    output = {"S3OutputPath": output_of(here, job.name), "Accept": _accept(batch), "AssembleWith": _assemble_with(batch)}
    resources = {"InstanceType": machines.instance_type, "InstanceCount": machines.instance_count}
    if machines.kms_key_arn:
        output["KmsKeyId"] = resources["VolumeKmsKeyId"] = machines.kms_key_arn
    parameters: dict[str, Any] = {
        "TransformJobName": job.name,
        "ModelName": job.asked.aws_name,
        "TransformInput": _given(
            {
                "DataSource": source,
                "ContentType": batch.content_type,
                "CompressionType": batch.compression_type,
                "SplitType": batch.split_type,
            }
        ),
        "TransformOutput": _given(output),
        "TransformResources": resources,
        "DataProcessing": _given({"InputFilter": batch.input_filter, "OutputFilter": batch.output_filter, "JoinSource": batch.join_source}),
        "BatchStrategy": batch.strategy,
        "MaxConcurrentTransforms": batch.max_concurrent_transforms,
        "MaxPayloadInMB": batch.max_payload_in_mb,
        "Environment": dict(batch.environment),
        "Tags": _tags(here, job, effective.tags),
    }
    return AwsRequest("sagemaker", "CreateTransformJob", job.name, deep_merge(_given(parameters), _overrides(here)))


def _accept(batch: Batch) -> str | None:
    """A join needs both sides in one format."""
    return batch.accept or (batch.content_type if batch.join_source == "Input" else None)


def _assemble_with(batch: Batch) -> str | None:
    """AWS's own default puts the answers of split lines behind each other without anything between them."""
    return batch.assemble_with or ("Line" if batch.split_type == "Line" else None)


def _tags(here: Pass, job: BatchJob, tags: Mapping[str, str]) -> list[dict[str, str]]:
    key = job.name.rpartition("-")[2]
    revision = here.snapshot.annotations.get(REVISION, "")
    own = naming.owner_tags(here.settings.install, here.snapshot.key, step=BATCH, key=key, attempt=job.attempt, revision=revision)
    return [{"Key": name, "Value": value} for name, value in sorted((dict(tags) | own).items())]


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, {})}


def _overrides(here: Pass) -> Mapping[str, Any]:
    overrides = here.spec.overrides
    return (overrides.create_transform_job or {}) if overrides is not None else {}


def _batch(here: Pass) -> Batch:
    assert here.spec.batch is not None
    return here.spec.batch


def _bound(here: Pass) -> Bound:
    assert isinstance(here.facts.binding, Bound)
    return here.facts.binding
