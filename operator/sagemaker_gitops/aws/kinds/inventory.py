"""Every endpoint config and model of an object at AWS, by name and proven by tag: what status may have forgotten.

For deletion, for a first creation that is held back, and for the moment in which a config comes into service: what was tried in vain,
overtaken by an edit, or forgotten with a lost status is collected then (failure-modes.md D1).
Sources: Amazon SageMaker API Reference, ListEndpointConfigs, ListModels, ListTags.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sagemaker_gitops.aws.kinds.hosting import look_at_endpoint, tags_of
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import ModelEndpointFacts, NoEndpoint, Owned
from sagemaker_gitops.core.kinds.model_endpoint.serving import endpoint_name
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, remembered
from sagemaker_gitops.core.kinds.model_endpoint.smoke import recorded, stand_config
from sagemaker_gitops.core.kinds.model_endpoint.withdrawn import to_collect
from sagemaker_gitops.core.resource import Key

PAGE = 100
_LISTS = (
    ("endpoint-config", "ListEndpointConfigs", "EndpointConfigs", "EndpointConfigName"),
    ("model", "ListModels", "Models", "ModelName"),
)


async def owned(aws: Aws, scope: Scope, install: str, owner: Key, known: Collection[str] = ()) -> Owned:
    """Configs and models whose tags name `owner`, but for the `known` ones, whose tags nobody has to read."""
    configs, models = [await _ours(aws, scope, install, owner, known, *listing) for listing in _LISTS]
    return Owned(configs, models)


async def strays(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """A sight: what no status names, looked for in the passes that may be the first to say InService."""
    serving, status = look.serving, look.snapshot.status
    if not look.arrives(facts):
        return facts
    owner = look.snapshot.key
    stand = {stand_config(owner, str(recorded(status).get("config")))}  # goes with the stand of its test
    found = await owned(look.aws, look.scope, serving.install, owner, remembered(status, serving) | stand)
    return replace(facts, strays=found)


async def left_behind(aws: Aws, scope: Scope, here: Pass) -> ModelEndpointFacts:
    """Everything that a first creation has made which can arrive no more, where no endpoint has come of it."""
    facts, owner, install = here.facts, here.snapshot.key, here.settings.install
    if not to_collect(here):
        return facts
    if facts.endpoint is None:
        name = endpoint_name(install, owner, here.spec.endpoint_name)
        facts = replace(facts, endpoint=await look_at_endpoint(aws, scope, name, install, owner, proven=False))
    if isinstance(facts.endpoint, NoEndpoint):
        facts = replace(facts, strays=await owned(aws, scope, install, owner))
    return facts


async def _ours(
    aws: Aws, scope: Scope, install: str, owner: Key, known: Collection[str], resource: str, operation: str, member: str, name_member: str
) -> tuple[str, ...]:
    found, following = [], None
    while True:
        request = {"NameContains": naming.readable(owner), "MaxResults": PAGE} | ({"NextToken": following} if following else {})
        answer = await aws.call(scope, "sagemaker", operation, request)
        for name in (item[name_member] for item in answer.get(member, ())):
            if name not in known and await _is_ours(aws, scope, install, owner, resource, name):
                found.append(name)
        following = answer.get("NextToken")
        if not following:
            return tuple(found)


async def _is_ours(aws: Aws, scope: Scope, install: str, owner: Key, resource: str, name: str) -> bool:
    """False as well for what was adopted, and for what has gone since it was listed."""
    try:
        _, tags = await tags_of(aws, scope, resource, name)
        return naming.owned_by(tags, install, owner) and naming.TAG_ADOPTED not in tags
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return False
        raise
