"""A variant as a scalable target, and what refuses it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit, only_variant
from service_kit import until

NAMESPACE = {"ServiceNamespace": "sagemaker"}
DIMENSION = NAMESPACE | {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
INVOCATIONS = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


class Scaled:
    """A variant as a scalable target; `scaling` is the client."""

    def __init__(self, kit: HostingKit, endpoint: str, variant: str = "AllTraffic") -> None:
        self._kit = kit
        self.endpoint = endpoint
        self.scaling = kit.client("application-autoscaling")
        self.id = DIMENSION | {"ResourceId": f"endpoint/{endpoint}/variant/{variant}"}

    def register(self, low: int | None = 1, high: int | None = 4, **changes: Any) -> str:
        """The target's ARN."""
        limits = {name: value for name, value in (("MinCapacity", low), ("MaxCapacity", high)) if value is not None}
        arn: str = self.scaling.register_scalable_target(**(self.id | limits | changes))["ScalableTargetARN"]
        return arn

    def policy(self, target: float = 5.0, name: str = "track", **changes: Any) -> dict[str, Any]:
        config = {"TargetValue": target, "ScaleOutCooldown": 60, "ScaleInCooldown": 60, **INVOCATIONS} | changes
        config = {member: value for member, value in config.items() if value is not None}
        answer: dict[str, Any] = self.scaling.put_scaling_policy(
            PolicyName=name, PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=config, **self.id
        )
        return answer

    def target(self) -> dict[str, Any]:
        (found,) = self.scaling.describe_scalable_targets(**NAMESPACE, ResourceIds=[self.id["ResourceId"]])["ScalableTargets"]
        described: dict[str, Any] = found
        return described

    def activities(self) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = self.scaling.describe_scaling_activities(**self.id)["ScalingActivities"]
        return found

    def counts(self) -> tuple[int, int]:
        """(desired, current)."""
        variant = only_variant(self._kit.described(self.endpoint))
        return variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]

    def reaches(self, count: int, seconds: float = 30.0) -> None:
        until(lambda: self.counts() == (count, count), f"{count} instances of {self.endpoint}", seconds)


def refused(call: Any, code: str, message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code
