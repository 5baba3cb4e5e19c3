"""Application Auto Scaling of SageMaker variants: targets, target tracking policies, and the scaling itself.

`operations(world)` is what `app` mounts. Other services' targets, step scaling and scheduled actions are refused.
"""

from __future__ import annotations

from local_aws import services
from local_aws.autoscaling.policies import Policies
from local_aws.autoscaling.registry import Registry
from local_aws.autoscaling.scaler import Scaler
from local_aws.autoscaling.targets import Targets
from local_aws.service import Operations
from local_aws.world import World

_POLL_SECONDS = 10.0


def operations(world: World) -> Operations:
    """Every operation of Application Auto Scaling that this local AWS carries out."""
    world.settings.setdefault("autoscaling.pollSeconds", _POLL_SECONDS)
    shared = services.of(world)
    registry = Registry(world)
    scaler = Scaler(shared, registry)
    shared.alarm_actions["autoscaling"] = scaler.ring
    shared.metric_sources.append(scaler.put_silence)
    policies = Policies(shared, registry)
    world.on_close(scaler.close)
    return {**Targets(shared, registry, policies, scaler.changed).operations(), **policies.operations()}
