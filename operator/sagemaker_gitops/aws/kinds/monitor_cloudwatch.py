"""What CloudWatch holds of a MonitorPolicy. Reads only.

Looked for where status may not know: before a change of what is there, and when the policy goes.
"""

from __future__ import annotations

from sagemaker_gitops.aws.kinds.alarms import alarms_called, foreign_alarm_owner
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveAlarm
from sagemaker_gitops.core.kinds.monitor_policy.dashboard import dashboard_name
from sagemaker_gitops.core.kinds.monitor_policy.publish import alarm_prefix
from sagemaker_gitops.core.resource import Key


async def own_alarms(aws: Aws, scope: Scope, install: str, owner: Key) -> dict[str, LiveAlarm]:
    """The alarms that are ours by tag."""
    found = await alarms_called(aws, scope, alarm_prefix(owner))
    foreign = [name for name in found if await foreign_alarm_owner(aws, scope, name, install, owner) is not None]
    return {name: alarm for name, alarm in found.items() if name not in foreign}


async def own_dashboards(aws: Aws, scope: Scope, install: str, owner: Key) -> tuple[str, ...]:
    """The policy's dashboard, if it is there: one that was made just before a crash stands in no status."""
    name = dashboard_name(install, owner)
    answer = await aws.call(scope, "cloudwatch", "ListDashboards", {"DashboardNamePrefix": name})
    return tuple(item["DashboardName"] for item in answer.get("DashboardEntries", ()) if item["DashboardName"] == name)
