"""What Application Auto Scaling refuses: targets, policies, what is not there, what is not allowed."""

from __future__ import annotations

from typing import Any

import pytest
from hosting_kit import HostingKit
from scaling_kit import NAMESPACE, Scaled, refused
from service_kit import ACCOUNT


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MinCapacity": 3, "MaxCapacity": 2}, "Maximum capacity cannot be less than minimum capacity"),
        ({"MinCapacity": 0}, "Minimum capacity must be 1 or higher"),
        ({"MinCapacity": -1}, "must be greater than or equal to 0"),
        ({"ResourceId": "endpoint/nobody/variant/AllTraffic"}, 'Could not find endpoint "arn:aws:sagemaker:'),
        ({"ResourceId": "service/cluster/service"}, "Unsupported service namespace, resource type or scalable dimension"),
        ({"ScalableDimension": "ecs:service:DesiredCount"}, "Unsupported service namespace, resource type or scalable dimension"),
        ({"ServiceNamespace": "ecs"}, "Service namespace ecs is not supported in this local AWS"),
        ({"ScalableDimension": "wrong"}, "1 validation error detected: Value 'wrong' at 'scalableDimension'"),
    ],
)
def test_wrong_targets_are_refused(scaled: Scaled, changes: dict[str, Any], message: str) -> None:
    """And nothing is registered."""
    request = scaled.id | {"MinCapacity": 1, "MaxCapacity": 2} | changes
    refused(lambda: scaled.scaling.register_scalable_target(**request), "ValidationException", message)
    assert scaled.scaling.describe_scalable_targets(**NAMESPACE, ResourceIds=[scaled.id["ResourceId"]])["ScalableTargets"] == []


def test_what_cannot_be_scaled_is_refused(quick: HostingKit, scaled: Scaled) -> None:
    """Burstable and serverless variants, a variant that is not there, a new target without limits; an asynchronous one may go to zero."""
    burstable = Scaled(quick, quick.serving(quick.config(quick.variant(InstanceType="ml.t2.medium"))))
    refused(burstable.register, "ValidationException", "You cannot register a variant with ml.t2.medium instance type as a scalable target")
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    serverless = quick.config({"VariantName": "AllTraffic", "ModelName": quick.model("s"), "ServerlessConfig": config})
    refused(Scaled(quick, quick.serving(serverless)).register, "ValidationException", "is serverless")
    refused(Scaled(quick, scaled.endpoint, "other").register, "ValidationException", 'Could not find variant "other"')
    refused(lambda: scaled.register(1, None), "ValidationException", "MinCapacity and MaxCapacity are required")
    output = {"OutputConfig": {"S3OutputPath": "s3://kit-bucket/async"}}
    asynchronous = Scaled(quick, quick.serving(quick.config(AsyncInferenceConfig=output)))
    asynchronous.register(0, 2)
    assert asynchronous.target()["MinCapacity"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TargetValue": 0.0}, "TargetValue must be greater than 0"),
        ({"ScaleInCooldown": -1}, "ScaleInCooldown must not be negative"),
        ({"PredefinedMetricSpecification": None}, "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification"),
        (
            {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
            "sagemaker:variant:DesiredInstanceCount only supports the following predefined metric types",
        ),
        (
            {"PredefinedMetricSpecification": None, "CustomizedMetricSpecification": {"MetricName": "m", "Statistic": "Sum"}},
            "Namespace of CustomizedMetricSpecification is required",
        ),
    ],
)
def test_wrong_policies_are_refused(scaled: Scaled, changes: dict[str, Any], message: str) -> None:
    """And no alarm is made."""
    scaled.register()
    refused(lambda: scaled.policy(**changes), "ValidationException", message)
    assert scaled.scaling.describe_scaling_policies(**scaled.id)["ScalingPolicies"] == []


def test_what_is_not_there_is_refused(scaled: Scaled) -> None:
    """In AWS's words: no target, no policy, two policies for one metric, other kinds of policies, operations that are not here."""
    identity = (
        f"service namespace: sagemaker, resource ID: {scaled.id['ResourceId']}, scalable dimension: sagemaker:variant:DesiredInstanceCount"
    )
    refused(scaled.policy, "ObjectNotFoundException", f"No scalable target registered for {identity}")
    refused(
        lambda: scaled.scaling.deregister_scalable_target(**scaled.id),
        "ObjectNotFoundException",
        f"No scalable target found for {identity}",
    )
    scaled.register()
    delete = lambda: scaled.scaling.delete_scaling_policy(PolicyName="gone", **scaled.id)  # noqa: E731
    refused(delete, "ObjectNotFoundException", f"No scaling policy found for {identity}, policy name: gone")
    scaled.policy()
    refused(
        lambda: scaled.policy(name="second"),
        "ValidationException",
        "Only one TargetTrackingScaling policy for a given metric specification",
    )
    step = lambda: scaled.scaling.put_scaling_policy(PolicyName="s", PolicyType="StepScaling", **scaled.id)  # noqa: E731
    refused(step, "ValidationException", "PolicyType StepScaling is not supported in this local AWS")
    schedule = lambda: scaled.scaling.put_scheduled_action(ScheduledActionName="s", Schedule="rate(1 hour)", **scaled.id)  # noqa: E731
    refused(schedule, "UnknownOperationException", "does not implement application-autoscaling:PutScheduledAction")


@pytest.mark.parametrize("action", ["sagemaker:UpdateEndpointWeightsAndCapacities", "application-autoscaling:RegisterScalableTarget"])
def test_registering_needs_permissions(quick: HostingKit, scaled: Scaled, action: str) -> None:
    """On the target and on what scaling does to the endpoint."""
    quick.world.identity.deny("jobs", action)
    minted = quick.world.identity.mint(f"arn:aws:iam::{ACCOUNT}:role/jobs", "test", None)
    limited = quick.client_as("application-autoscaling", minted.access_key_id, minted.session_token)
    register = lambda: limited.register_scalable_target(**scaled.id, MinCapacity=1, MaxCapacity=2)  # noqa: E731
    refused(register, "AccessDeniedException", f"not authorized to perform: {action}")


def test_a_policy_needs_the_permission_for_its_alarms(quick: HostingKit, scaled: Scaled) -> None:
    """cloudwatch:PutMetricAlarm of the caller."""
    scaled.register()
    quick.world.identity.deny("jobs", "cloudwatch:PutMetricAlarm")
    minted = quick.world.identity.mint(f"arn:aws:iam::{ACCOUNT}:role/jobs", "test", None)
    scaled.scaling = quick.client_as("application-autoscaling", minted.access_key_id, minted.session_token)
    refused(scaled.policy, "AccessDeniedException", "not authorized to perform: cloudwatch:PutMetricAlarm")
