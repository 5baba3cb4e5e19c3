"""EventBridge: rules with a schedule and EventBridge Scheduler, at the clock's speed. The records are moto's.

`when` is pure: rate, cron and at. `schedules` checks what is created before moto keeps it, and sends when it is due; `targets` sends.
"""

from __future__ import annotations

from local_aws.scheduling.schedules import Schedules
from local_aws.service import Operations
from local_aws.world import World


def operations(world: World) -> Operations:
    """None of its own: it hooks into moto's."""
    schedules = Schedules(world)
    world.hooks |= schedules.hooks()
    world.on_close(schedules.close)
    return {}
