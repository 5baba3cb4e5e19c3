"""The alarms that a deployment watches: they must exist when it begins, and one in ALARM rolls it back.

Source: developer guide, "Auto-Rollback Configuration and Monitoring", which asks for the execution role's permission to describe
the alarms. What AWS does about an alarm that does not exist is not documented: here the update is refused, because such an
alarm would never ring. Both wordings are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from local_aws.sagemaker.words import validation
from local_aws.world import World

_ACTION = "cloudwatch:DescribeAlarms"


def check(world: World, alarms: Sequence[str], roles: Iterable[str]) -> None:
    """Refuse alarms that do not exist or that an execution role may not describe."""
    if not alarms:
        return
    present = {alarm["AlarmName"] for alarm in _described(world, alarms)}
    absent = [name for name in alarms if name not in present]
    if absent:
        raise validation(f"Could not find CloudWatch alarm(s) {', '.join(absent)} of AutoRollbackConfiguration.")
    for role in sorted(set(roles)):
        if world.identity.decision(role, _ACTION) is not None:
            raise validation(f"Role {role} needs the {_ACTION} permission for the alarms of AutoRollbackConfiguration.")


def ringing(world: World, alarms: Sequence[str]) -> bool:
    """Whether one of them is in ALARM."""
    return bool(alarms) and any(alarm["StateValue"] == "ALARM" for alarm in _described(world, alarms))


def _described(world: World, alarms: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.client("cloudwatch").describe_alarms(AlarmNames=list(alarms))["MetricAlarms"]
    return found
