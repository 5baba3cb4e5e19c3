"""CloudTrail's event history: LookupEvents over the mutating calls of SageMaker and Application Auto Scaling.

For whoever lost an answer and asks whether the call was carried out. Trails are moto's. `operations(world)` is what `app` mounts.
"""

from __future__ import annotations

from local_aws.cloudtrail.history import History
from local_aws.cloudtrail.lookup import Lookup
from local_aws.service import Operations
from local_aws.world import World


def operations(world: World) -> Operations:
    """LookupEvents; from now on `app` tells the history of every call."""
    world.settings.setdefault("cloudtrail.lagSeconds", 0.0)
    world.trail = history = History(world.clock)
    return {("cloudtrail", "LookupEvents"): Lookup(world, history).lookup}
