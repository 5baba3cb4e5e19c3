"""Application Auto Scaling for endpoint variants: scalable targets, policies, and a scaler that keeps the minimum.

Source: Application Auto Scaling API Reference (RegisterScalableTarget and PutScalingPolicy overwrite; DeregisterScalableTarget takes the
policies along; ObjectNotFoundException without a target); SageMaker Developer Guide, "Automatic scaling": an update that takes a registered
variant away or gives it other machines is refused, which Hosting asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.aws import Context, Handler, Tags
from tests.simulation.aws_hosting import Hosting

SCALER_AFTER = 5.0  # seconds
SCALER_AGAIN = 30.0


class Scaling:
    """`targets` and `policies` by resource id."""

    def __init__(self, context: Context, hosting: Hosting) -> None:
        self._context = context
        self._hosting = hosting
        self.targets: dict[str, Mapping[str, Any]] = {}
        self.policies: dict[str, Mapping[str, Any]] = {}
        hosting.registered = lambda name, variant: f"endpoint/{name}/variant/{variant}" in self.targets

    def handlers(self) -> dict[str, Handler]:
        return {
            "application-autoscaling:RegisterScalableTarget": self._register,
            "application-autoscaling:DeregisterScalableTarget": self._deregister,
            "application-autoscaling:PutScalingPolicy": self._put,
            "application-autoscaling:DescribeScalableTargets": self._targets,
            "application-autoscaling:DescribeScalingPolicies": self._policies,
        }

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {}

    def _register(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        resource = parameters["ResourceId"]
        _, name, _, variant = resource.split("/")
        endpoint = self._hosting.find(name)
        if endpoint is None or endpoint.live is None or variant not in endpoint.variants:
            raise self._context.refuse("RegisterScalableTarget", resource, "ValidationException", f"No resource found for {resource}.")
        self.targets[resource] = parameters
        self._context.accept("RegisterScalableTarget", resource)
        self._context.agenda.add(SCALER_AFTER, lambda: self._scale(resource, name, variant))
        return {}

    def _scale(self, resource: str, name: str, variant: str) -> None:
        """The scaler asks for at least the minimum, again and again while the endpoint is busy."""
        target, endpoint = self.targets.get(resource), self._hosting.find(name)
        if target is None or endpoint is None or variant not in endpoint.variants or endpoint.variants[variant][1] >= target["MinCapacity"]:
            return
        if not self._hosting.scale(name, variant, target["MinCapacity"]):
            self._context.agenda.add(SCALER_AGAIN, lambda: self._scale(resource, name, variant))

    def _deregister(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        resource = parameters["ResourceId"]
        if resource not in self.targets:
            raise self._context.refuse("DeregisterScalableTarget", resource, "ObjectNotFoundException", f"No scalable target: {resource}")
        del self.targets[resource]
        self.policies.pop(resource, None)
        self._context.accept("DeregisterScalableTarget", resource)
        return {}

    def _put(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        resource = parameters["ResourceId"]
        if resource not in self.targets:
            raise self._context.refuse("PutScalingPolicy", resource, "ObjectNotFoundException", f"No scalable target: {resource}")
        self.policies[resource] = parameters
        self._context.accept("PutScalingPolicy", resource)
        return {}

    def _targets(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"ScalableTargets": [dict(self.targets[name]) for name in parameters["ResourceIds"] if name in self.targets]}

    def _policies(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        names = parameters["PolicyNames"]
        return {"ScalingPolicies": [dict(policy) for policy in self.policies.values() if policy["PolicyName"] in names]}
