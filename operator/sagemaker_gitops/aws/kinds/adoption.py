"""Whether the config of an endpoint that somebody else made has the content that is wanted: then nothing needs to be updated."""

from __future__ import annotations

from dataclasses import replace

from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.adoption import adoption_of, equal_config
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint, ModelEndpointFacts
from sagemaker_gitops.core.kinds.model_endpoint.situation import asked_for


async def alias(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """Compared once, before the first update of an endpoint that this object has not updated yet (or whose status was lost)."""
    serving, live, status = look.serving, facts.endpoint, look.snapshot.status
    if not isinstance(live, LiveEndpoint) or live.state is not EndpointState.IN_SERVICE or live.config == serving.config_name:
        return facts
    adopted = adoption_of(status).get("config") == live.config or not status.get("lastGood")
    if not adopted or asked_for(status, serving.own_config_name):
        return facts
    try:
        config = await look.aws.call(look.scope, "sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": live.config})
        names = sorted({item["ModelName"] for item in config.get("ProductionVariants", ()) if "ModelName" in item})
        models = {name: await look.aws.call(look.scope, "sagemaker", "DescribeModel", {"ModelName": name}) for name in names}
    except AwsFailure as failure:
        if failure.category is not Category.NOT_FOUND:
            raise
        return facts
    return replace(facts, alias=equal_config(serving, config, models))
