"""Tags of endpoint, live config and its models: read when other tags are wanted than were last seen, and when a pass looks anew."""

from __future__ import annotations

from dataclasses import replace

from sagemaker_gitops.aws.kinds.hosting import foreign, tags_of
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.drift import DRIFTED
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint, ModelEndpointFacts
from sagemaker_gitops.core.kinds.model_endpoint.tagging import tagged_key


async def tags(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """An endpoint whose tags do not name us any more is somebody else's: it is not managed, and not deleted (failure-modes.md E4)."""
    serving, live, status = look.serving, facts.endpoint, look.snapshot.status
    if not isinstance(live, LiveEndpoint) or live.state is not EndpointState.IN_SERVICE or live.config != serving.config_name:
        return facts
    known = status.get("tagged") == tagged_key(serving) and status.get("phase") != DRIFTED
    if known and not look.anew:
        return facts
    arn, found = await tags_of(look.aws, look.scope, "endpoint", serving.endpoint_name)
    if not naming.owned_by(found, serving.install, serving.owner):
        return replace(facts, endpoint=foreign(found, live))
    seen = {arn: found}
    models = sorted({serving.model_name(variant) for variant in serving.spec.variants})
    for resource, name in (("endpoint-config", serving.config_name), *(("model", name) for name in models)):
        try:
            arn, found = await tags_of(look.aws, look.scope, resource, name)
        except AwsFailure as failure:
            if failure.category is not Category.NOT_FOUND:
                raise
            continue  # deleted under the endpoint that uses it: AWS allows that, and there is nothing to tag
        seen[arn] = found
    return replace(facts, tags=seen)
