"""What a MonitorPolicy watches that no ModelEndpoint's status tells: an endpoint that is not ours, and what a batch wrote. Reads only.

Called when a check is due; between two checks nothing is asked. Source: Amazon SageMaker API Reference (DescribeEndpoint,
DescribeEndpointConfig, DescribeModel, DescribeTransformJob).
"""

from __future__ import annotations

from typing import Any

from sagemaker_gitops.aws.kinds.monitor_sights import capture_root, described, root_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.monitor_policy.facts import Due, NotReady, Unfit, Watched
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.kinds.monitor_policy.target import (
    batch_target,
    chosen_variant,
    foreign_target,
    model_of,
    unfit_endpoint,
    unfit_output,
)


async def target_and_root(aws: Aws, scope: Scope, here: Pass, due: Due) -> tuple[Watched, str] | NotReady | Unfit:
    """What is checked now, and the folder of its data."""
    if due.job:
        return await _batch(aws, scope, here, due.job)
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


async def _batch(aws: Aws, scope: Scope, here: Pass, job: str) -> tuple[Watched, str] | NotReady | Unfit:
    """The output of one transform job, where AWS says that it lies."""
    completions = here.facts.completions
    completion = next((item for item in completions if item.job == job), None) if isinstance(completions, tuple) else None
    answer = await _found(aws, scope, "DescribeTransformJob", {"TransformJobName": job})
    if completion is None or answer.get("TransformJobStatus") != "Completed":
        return NotReady(f"transform job {job} is {answer.get('TransformJobStatus', 'not there')}, and not completed")
    root = f"{str(answer['TransformOutput']['S3OutputPath']).rstrip('/')}/"
    return unfit_output(here.bound, job, root) or (batch_target(here.spec, here.bound, completion), root)


async def _found(aws: Aws, scope: Scope, operation: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Empty where it is gone: an endpoint goes on serving when its config or model has been deleted."""
    try:
        return await aws.call(scope, "sagemaker", operation, parameters)
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return {}
        raise
