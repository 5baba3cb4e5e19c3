"""Every request that serving may take if nothing is there yet: what is validated before the first call, and what `render` prints. Pure."""

from __future__ import annotations

from sagemaker_gitops.api.model_reference import Container as Link
from sagemaker_gitops.api.model_reference import ModelReference
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint import alarms, scaling
from sagemaker_gitops.core.kinds.model_endpoint.facts import Container, Resolved
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_config, create_endpoint, create_models, update_endpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving


def preview(serving: Serving) -> tuple[tuple[str, AwsRequest], ...]:
    """(step, request). `update` is what takes the place of `endpoint` once there is one; autoscaling and alarms follow it."""
    return (
        *(("models", request) for request in create_models(serving)),
        ("config", create_config(serving)),
        ("endpoint", create_endpoint(serving)),
        ("update", update_endpoint(serving, alarms.rollback_alarms(serving))),
        *(("autoscaling", request) for request in scaling.requests(serving)),
        *(("alarms", request) for request in alarms.requests(serving)),
    )


def standing_for(model: ModelReference) -> Resolved:
    """A model as far as a file tells: what only the registry knows has the name of who knows it."""
    if model.containers is not None:
        return Resolved("pipeline", tuple(_container(link, "") for link in model.containers))
    run = model.training_run_ref.name if model.training_run_ref is not None else ""
    return Resolved(run or "model", (_container(model, run),))


def _container(link: Link, run: str) -> Container:
    if link.image is not None:
        return Container(link.image, link.artifact, dict(link.environment))
    package = link.package
    known = f"{package.group}/{package.version or 'newest-approved'}" if package is not None else f"{run}/newest"
    return Container(f"image-of-model-package/{known}", f"s3://artifact-of-model-package/{known}/model.tar.gz")
