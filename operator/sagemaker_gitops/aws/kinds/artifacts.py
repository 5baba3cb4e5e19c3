"""The artifacts of registered models, looked at only when a config is about to be made: one HeadObject for each package, and one
ListTags for each that status does not know.
"""

from __future__ import annotations

from dataclasses import replace

from sagemaker_gitops.aws.kinds.hosting import tags_of
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.storage import etag_of
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.artifacts import recorded
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint, ModelEndpointFacts, NoEndpoint, Resolved


async def artifacts(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """Nothing is read for an endpoint that serves what is wanted."""
    if facts.alias is not None or not _about_to_be_made(look, facts):
        return facts
    seen: dict[str, Resolved] = {}
    models = dict(facts.models)
    for variant in look.serving.spec.variants:
        model = models[variant.name]
        if not isinstance(model, Resolved) or not model.package_arn or not model.artifact or model.artifact.endswith("/"):
            continue
        if model.package_arn not in seen:
            name = look.serving.own_model_name(variant)
            known = bool(recorded(look.snapshot.status, model.package_arn))
            served = "" if known else await _served_etag(look, name)
            seen[model.package_arn] = replace(
                model, looked_at=True, etag=await etag_of(look.aws, look.scope, model.artifact), served_etag=served
            )
        models[variant.name] = seen[model.package_arn]
    return replace(facts, models=models)


def _about_to_be_made(look: Look, facts: ModelEndpointFacts) -> bool:
    live = facts.endpoint
    if isinstance(live, LiveEndpoint):
        return live.state is EndpointState.IN_SERVICE and live.config != look.serving.config_name
    return isinstance(live, NoEndpoint)


async def _served_etag(look: Look, model: str) -> str:
    """What status has forgotten, the SageMaker model remembers."""
    try:
        _, tags = await tags_of(look.aws, look.scope, "model", model)
    except AwsFailure as failure:
        if failure.category is not Category.NOT_FOUND:
            raise
        return ""
    return tags.get(naming.TAG_ARTIFACT, "")
