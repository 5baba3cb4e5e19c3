"""A scalable target, its policies and its activities, as the Describe operations show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from local_aws.autoscaling.tracking import Past, Tracking
from local_aws.hosting.scalable import DIMENSION, NAMESPACE

_IDENTITY: Final = {"ServiceNamespace": NAMESPACE, "ScalableDimension": DIMENSION}
SUSPENDABLE: Final = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@dataclass(slots=True)
class Policy:
    """A target tracking policy; `alarms` are (high, low) or (high,), and `creator` stands behind its ARN in their actions."""

    name: str
    resource_id: str
    arn: str
    config: Mapping[str, Any]
    created: datetime
    alarms: tuple[str, ...] = ()
    creator: str = field(default_factory=lambda: str(uuid4()))

    @property
    def tracking(self) -> Tracking:
        return Tracking.of(self.config)

    @property
    def action(self) -> str:
        """What its alarms call."""
        return f"{self.arn}:createdBy/{self.creator}"

    def describe(self, alarm_arn: str) -> dict[str, Any]:
        """A ScalingPolicy; `alarm_arn` is the prefix of an alarm's ARN."""
        return {
            **_IDENTITY,
            "PolicyARN": self.arn,
            "PolicyName": self.name,
            "ResourceId": self.resource_id,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": self.config,
            "Alarms": [{"AlarmName": name, "AlarmARN": f"{alarm_arn}{name}"} for name in self.alarms],
            "CreationTime": self.created,
        }


@dataclass(slots=True)
class Activity:
    """One scaling; Pending until the endpoint is told, InProgress until it has the count."""

    resource_id: str
    before: int
    count: int
    cause: str
    began: datetime
    status: str = "Pending"
    ended: datetime | None = None
    message: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))

    def describe(self) -> dict[str, Any]:
        """A ScalingActivity."""
        return {
            **_IDENTITY,
            "ActivityId": self.id,
            "ResourceId": self.resource_id,
            "Description": f"Setting desired instance count to {self.count}.",
            "Cause": self.cause,
            "StartTime": self.began,
            "EndTime": self.ended,
            "StatusCode": self.status,
            "StatusMessage": self.message,
        }


@dataclass(slots=True)
class Target:
    """A registered variant. `silent` is until when its silence has been put as zeros (AWS seconds since the epoch)."""

    endpoint: str
    variant: str
    resource_id: str
    arn: str
    role: str
    low: int
    high: int
    created: datetime
    silent: float
    suspended: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SUSPENDABLE, False))
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    activity: Activity | None = None
    out: Past | None = None
    back: Past | None = None

    def describe(self) -> dict[str, Any]:
        """A ScalableTarget."""
        return {
            **_IDENTITY,
            "ResourceId": self.resource_id,
            "MinCapacity": self.low,
            "MaxCapacity": self.high,
            "RoleARN": self.role,
            "CreationTime": self.created,
            "SuspendedState": dict(self.suspended),
            "ScalableTargetARN": self.arn,
        }
