"""Rules between the members of CreateModel that no service model holds, and what this local AWS can't run.

Source: API reference of CreateModel, ContainerDefinition and InferenceExecutionConfig; developer guide, "Multi-container
endpoints". AWS's own wording was not found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.sagemaker.words import validation

_HERE = "is not supported in this local AWS"
_UNSUPPORTED = ("MultiModelConfig", "ContainerMetricsConfig", "InferenceSpecificationName")
_UNSUPPORTED_SOURCE = ("ManifestS3Uri", "HubAccessConfig", "ETag", "ManifestEtag")


def check(request: Mapping[str, Any]) -> None:
    """Raises AwsError in the words of a ValidationException."""
    if ("PrimaryContainer" in request) == ("Containers" in request):
        raise validation("Exactly one of PrimaryContainer and Containers must be specified.")
    containers: Sequence[Mapping[str, Any]] = request.get("Containers", [request.get("PrimaryContainer", {})])
    if not containers:
        raise validation("Containers must hold at least one container.")
    for container in containers:
        _check_container(container)
    if "Containers" in request:
        _check_names(containers)
    _check_mode(request, containers)


def _check_container(container: Mapping[str, Any]) -> None:
    if ("Image" in container) == ("ModelPackageName" in container):
        raise validation("A container must have exactly one of Image and ModelPackageName.")
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise validation("A container can have only one of ModelDataUrl and ModelDataSource.")
    if container.get("Mode") == "MultiModel":
        raise validation(f"Mode MultiModel {_HERE}: it serves one model for each container.")
    for member in _UNSUPPORTED:
        if member in container:
            raise validation(f"{member} {_HERE}.")
    additional = container.get("AdditionalModelDataSources", ())
    if len({source["ChannelName"] for source in additional}) < len(additional):
        raise validation("Channel names must be unique within AdditionalModelDataSources.")
    for source in (container.get("ModelDataSource", {}), *additional):
        for member in _UNSUPPORTED_SOURCE:
            if member in source.get("S3DataSource", {}):
                raise validation(f"{member} of an S3DataSource {_HERE}.")


def _check_names(containers: Sequence[Mapping[str, Any]]) -> None:
    names = [container["ContainerHostname"] for container in containers if "ContainerHostname" in container]
    if names and len(names) < len(containers):
        raise validation("ContainerHostname must be specified for every container of an inference pipeline or for none.")
    if len(set(names)) < len(names):
        raise validation("The values of ContainerHostname must be unique within a model.")


def _check_mode(request: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> None:
    mode = request.get("InferenceExecutionConfig", {}).get("Mode")
    if mode is None:
        return
    if "Containers" not in request:
        raise validation("InferenceExecutionConfig is only allowed for a model with Containers.")
    if mode == "Direct" and any("ContainerHostname" not in container for container in containers):
        raise validation("ContainerHostname must be specified for every container when the inference execution mode is Direct.")
