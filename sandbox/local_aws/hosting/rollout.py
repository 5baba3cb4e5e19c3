"""A DeploymentConfig as the steps that an update takes: how much traffic the new fleet gets, and how long that is watched.

Pure. Sources: API reference of DeploymentConfig and its parts; developer guide, "Deployment guardrails for updating models in
production" (the messages are those of its events page).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local_aws.errors import AwsError
from local_aws.sagemaker.words import validation

_LIMITS: Final = {"CanarySize": (1, 50), "LinearStepSize": (10, 50), "MaximumBatchSize": (5, 50)}


@dataclass(frozen=True, slots=True)
class Step:
    """`share` of the traffic (0 to 1) goes to the new fleet, for `seconds` of AWS time; `wait` is that setting's name."""

    share: float
    seconds: float
    wait: str
    capacity: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """What an update does. `limit` in AWS seconds ends it with a rollback; `alarms` are names of CloudWatch alarms."""

    steps: tuple[Step, ...]
    rolling: bool
    limit: float | None
    alarms: tuple[str, ...]


def plan(config: Mapping[str, Any] | None, counts: Sequence[int]) -> Rollout:
    """The steps for a fleet whose variants have `counts` instances; all at once without a config. AwsError when refused."""
    config = config or {}
    if "BlueGreenUpdatePolicy" in config and "RollingUpdatePolicy" in config:
        raise validation("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
    if "RollingUpdatePolicy" in config:
        policy = config["RollingUpdatePolicy"]
        share = _share(policy["MaximumBatchSize"], "MaximumBatchSize", counts)
        steps = _linear(share, policy["WaitIntervalInSeconds"], _wait(policy), "WaitIntervalInSeconds")
        return Rollout(steps, True, _limit(policy, steps), alarms(config))
    policy = config.get("BlueGreenUpdatePolicy", {})
    steps = _blue_green(policy, counts)
    return Rollout(steps, False, _limit(policy, steps), alarms(config))


def alarms(config: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The names in AutoRollbackConfiguration."""
    return tuple(alarm["AlarmName"] for alarm in (config or {}).get("AutoRollbackConfiguration", {}).get("Alarms", ()))


def _blue_green(policy: Mapping[str, Any], counts: Sequence[int]) -> tuple[Step, ...]:
    routing = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0})
    end = policy.get("TerminationWaitInSeconds", 0)
    _check_sizes(routing)
    match routing["Type"]:
        case "CANARY":
            canary = Step(_share(routing["CanarySize"], "CanarySize", counts), _wait(routing), "WaitIntervalInSeconds", "canary")
            return canary, Step(1.0, end, "TerminationWaitInSeconds", "full")
        case "LINEAR":
            share = _share(routing["LinearStepSize"], "LinearStepSize", counts)
            return _linear(share, _wait(routing), end, "TerminationWaitInSeconds")
        case _:
            return (Step(1.0, end, "TerminationWaitInSeconds", "full"),)


def _linear(share: float, wait: float, end: float, end_name: str) -> tuple[Step, ...]:
    number = math.ceil(1.0 / share - 1e-9)
    partial = [Step(share * step, wait, "WaitIntervalInSeconds", "partial") for step in range(1, number)]
    return (*partial, Step(1.0, end, end_name, "full"))


def _check_sizes(routing: Mapping[str, Any]) -> None:
    wanted = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(routing["Type"])
    if wanted is not None and wanted not in routing:
        raise validation(f"{wanted} is required when the traffic routing type is {routing['Type']}.")
    for member in ("CanarySize", "LinearStepSize"):
        if member in routing and member != wanted:
            raise validation(f"{member} is not allowed when the traffic routing type is {routing['Type']}.")


def _share(size: Mapping[str, Any], member: str, counts: Sequence[int]) -> float:
    """The part of the fleet that a CapacitySize means; the refusal's wording is not AWS's."""
    low, high = _LIMITS[member]
    value, total = size["Value"], min(counts, default=1) or 1
    percent = float(value) if size["Type"] == "CAPACITY_PERCENT" else 100.0 * value / total
    if percent > high or (percent < low and size["Type"] == "CAPACITY_PERCENT"):
        raise _out_of_range(member, size, low, high)
    return percent / 100.0


def _out_of_range(member: str, size: Mapping[str, Any], low: int, high: int) -> AwsError:
    shown = f"{size['Value']} {'percent' if size['Type'] == 'CAPACITY_PERCENT' else 'instance(s)'}"
    return validation(f"{member} of {shown} is invalid: it must be {low}-{high}% of the variant's total instance count.")


def _wait(policy: Mapping[str, Any]) -> float:
    return float(policy["WaitIntervalInSeconds"])


def _limit(policy: Mapping[str, Any], steps: Sequence[Step]) -> float | None:
    limit = policy.get("MaximumExecutionTimeoutInSeconds")
    waits = sum(step.seconds for step in steps)
    if limit is not None and limit < waits:
        raise validation(
            f"MaximumExecutionTimeoutInSeconds of {limit} must be larger than the total waiting time of {waits:.0f} seconds "
            "in WaitIntervalInSeconds and TerminationWaitInSeconds."
        )
    return None if limit is None else float(limit)
