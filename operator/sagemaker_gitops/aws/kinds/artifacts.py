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
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    Container,
    EndpointState,
    LiveEndpoint,
    ModelEndpointFacts,
    NoEndpoint,
    Resolved,
)


async def artifacts(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """Nothing is read for an endpoint that serves what is wanted."""
    if facts.alias is not None or not _about_to_be_made(look, facts):
        return facts
    etags: dict[str, str | None] = {}
    models = dict(facts.models)
    for variant in look.serving.spec.variants:
        model = models[variant.name]
        if isinstance(model, Resolved) and any(map(_is_bound, model.containers)):
            links = tuple([await _seen(look, link, etags) if _is_bound(link) else link for link in model.containers])
            known = all(recorded(look.snapshot.status, link.package_arn) for link in links if link.looked_at)
            served = "" if known else await _served_etag(look, look.serving.own_model_name(variant))
            models[variant.name] = replace(model, containers=links, served_etag=served)
    return replace(facts, models=models)


def _is_bound(link: Container) -> bool:
    """Whether an approval speaks of the container's artifact; a folder is no object with an ETag."""
    return bool(link.package_arn and link.artifact and not link.artifact.endswith("/"))


async def _seen(look: Look, link: Container, etags: dict[str, str | None]) -> Container:
    assert link.artifact is not None, "only what is bound is looked at"
    if link.artifact not in etags:
        etags[link.artifact] = await etag_of(look.aws, look.scope, link.artifact)
    return replace(link, looked_at=True, etag=etags[link.artifact])


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
