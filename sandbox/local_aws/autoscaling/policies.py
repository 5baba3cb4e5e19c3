"""PutScalingPolicy, DescribeScalingPolicies, DeleteScalingPolicy: target tracking with its two alarms.

The alarms are ordinary CloudWatch alarms that call the policy: AlarmHigh after three minutes above the target, AlarmLow after fifteen
below nine tenths of it. A changed policy keeps its ARN and gets new alarms. Sources: user guide, "Target tracking scaling
policies"; alarms quoted in public code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from local_aws.autoscaling import words
from local_aws.autoscaling.registry import Registry, check_namespace, identify, page
from local_aws.autoscaling.target import Policy, Target
from local_aws.autoscaling.tracking import LOW
from local_aws.hosting import metrics
from local_aws.hosting.scalable import DIMENSION
from local_aws.metric_store import MINUTE, UNIT
from local_aws.service import Call, Caller, Operations
from local_aws.services import Services

_PREDEFINED: Final = "SageMakerVariantInvocationsPerInstance"
_PUT: Final = "cloudwatch:PutMetricAlarm"
_SPECIFICATIONS: Final = ("PredefinedMetricSpecification", "CustomizedMetricSpecification")
_NEEDED: Final = ("MetricName", "Namespace", "Statistic")


class Policies:
    """The operations on policies."""

    def __init__(self, services: Services, registry: Registry) -> None:
        self._services = services
        self._world = services.world
        self._registry = registry

    def operations(self) -> Operations:
        return {
            ("application-autoscaling", "PutScalingPolicy"): self.put,
            ("application-autoscaling", "DescribeScalingPolicies"): self.describe,
            ("application-autoscaling", "DeleteScalingPolicy"): self.delete,
        }

    def put(self, call: Call) -> dict[str, Any]:
        params = call.params
        identify(params)
        target = self._registry.get(params["ResourceId"])
        if target is None:
            raise words.target_needed(params["ResourceId"])
        config = _config(params)
        self._check_allowed(call.caller)
        with self._registry.lock:
            _check_alone(target, params["PolicyName"], config)
            policy = target.policies.get(params["PolicyName"]) or self._new(params, config)
            old, policy.config = policy.alarms, config
            policy.alarms = _alarm_names(policy)
            target.policies[policy.name] = policy
        self._put_alarms(target, policy)
        self.drop_alarms(old)
        described = policy.describe(self._registry.alarm_arn)
        return {"PolicyARN": policy.arn, "Alarms": described["Alarms"]}

    def describe(self, call: Call) -> dict[str, Any]:
        params = call.params
        check_namespace(params)
        names, resource_id = params.get("PolicyNames"), params.get("ResourceId")
        found = [
            policy.describe(self._registry.alarm_arn)
            for target in self._registry.all()
            if resource_id in (None, target.resource_id)
            for policy in tuple(target.policies.values())
            if not names or policy.name in names
        ]
        return page(found, params, "ScalingPolicies")

    def delete(self, call: Call) -> dict[str, Any]:
        params = call.params
        identify(params)
        target = self._registry.get(params["ResourceId"])
        with self._registry.lock:
            policy = None if target is None else target.policies.pop(params["PolicyName"], None)
        if policy is None:
            raise words.policy_absent(params["ResourceId"], params["PolicyName"])
        self.drop_alarms(policy.alarms)
        return {}

    def drop_alarms(self, names: tuple[str, ...]) -> None:
        if names:
            self._world.client("cloudwatch").delete_alarms(AlarmNames=list(names))

    def _check_allowed(self, caller: Caller) -> None:
        """The alarms are made with the caller's permissions."""
        if self._world.identity.refusal(caller, _PUT) is not None:
            raise words.denied(caller.arn, _PUT)

    def _new(self, params: Mapping[str, Any], config: Mapping[str, Any]) -> Policy:
        world, name, resource_id = self._world, params["PolicyName"], params["ResourceId"]
        owned = f"resource/sagemaker/{resource_id}:policyName/{name}"
        arn = f"arn:aws:autoscaling:{world.region}:{world.account}:scalingPolicy:{uuid4()}:{owned}"
        return Policy(name, resource_id, arn, config, self._services.now())

    def _put_alarms(self, target: Target, policy: Policy) -> None:
        cloudwatch, tracking = self._world.client("cloudwatch"), policy.tracking
        rules = (("GreaterThanThreshold", tracking.target, 3), ("LessThanThreshold", round(tracking.target * LOW, 6), 15))
        for name, (comparison, threshold, periods) in zip(policy.alarms, rules, strict=False):
            cloudwatch.put_metric_alarm(
                AlarmName=name,
                AlarmDescription=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.action}.",
                AlarmActions=[policy.action],
                ComparisonOperator=comparison,
                Threshold=threshold,
                EvaluationPeriods=periods,
                Period=MINUTE,
                **_metric(target, policy.config),
            )


