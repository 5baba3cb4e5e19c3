"""Autoscaling of variants: the scalable target and the target tracking policy that hang on the endpoint beside its config. Pure.

From registration on the number of instances is the scaler's. AWS refuses an update that changes the instance type of a registered
variant, so registration ends before such an update and begins again when the endpoint is in service, whichever config then serves.
Sources: Application Auto Scaling API Reference; Amazon SageMaker Developer Guide, "Update endpoints that use auto scaling".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagemaker_gitops.api.fields import duration, seconds
from sagemaker_gitops.api.model_endpoint import DEFAULT_COOLDOWN, Autoscaling
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint, Scalable, Tracking
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, left_of_quarantine

SERVICE = "application-autoscaling"
SERVICE_NAMESPACE, DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"
METRIC = "SageMakerVariantInvocationsPerInstance"


def wanted_of(scaling: Autoscaling) -> Scalable:
    """What AWS is to be told, with every default filled in."""
    cooldown_in, cooldown_out = scaling.scale_in_cooldown, scaling.scale_out_cooldown
    return Scalable(
        scaling.min_capacity,
        scaling.max_capacity,
        Tracking(
            scaling.target_invocations_per_instance,
            DEFAULT_COOLDOWN if cooldown_in is None else cooldown_in,
            DEFAULT_COOLDOWN if cooldown_out is None else cooldown_out,
        ),
    )


def resource_id(endpoint: str, variant: str) -> str:
    return f"endpoint/{endpoint}/variant/{variant}"


def policy_name(endpoint: str) -> str:
    """One name for the policies of all variants of an endpoint: one call finds them. Other policies are somebody else's."""
    return f"{endpoint}-invocations-per-instance"


def corrections(here: Pass, serving: Serving, live: LiveEndpoint) -> tuple[Action, ...]:
    """What brings the variants that are live to what is wanted of them."""
    if here.facts.scaling is None:
        return ()
    endpoint, wanted, actions = serving.endpoint_name, _wanted(here, live), list[Action]()
    for name in sorted(here.facts.scaling.keys() - wanted.keys()):
        if _is_ours(here, name):
            actions.append(deregister(endpoint, name))
    for name, target in wanted.items():
        found = here.facts.scaling.get(name)
        if found is None or (found.minimum, found.maximum) != (target.minimum, target.maximum):
            actions.append(_register(endpoint, name, target))
        if found is None or found.policy != target.policy:
            actions.append(_put_policy(endpoint, name, target))
    return tuple(actions)


def status_fields(here: Pass, live: LiveEndpoint) -> dict[str, Any]:
    """What later passes, deletion and rollbacks find the targets by: what is wanted, and what was and may still come to be."""
    if here.facts.scaling is None:
        return {}
    wanted, told = _wanted(here, live), asked(here.snapshot.status)
    for name, target in wanted.items():
        if target != here.facts.scaling.get(name):
            told[name] = timestamp(here.now)
    late = {name: target for name, target in recorded(here.snapshot.status).items() if name not in wanted and _left(here, name) > 0}
    return {"scalableTargets": [_entry(name, target, told.get(name)) for name, target in {**wanted, **late}.items()] or None}


def next_look(here: Pass, live: LiveEndpoint) -> float | None:
    """Seconds until a registration that is not wanted any more can arrive no more; None: there is none."""
    if here.facts.scaling is None:
        return None
    left = [_left(here, name) for name in recorded(here.snapshot.status).keys() - _wanted(here, live).keys()]
    return max((seconds for seconds in left if seconds > 0), default=None)


def refound(here: Pass) -> dict[str, Any]:
    """What a lost status knew of the targets, as far as AWS tells while nothing can be done about them."""
    found = {name: target for name, target in (here.facts.scaling or {}).items() if target.policy is not None}
    return {"scalableTargets": [_entry(name, target, None) for name, target in sorted(found.items())]} if found else {}


def in_the_way(here: Pass, serving: Serving, live: LiveEndpoint | None) -> tuple[Action, ...]:
    """Ends the registration of variants that the wanted config has on other machines, or not at all."""
    if live is None:
        return ()
    wanted, now = serving.effective.instance_types, here.facts.live_instance_types
    changed = [name for name in sorted(here.facts.scaling or ()) if name not in now or wanted.get(name) != now[name]]
    return tuple(deregister(serving.endpoint_name, name) for name in changed)


