"""Scales variants: an alarm that calls a policy, and limits that the count is outside of.

The endpoint is changed through UpdateEndpointWeightsAndCapacities like by anybody else, so it is Updating meanwhile; one change
at a time, and none while the endpoint is busy. A ticker ends activities, holds the limits and puts the silence of scaled variants
as zeros, as SageMaker does ("Edit a scaling policy" in the developer guide).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from local_aws.alarm_actions import Rung
from local_aws.autoscaling.registry import Registry
from local_aws.autoscaling.target import Activity, Policy, Target
from local_aws.autoscaling.tracking import Direction, Past, wanted
from local_aws.hosting import metrics
from local_aws.metric_store import MINUTE
from local_aws.services import Services
from local_aws.ticker import Ticker

_SUSPENSION: Final[Mapping[Direction, str]] = {"out": "DynamicScalingOutSuspended", "in": "DynamicScalingInSuspended"}
_SILENCE: Final = 30 * MINUTE  # what an alarm of ours looks at, and more; a jump of the clock by days puts no more zeros


class Scaler:
    """Carries out the policies of one world."""

    def __init__(self, services: Services, registry: Registry) -> None:
        self._services = services
        self._world = services.world
        self._registry = registry
        self._one = threading.Lock()
        self._ticker = Ticker("autoscaling", self._world.clock, self._step, self.tick)

    def changed(self) -> None:
        """A target was registered or changed: look at its limits soon."""
        self._ticker.wake()

    def close(self) -> None:
        self._ticker.close()

    def ring(self, action: str, rung: Rung) -> None:
        """An alarm in ALARM calls its policy. LookupError when the policy has gone."""
        owned = self._registry.owner(action)
        if owned is None:
            raise LookupError(f"there is no scaling policy {action}")
        target, policy = owned
        if rung.state != "ALARM" or rung.alarm not in policy.alarms or rung.latest is None:
            return
        direction: Direction = "out" if rung.alarm == policy.alarms[0] else "in"
        if target.suspended[_SUSPENSION[direction]] or (direction == "in" and not self._others_agree(target, policy)):
            return
        with self._one:
            count = self._free(target)
            if count is None:
                return
            limits, now = (target.low, target.high), self._world.clock.time()
            new = wanted(policy.tracking, direction, count, limits, rung.latest, now, target.out, target.back)
            if new != count:
                cause = f"monitor alarm {rung.alarm} in state ALARM triggered policy {policy.name}"
                self._set(target, count, new, cause)

    def tick(self) -> None:
        """End the activities that are over, and bring counts into their limits."""
        for target in self._registry.all():
            with self._one:
                count = self._free(target)
                if count is None or all(target.suspended.values()):
                    continue
                if count < target.low:
                    self._set(target, count, target.low, f"minimum capacity was set to {target.low}")
                elif count > target.high:
                    self._set(target, count, target.high, f"maximum capacity was set to {target.high}")

    def put_silence(self, until: float) -> None:
        """Zeros for every whole minute before `until` in which a scaled variant was not called."""
        for target in self._registry.all():
            minute = max(target.silent, until - _SILENCE) // MINUTE * MINUTE
            while minute < until:
                metrics.put_silence(self._services.metrics, target.endpoint, target.variant, minute)
                minute += MINUTE
            target.silent = max(target.silent, until)

    def _free(self, target: Target) -> int | None:
        """The desired count of a variant that may be scaled now; None while its endpoint is busy or gone."""
        described = self._described(target)
        if described is None or described["EndpointStatus"] != "InService":
            return None
        variant = next((each for each in described["ProductionVariants"] if each["VariantName"] == target.variant), None)
        if variant is None or "DesiredInstanceCount" not in variant:
            return None
        count: int = variant["DesiredInstanceCount"]
        self._settle(target, count, described.get("FailureReason", ""))
        return count

    def _described(self, target: Target) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._world.client("sagemaker").describe_endpoint(EndpointName=target.endpoint)
        except ClientError:
            return None
        return found

    def _settle(self, target: Target, count: int, failure: str) -> None:
        """The endpoint is InService again: the activity that was under way has ended."""
        activity = target.activity
        if activity is None:
            return
        target.activity = None
        activity.ended = self._services.now()
        if count != activity.count:
            activity.status = "Failed"
            activity.message = f"Failed to set desired instance count to {activity.count}. Reason: {failure or 'it was changed meanwhile'}"
            return
        activity.status = "Successful"
        activity.message = f"Successfully set desired instance count to {count}. Change successfully fulfilled by sagemaker."
        past = Past(activity.before, activity.ended.timestamp())
        if count > activity.before:
            # A scale-out ends the wait for the next scale-in, and the other way round.
            target.out, target.back = past, None
        else:
            target.out, target.back = None, past

    def _set(self, target: Target, before: int, count: int, cause: str) -> None:
        activity = Activity(target.resource_id, before, count, cause, self._services.now())
        with self._registry.lock:
            self._registry.activities.append(activity)
        change = {"VariantName": target.variant, "DesiredInstanceCount": count}
        try:
            self._world.client("sagemaker").update_endpoint_weights_and_capacities(
                EndpointName=target.endpoint, DesiredWeightsAndCapacities=[change]
            )
        except ClientError as error:
            activity.message = f"Failed to set desired instance count to {count}. Reason: {error.response['Error']['Message']}"
            activity.status, activity.ended = "Failed", self._services.now()
            return
        activity.message = f"Successfully set desired instance count to {count}. Waiting for change to be fulfilled by sagemaker."
        activity.status = "InProgress"
        target.activity = activity

    def _others_agree(self, target: Target, policy: Policy) -> bool:
        """A scale-in needs the AlarmLow of every other policy too."""
        lows = [other.alarms[1] for other in tuple(target.policies.values()) if other is not policy and len(other.alarms) > 1]
        if not lows:
            return True
        alarms = self._world.client("cloudwatch").describe_alarms(AlarmNames=lows)["MetricAlarms"]
        return all(alarm["StateValue"] == "ALARM" for alarm in alarms)

    def _step(self) -> float | None:
        return self._world.settings["autoscaling.pollSeconds"] if self._registry.all() else None
