"""CloudWatch: metrics that are kept by period, alarms that are evaluated, dashboards that can be drawn.

`operations(world)` is what `app` mounts.
"""

from __future__ import annotations

import json

from local_aws import services
from local_aws.alarm_actions import Rung
from local_aws.cloudwatch.alarms import Alarms
from local_aws.cloudwatch.dashboards.operations import Dashboards
from local_aws.cloudwatch.metric_operations import MetricOperations
from local_aws.cloudwatch.tags import Tags
from local_aws.notifications import publish
from local_aws.service import Operations
from local_aws.world import World


def operations(world: World) -> Operations:
    """Every CloudWatch operation that this local AWS carries out itself."""
    shared = services.of(world)
    tags = Tags()
    alarms = Alarms(shared, tags)
    dashboards = Dashboards(shared, alarms, tags)
    world.picture = dashboards.picture

    def notify(topic_arn: str, rung: Rung) -> None:
        publish(world, topic_arn, rung.subject, json.dumps(rung.message))

    shared.alarm_actions["sns"] = notify
    world.on_close(alarms.close)
    return {**MetricOperations(shared).operations(), **alarms.operations(), **dashboards.operations(), **tags.operations()}