def detach(here: Pass, serving: Serving) -> tuple[Action, ...]:
    """Ends every registration, before the endpoint is deleted."""
    return tuple(deregister(serving.endpoint_name, name) for name in sorted(here.facts.scaling or ()))


def requests(serving: Serving) -> tuple[AwsRequest, ...]:
    """Everything that the spec may ask for, for validation."""
    endpoint = serving.endpoint_name
    targets = [(variant.name, wanted_of(variant.autoscaling)) for variant in serving.spec.variants if variant.autoscaling is not None]
    return tuple(make(endpoint, name, target) for name, target in targets for make in (_register, _put_policy))


def deregister(endpoint: str, variant: str) -> AwsRequest:
    """Takes the variant's policies and scheduled actions along."""
    return _request("DeregisterScalableTarget", endpoint, variant, {})


def asked(status: Mapping[str, Any]) -> dict[str, str]:
    """When AWS was last told about a variant."""
    entries = [entry for entry in status.get("scalableTargets") or () if isinstance(entry, Mapping)]
    return {str(entry.get("name")): str(entry["askedAt"]) for entry in entries if entry.get("askedAt")}


def recorded(status: Mapping[str, Any]) -> dict[str, Scalable]:
    """What status says that AWS was told; an entry that somebody has edited beyond reading is none."""
    found = {}
    for entry in status.get("scalableTargets") or ():
        try:
            policy = Tracking(entry["targetInvocationsPerInstance"], seconds(entry["scaleInCooldown"]), seconds(entry["scaleOutCooldown"]))
            found[str(entry["name"])] = Scalable(entry["minCapacity"], entry["maxCapacity"], policy)
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _left(here: Pass, name: str) -> float:
    return left_of_quarantine(here, asked(here.snapshot.status).get(name))


def _wanted(here: Pass, live: LiveEndpoint) -> dict[str, Scalable]:
    """By live variant: the spec's word, or the last one about a variant that a rolled back update was to take away."""
    spoken, before = {variant.name: variant.autoscaling for variant in here.spec.variants}, recorded(here.snapshot.status)
    found = {}
    for name in live.variants:
        scaling = spoken.get(name)
        if scaling is not None:
            found[name] = wanted_of(scaling)
        elif name not in spoken and name in before:
            found[name] = before[name]
    return found


def _is_ours(here: Pass, variant: str) -> bool:
    """Somebody may scale a variant that the spec leaves alone; a policy of our name, or our own word, proves that it was us."""
    found = (here.facts.scaling or {})[variant]
    return found.policy is not None or variant in recorded(here.snapshot.status)


def _entry(name: str, target: Scalable, asked: str | None) -> dict[str, Any]:
    assert target.policy is not None, "what is wanted always has one"
    return ({"askedAt": asked} if asked else {}) | {
        "name": name,
        "minCapacity": target.minimum,
        "maxCapacity": target.maximum,
        "targetInvocationsPerInstance": int(target.policy.target),
        "scaleInCooldown": duration(target.policy.scale_in_cooldown),
        "scaleOutCooldown": duration(target.policy.scale_out_cooldown),
    }


def _register(endpoint: str, variant: str, target: Scalable) -> AwsRequest:
    bounds = {"MinCapacity": target.minimum, "MaxCapacity": target.maximum}
    return replace(_request("RegisterScalableTarget", endpoint, variant, bounds), announced=True)


def _put_policy(endpoint: str, variant: str, target: Scalable) -> AwsRequest:
    assert target.policy is not None, "what is wanted always has one"
    tracking = {
        "TargetValue": target.policy.target,
        "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
        "ScaleInCooldown": target.policy.scale_in_cooldown,
        "ScaleOutCooldown": target.policy.scale_out_cooldown,
    }
    parameters = {
        "PolicyName": policy_name(endpoint),
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": tracking,
    }
    return _request("PutScalingPolicy", endpoint, variant, parameters)


def _request(operation: str, endpoint: str, variant: str, parameters: Mapping[str, Any]) -> AwsRequest:
    subject = resource_id(endpoint, variant)
    identity = {"ServiceNamespace": SERVICE_NAMESPACE, "ResourceId": subject, "ScalableDimension": DIMENSION}
    return AwsRequest(SERVICE, operation, subject, {**identity, **parameters})
