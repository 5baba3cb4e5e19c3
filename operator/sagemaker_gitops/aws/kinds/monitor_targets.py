"""What a MonitorPolicy watches that no ModelEndpoint's status tells: an endpoint that is not ours. Reads only.

Called when a check is due; between two checks nothing is asked. Source: Amazon SageMaker API Reference (DescribeEndpoint,
DescribeEndpointConfig, DescribeModel).
"""

from __future__ import annotations

from typing import Any

from sagemaker_gitops.aws.kinds.monitor_sights import capture_root, described, root_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.monitor_policy.facts import NotReady, Unfit, Watched
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.kinds.monitor_policy.target import chosen_variant, foreign_target, model_of, unfit_endpoint


async def target_and_root(aws: Aws, scope: Scope, here: Pass) -> tuple[Watched, str] | NotReady | Unfit:
    """What is checked now, and the folder of its data."""
    if here.spec.target.endpoint_name is not None:
        return await _foreign(aws, scope, here)
    watched = here.facts.target
    assert isinstance(watched, Watched), "a check is due only for what is watched"
    root = await capture_root(aws, scope, watched.endpoint)
    return (watched, root) if isinstance(root, str) else root


async def _foreign(aws: Aws, scope: Scope, here: Pass) -> tuple[Watched, str] | NotReady | Unfit:
    spec, name = here.spec, here.spec.target.name
    endpoint = await described(aws, scope, name)
    if isinstance(endpoint, NotReady):
        tenant = here.bound.spec
        return NotReady(f"{endpoint.message} in account {tenant.account}, region {tenant.region}")
    root = root_of(name, endpoint)
    if (unfit := unfit_endpoint(spec, here.bound, endpoint)) is not None:
        return unfit
    if isinstance(root, NotReady):
        return root
    variant = chosen_variant(spec, endpoint)
    if isinstance(variant, Unfit):
        return variant
    config = await _found(aws, scope, "DescribeEndpointConfig", {"EndpointConfigName": endpoint["EndpointConfigName"]})
    asked = model_of(config, variant)
    model = await _found(aws, scope, "DescribeModel", {"ModelName": asked}) if asked else {}
    target = foreign_target(spec, here.bound, endpoint, config, model)
    return (target, root) if isinstance(target, Watched) else target


async def _found(aws: Aws, scope: Scope, operation: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Empty where it is gone: an endpoint goes on serving when its config or model has been deleted."""
    try:
        return await aws.call(scope, "sagemaker", operation, parameters)
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return {}
        raise
