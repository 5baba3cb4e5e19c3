"""What Application Auto Scaling knows of an endpoint's variants, seen in one call for the targets and one for the policies.

Source: Application Auto Scaling API Reference (DescribeScalableTargets: 50 a page, DescribeScalingPolicies: 10 a page).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint, ModelEndpointFacts, Scalable, Tracking
from sagemaker_gitops.core.kinds.model_endpoint.scaling import (
    DIMENSION,
    METRIC,
    SERVICE,
    SERVICE_NAMESPACE,
    policy_name,
    recorded,
    resource_id,
)

TARGETS_AT_ONCE, POLICIES_AT_ONCE = 50, 10


async def look_at_scaling(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """Where the spec or the status speaks of scaling, or the status cannot be asked: it was lost, or is older than the spec."""
    endpoint, status = facts.endpoint, look.snapshot.status
    if not isinstance(endpoint, LiveEndpoint):
        return facts
    unknown = "variants" not in status
    if endpoint.state not in (EndpointState.IN_SERVICE, EndpointState.FAILED) and not unknown:
        return facts
    wanted = any(variant.autoscaling is not None for variant in look.serving.spec.variants)
    older = status.get("observedGeneration") != look.snapshot.generation
    if not (wanted or unknown or older or status.get("scalableTargets")):
        return facts
    names = endpoint.variants.keys() | recorded(status).keys()
    found = await scaling_of(look.aws, look.scope, look.serving.endpoint_name, sorted(names))
    facts = replace(facts, scaling=found)
    if found and endpoint.config != look.serving.config_name:
        facts = replace(facts, live_instance_types=await _instance_types(look, endpoint.config))
    return facts


async def scaling_of(aws: Aws, scope: Scope, endpoint: str, variants: Sequence[str]) -> dict[str, Scalable]:
    """The scaled ones among `variants`."""
    names = {resource_id(endpoint, variant): variant for variant in variants}
    targets = await targets_of(aws, scope, list(names)) if names else {}
    policies = await policies_of(aws, scope, [policy_name(endpoint)]) if targets else {}
    return {names[resource]: Scalable(*bounds, policies.get(resource)) for resource, bounds in targets.items()}


async def targets_of(aws: Aws, scope: Scope, resources: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Fewest and most instances by resource id, of at most 50."""
    request = {"ServiceNamespace": SERVICE_NAMESPACE, "ScalableDimension": DIMENSION, "ResourceIds": list(resources)}
    items = [item async for item in _pages(aws, scope, "DescribeScalableTargets", "ScalableTargets", request)]
    return {item["ResourceId"]: (item["MinCapacity"], item["MaxCapacity"]) for item in items if item["ResourceId"] in resources}


async def policies_of(aws: Aws, scope: Scope, names: Sequence[str]) -> dict[str, Tracking]:
    """The policies of these names by resource id, as far as they track what ours do."""
    request = {"ServiceNamespace": SERVICE_NAMESPACE, "PolicyNames": list(names)}
    items = [item async for item in _pages(aws, scope, "DescribeScalingPolicies", "ScalingPolicies", request)]
    found = {item["ResourceId"]: _tracking(item) for item in items if item["PolicyName"] in names}
    return {resource: tracking for resource, tracking in found.items() if tracking is not None}


def _tracking(item: Mapping[str, Any]) -> Tracking | None:
    config = item.get("TargetTrackingScalingPolicyConfiguration") or {}
    metric = (config.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
    if item.get("ScalableDimension") != DIMENSION or metric != METRIC or config.get("DisableScaleIn"):
        return None
    return Tracking(float(config["TargetValue"]), config.get("ScaleInCooldown", -1), config.get("ScaleOutCooldown", -1))


async def _instance_types(look: Look, config: str) -> dict[str, str]:
    """By variant; DescribeEndpoint does not tell. Without them every variant counts as one that changes."""
    try:
        answer = await look.aws.call(look.scope, "sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": config})
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return {}
        raise
    return {item["VariantName"]: item.get("InstanceType", "") for item in answer.get("ProductionVariants", ())}


async def _pages(aws: Aws, scope: Scope, operation: str, member: str, request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    following = None
    while True:
        answer = await aws.call(scope, SERVICE, operation, {**request} | ({"NextToken": following} if following else {}))
        for item in answer.get(member, ()):
            yield item
        following = answer.get("NextToken")
        if not following:
            return
