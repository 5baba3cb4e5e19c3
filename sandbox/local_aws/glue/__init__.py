"""Glue: jobs and job runs that run; every other Glue operation is moto's.

`operations(world)` is what `app` mounts.
"""

from __future__ import annotations

from local_aws import services
from local_aws.glue.jobs import Jobs
from local_aws.glue.runs import Runs
from local_aws.service import Operations
from local_aws.world import World


def operations(world: World) -> Operations:
    """Every Glue operation that this local AWS carries out itself."""
    shared = services.of(world)
    jobs = Jobs(shared)
    return {**jobs.operations(), **Runs(shared, jobs).operations()}
