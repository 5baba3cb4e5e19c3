"""Endpoints whose variants are scalable targets of Application Auto Scaling: what an update may not change, what a deletion takes along.

Sources: developer guide, "Update endpoints that use auto scaling" and "Delete endpoints configured for auto scaling"; the
refusal of a deletion from awslabs/stable-diffusion-aws-extension#161 (its code was not found). The refusal of an update is as
remembered, without a source.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from local_aws.errors import AwsError
from local_aws.hosting.fleet import Fleet
from local_aws.sagemaker.words import validation
from local_aws.service import Caller
from local_aws.world import World

NAMESPACE: Final = "sagemaker"
DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
_DEREGISTER: Final = "application-autoscaling:DeregisterScalableTarget"


def resource_id(endpoint: str, variant: str) -> str:
    return f"endpoint/{endpoint}/variant/{variant}"


def check_update(world: World, endpoint: str, old: Fleet, new: Fleet) -> None:
    """Refuse the removal of a variant that is registered, and another instance type for one."""
    changed = [
        name
        for name, variant in old.variants.items()
        if name not in new.variants or new.variants[name].instance_type != variant.instance_type
    ]
    registered = {target["ResourceId"] for target in _targets(world, endpoint, changed)}
    named = [name for name in changed if resource_id(endpoint, name) in registered]
    if named:
        raise validation(
            f'The variant(s) "{", ".join(named)}" must be deregistered as scalable target with AWS Application Auto Scaling before '
            "removing variants or changing instance type."
        )


def release(world: World, caller: Caller, endpoint: str, fleet: Fleet | None) -> None:
    """Deregister the variants of an endpoint that is about to be deleted, which its caller must be allowed to do."""
    targets = _targets(world, endpoint, fleet.variants if fleet is not None else ())
    if targets and world.identity.refusal(caller, _DEREGISTER) is not None:
        raise AwsError(
            "AccessDeniedException",
            "An Application AutoScaling scalable target exists for a variant being deleted, and the IAM identity used to invoke "
            f"DeleteEndpoint does not have {_DEREGISTER} permission to deregister the scalable target.",
        )
    for target in targets:
        world.client("application-autoscaling").deregister_scalable_target(
            ServiceNamespace=NAMESPACE, ResourceId=target["ResourceId"], ScalableDimension=DIMENSION
        )


def _targets(world: World, endpoint: str, variants: Iterable[str]) -> list[dict[str, Any]]:
    wanted = [resource_id(endpoint, name) for name in variants]
    if not wanted:
        return []
    scaling = world.client("application-autoscaling")
    answer = scaling.describe_scalable_targets(ServiceNamespace=NAMESPACE, ResourceIds=wanted, ScalableDimension=DIMENSION)
    found: list[dict[str, Any]] = answer["ScalableTargets"]
    return found