def _alarm_names(policy: Policy) -> tuple[str, ...]:
    kinds = ("AlarmHigh", "AlarmLow") if policy.tracking.scales_in else ("AlarmHigh",)
    return tuple(f"TargetTracking-{policy.resource_id}-{kind}-{uuid4()}" for kind in kinds)


def _metric(target: Target, config: Mapping[str, Any]) -> dict[str, Any]:
    """The members of PutMetricAlarm that name the metric."""
    own = config.get("CustomizedMetricSpecification")
    if own is not None:
        return {member: own[member] for member in ("MetricName", "Namespace", "Statistic", "Dimensions", "Unit") if member in own}
    dimensions = sorted(metrics.dimensions(target.endpoint, target.variant))
    return {
        "MetricName": metrics.PER_INSTANCE,
        "Namespace": metrics.NAMESPACE,
        "Statistic": "Sum",
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
        "Unit": UNIT,
    }


def _config(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of a policy that can be carried out here."""
    kind = params.get("PolicyType", "StepScaling")
    if kind != "TargetTrackingScaling":
        raise words.unsupported(f"PolicyType {kind}")
    config: Mapping[str, Any] | None = params.get("TargetTrackingScalingPolicyConfiguration")
    if config is None:
        raise words.validation("TargetTrackingScalingPolicyConfiguration is required when PolicyType is TargetTrackingScaling.")
    if config["TargetValue"] <= 0:
        raise words.validation("TargetValue must be greater than 0.")
    for member in ("ScaleOutCooldown", "ScaleInCooldown"):
        if config.get(member, 0) < 0:
            raise words.validation(f"{member} must not be negative.")
    given = [name for name in _SPECIFICATIONS if name in config]
    if len(given) != 1:
        raise words.validation("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified.")
    _CHECKS[given[0]](config[given[0]])
    return config


def _check_predefined(specification: Mapping[str, Any]) -> None:
    if specification["PredefinedMetricType"] != _PREDEFINED:
        raise words.validation(f"Scalable dimension {DIMENSION} only supports the following predefined metric types: {_PREDEFINED}")
    if "ResourceLabel" in specification:
        raise words.validation(f"ResourceLabel must not be specified for {_PREDEFINED}.")


def _check_customized(specification: Mapping[str, Any]) -> None:
    if "Metrics" in specification:
        raise words.unsupported("Metric math (CustomizedMetricSpecification.Metrics)")
    absent = [member for member in _NEEDED if member not in specification]
    if absent:
        raise words.validation(f"{absent[0]} of CustomizedMetricSpecification is required.")


_CHECKS: Final[Mapping[str, Callable[[Mapping[str, Any]], None]]] = {
    "PredefinedMetricSpecification": _check_predefined,
    "CustomizedMetricSpecification": _check_customized,
}


def _check_alone(target: Target, name: str, config: Mapping[str, Any]) -> None:
    """One policy for a metric."""
    for other in target.policies.values():
        if other.name != name and all(other.config.get(each) == config.get(each) for each in _SPECIFICATIONS):
            raise words.validation("Only one TargetTrackingScaling policy for a given metric specification is allowed.")
