"""RegisterScalableTarget, DescribeScalableTargets, DeregisterScalableTarget, DescribeScalingActivities and tags.

Registering again changes only what the request names. Source: API reference of Application Auto Scaling; "Required IAM
permissions" of the SageMaker developer guide for what the caller must be allowed to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from botocore.exceptions import ClientError

from local_aws.autoscaling import words
from local_aws.autoscaling.policies import Policies
from local_aws.autoscaling.registry import Registry, check_namespace, identify, page
from local_aws.autoscaling.target import Target
from local_aws.errors import AwsError
from local_aws.service import Call, Operations
from local_aws.services import Services

_BURSTABLE: Final = re.compile(r"ml\.t\d")
_NEEDED: Final = ("sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities")
_MOST_TAGS: Final = 50


class Targets:
    """The operations on targets; `changed` is called when one was registered or changed."""

    def __init__(self, services: Services, registry: Registry, policies: Policies, changed: Callable[[], None]) -> None:
        self._services = services
        self._world = services.world
        self._registry = registry
        self._policies = policies
        self._changed = changed

    def operations(self) -> Operations:
        handlers = {
            "RegisterScalableTarget": self.register,
            "DescribeScalableTargets": self.describe,
            "DeregisterScalableTarget": self.deregister,
            "DescribeScalingActivities": self.activities,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list_tags,
        }
        return {("application-autoscaling", operation): handler for operation, handler in handlers.items()}

    def register(self, call: Call) -> dict[str, Any]:
        params = call.params
        endpoint, variant = identify(params)
        for action in _NEEDED:
            if self._world.identity.refusal(call.caller, action) is not None:
                raise words.denied(call.caller.arn, action)
        asynchronous = self._check_variant(endpoint, variant)
        with self._registry.lock:
            present = self._registry.get(params["ResourceId"])
            low, high = _limits(params, present, asynchronous)
            if present is None:
                present = self._registry.targets[params["ResourceId"]] = self._new(endpoint, variant, params, (low, high))
            elif "Tags" in params:
                raise words.validation("Tags cannot be specified when an existing scalable target is updated: use TagResource.")
            present.low, present.high = low, high
            present.suspended |= params.get("SuspendedState", {})
        self._changed()
        return {"ScalableTargetARN": present.arn}

    def describe(self, call: Call) -> dict[str, Any]:
        check_namespace(call.params)
        wanted = call.params.get("ResourceIds")
        found = [target.describe() for target in self._registry.all() if wanted is None or target.resource_id in wanted]
        return page(found, call.params, "ScalableTargets")

    def deregister(self, call: Call) -> dict[str, Any]:
        """With its policies and their alarms."""
        identify(call.params)
        with self._registry.lock:
            target = self._registry.targets.pop(call.params["ResourceId"], None)
        if target is None:
            raise words.target_absent(call.params["ResourceId"])
        for policy in target.policies.values():
            self._policies.drop_alarms(policy.alarms)
        return {}

    def activities(self, call: Call) -> dict[str, Any]:
        """Newest first."""
        check_namespace(call.params)
        with self._registry.lock:
            known = list(self._registry.activities)
        wanted = call.params.get("ResourceId")
        found = [activity.describe() for activity in reversed(known) if wanted in (None, activity.resource_id)]
        return page(found, call.params, "ScalingActivities")

    def tag(self, call: Call) -> dict[str, Any]:
        target = self._registry.tagged(call.params["ResourceARN"])
        merged = target.tags | call.params["Tags"]
        if len(merged) > _MOST_TAGS:
            raise AwsError("TooManyTagsException", f"A resource can have at most {_MOST_TAGS} tags.", members={"ResourceName": target.arn})
        target.tags = merged
        return {}

    def untag(self, call: Call) -> dict[str, Any]:
        target = self._registry.tagged(call.params["ResourceARN"])
        target.tags = {key: value for key, value in target.tags.items() if key not in call.params["TagKeys"]}
        return {}

    def list_tags(self, call: Call) -> dict[str, Any]:
        return {"Tags": dict(self._registry.tagged(call.params["ResourceARN"]).tags)}

    def _check_variant(self, endpoint: str, variant: str) -> bool:
        """Whether the endpoint is asynchronous; refused when there is no such variant on instances that can be scaled."""
        sagemaker = self._world.client("sagemaker")
        try:
            described = sagemaker.describe_endpoint(EndpointName=endpoint)
            config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
        except ClientError as error:
            raise words.validation(error.response["Error"]["Message"]) from error
        serving = {each["VariantName"] for each in described.get("ProductionVariants", ())}
        found = next((each for each in config["ProductionVariants"] if each["VariantName"] == variant and variant in serving), None)
        if found is None:
            raise words.validation(f'Could not find variant "{variant}" of endpoint "{endpoint}".')
        if "InstanceType" not in found:
            raise words.validation(f'Variant "{variant}" of endpoint "{endpoint}" is serverless and has no instance count.')
        if _BURSTABLE.match(found["InstanceType"]):
            raise words.burstable(found["InstanceType"])
        return "AsyncInferenceConfig" in config

    def _new(self, endpoint: str, variant: str, params: Mapping[str, Any], limits: tuple[int, int]) -> Target:
        world = self._world
        linked = (
            "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        )
        return Target(
            endpoint=endpoint,
            variant=variant,
            resource_id=params["ResourceId"],
            arn=f"arn:aws:application-autoscaling:{world.region}:{world.account}:scalable-target/{uuid4().hex}",
            role=f"arn:aws:iam::{world.account}:role/{linked}",
            low=limits[0],
            high=limits[1],
            created=self._services.now(),
            silent=world.clock.time(),
            tags=dict(params.get("Tags", {})),
        )


def _limits(params: Mapping[str, Any], present: Target | None, asynchronous: bool) -> tuple[int, int]:
    low = params.get("MinCapacity", None if present is None else present.low)
    high = params.get("MaxCapacity", None if present is None else present.high)
    if low is None or high is None:
        raise words.validation("MinCapacity and MaxCapacity are required when registering a new scalable target.")
    if low < 0 or high < 0:
        raise words.validation("Minimum and maximum capacity must be greater than or equal to 0.")
    if high < low:
        raise words.validation("Maximum capacity cannot be less than minimum capacity")
    if low == 0 and not asynchronous:
        raise words.validation("Minimum capacity must be 1 or higher for a variant of an endpoint that is not asynchronous.")
    return low, high
