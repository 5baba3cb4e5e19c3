"""The model package of a run: what the registry is told, so that everything about a model can be found from its version.

Amazon SageMaker API Reference, CreateModelPackage: a versioned package takes no tags (its group has them), so ownership
and provenance are in CustomerMetadataProperties.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.training_run import DEFAULT_APPROVAL
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.training_run.requests import EVALUATION_OUTPUT
from sagemaker_gitops.core.kinds.training_run.run import TRAIN, Names, Progress, Run, content_of, keys_of
from sagemaker_gitops.core.merge import deep_merge

PACKAGE_KEY = "sagemaker-gitops.dev/key"
METRIC_PREFIX = "metric/"
METADATA_VALUE_LIMIT = 256
METADATA_LIMIT = 50
APPROVALS = {"Manual": "PendingManualApproval", "Auto": "Approved"}


def create_package_group(run: Run) -> AwsRequest:
    """The group is shared by every version and outlives the run; its tags say which object made it."""
    register = run.spec.register_
    assert register is not None
    tags = dict(run.effective.tags) | naming.owner_tags(run.install, run.owner, step="register", key=register.group, attempt=1, revision="")
    parameters = {
        "ModelPackageGroupName": register.group,
        "ModelPackageGroupDescription": f"Made by TrainingRun {run.owner.namespace}/{run.owner.name}",
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }
    return AwsRequest("sagemaker", "CreateModelPackageGroup", register.group, _overridden(run, "createModelPackageGroup", parameters))


def create_package(run: Run, progress: Progress, metrics: Mapping[str, float]) -> AwsRequest:
    """Version numbers are AWS's; the ClientToken and the key in the metadata make the call repeatable."""
    register = run.spec.register_
    assert register is not None
    key = keys_of(run, progress).package
    part = content_of(run.spec.train)
    container: dict[str, Any] = {"Image": run.effective.training_image, "ModelDataUrl": progress.outputs["model"]}
    if part.get("entryPoint"):
        container["Environment"] = {"SAGEMAKER_PROGRAM": part["entryPoint"], "SAGEMAKER_SUBMIT_DIRECTORY": _source(run, progress)}
    types = sorted({item.content_type for item in run.spec.inputs if item.content_type}) or ["text/csv"]
    parameters: dict[str, Any] = {
        "ModelPackageGroupName": register.group,
        "ModelPackageDescription": f"TrainingRun {run.owner.namespace}/{run.owner.name}, run {keys_of(run, progress).run}",
        "ModelApprovalStatus": APPROVALS[register.approval or DEFAULT_APPROVAL],
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": types,
            "SupportedResponseMIMETypes": types,
        },
        "CustomerMetadataProperties": _metadata(run, progress, key, metrics),
        "ClientToken": naming.token(key),
    }
    evaluation = progress.outputs.get(EVALUATION_OUTPUT)
    if evaluation:
        parameters["ModelMetrics"] = {
            "ModelQuality": {"Statistics": _document(f"{evaluation}evaluation.json")},
            "ModelDataQuality": {
                "Statistics": _document(f"{evaluation}statistics.json"),
                "Constraints": _document(f"{evaluation}constraints.json"),
            },
        }
    metadata = {
        name: value
        for name, value in (("CommitId", run.source.revision), ("Repository", run.source.repository), ("GeneratedBy", str(run.owner)))
        if value
    }
    parameters["MetadataProperties"] = metadata
    return AwsRequest("sagemaker", "CreateModelPackage", register.group, _overridden(run, "createModelPackage", parameters))


def package_metrics(run: Run, metrics: Mapping[str, float]) -> dict[str, float]:
    """What goes to the registry: every metric that a gate or the training definition names, if it is a number."""
    named = [gate.metric for gate in run.spec.gates] + [metric.name for metric in run.spec.train.metrics]
    return {name: metrics[name] for name in dict.fromkeys(named) if name in metrics and math.isfinite(metrics[name])}


def metrics_in(metadata: Mapping[str, str]) -> dict[str, float]:
    """The reverse of what create_package wrote, read defensively: anybody may edit a package's metadata."""
    found = {}
    for name, text in metadata.items():
        if name.startswith(METRIC_PREFIX):
            try:
                found[name.removeprefix(METRIC_PREFIX)] = float(text)
            except ValueError:
                continue
    return found


def _metadata(run: Run, progress: Progress, key: str, metrics: Mapping[str, float]) -> dict[str, str]:
    found = {
        PACKAGE_KEY: key,
        naming.TAG_INSTALL: run.install,
        naming.TAG_NAMESPACE: run.owner.namespace,
        naming.TAG_NAME: run.owner.name,
        "source/digest": naming.files_digest(run.source.files),
    }
    found |= {f"input/{name}": version.digest for name, version in run.inputs.items()}
    found |= {f"step/{attempt.step.name}": attempt.aws_name for attempt, _ in progress.done}
    found |= {f"{METRIC_PREFIX}{name}": f"{value:.10g}" for name, value in metrics.items()}
    return {name: value[:METADATA_VALUE_LIMIT] for name, value in list(found.items())[:METADATA_LIMIT]}


def _source(run: Run, progress: Progress) -> str:
    """The archive that the model was trained with: AWS's serving containers fetch it, so the artifact needs no repacking."""
    trained = progress.attempt(TRAIN)
    assert trained is not None, "a package follows its training"
    return f"{Names(run.effective.artifact_prefix, run.owner, trained).source}.tar.gz"


def _document(uri: str) -> dict[str, str]:
    return {"ContentType": "application/json", "S3Uri": uri}


def _overridden(run: Run, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    overrides = content_of(run.spec.overrides) if run.spec.overrides is not None else {}
    return deep_merge(parameters, overrides.get(operation, {}))
