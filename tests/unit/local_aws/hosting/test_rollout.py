"""A deployment config becomes steps of traffic; pure."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.errors import AwsError
from local_aws.hosting import rollout


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def blue_green(kind: str, end: int = 0, **routing: Any) -> dict[str, Any]:
    traffic = {"Type": kind, "WaitIntervalInSeconds": 60} | routing
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": traffic, "TerminationWaitInSeconds": end}}


def rolling(size: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 30} | changes}


def steps(config: dict[str, Any] | None, counts: tuple[int, ...] = (4,)) -> list[tuple[float, float]]:
    """(share, seconds) of each step."""
    return [(round(step.share, 6), step.seconds) for step in rollout.plan(config, counts).steps]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, [(1.0, 0)]),
        (blue_green("ALL_AT_ONCE", 120), [(1.0, 120)]),
        (blue_green("CANARY", 120, CanarySize=percent(30)), [(0.3, 60), (1.0, 120)]),
        (blue_green("CANARY", CanarySize=instances(1)), [(0.25, 60), (1.0, 0)]),
        (blue_green("LINEAR", 120, LinearStepSize=percent(40)), [(0.4, 60), (0.8, 60), (1.0, 120)]),
        (blue_green("LINEAR", LinearStepSize=instances(1)), [(0.25, 60), (0.5, 60), (0.75, 60), (1.0, 0)]),
        (rolling(instances(2)), [(0.5, 30), (1.0, 30)]),
        (rolling(percent(50)), [(0.5, 30), (1.0, 30)]),
    ],
)
def test_steps(config: dict[str, Any] | None, expected: list[tuple[float, float]]) -> None:
    """Shares of the traffic and their waits, for a variant of four instances."""
    assert steps(config) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (blue_green("CANARY", CanarySize=percent(60)), "CanarySize of 60 percent is invalid: it must be 1-50%"),
        (blue_green("CANARY", CanarySize=instances(3)), r"CanarySize of 3 instance\(s\) is invalid"),
        (blue_green("LINEAR", LinearStepSize=percent(5)), "it must be 10-50%"),
        (rolling(percent(4)), "MaximumBatchSize of 4 percent is invalid: it must be 5-50%"),
        (blue_green("CANARY"), "CanarySize is required"),
        (blue_green("ALL_AT_ONCE", CanarySize=percent(10)), "CanarySize is not allowed"),
        (rolling(percent(50), MaximumExecutionTimeoutInSeconds=59), "must be larger than the total waiting time of 60 seconds"),
        (rolling(percent(50)) | blue_green("ALL_AT_ONCE"), "Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy"),
    ],
)
def test_refusals(config: dict[str, Any], message: str) -> None:
    """Sizes and time limits that AWS does not take."""
    with pytest.raises(AwsError, match=message):
        rollout.plan(config, (4,))


def test_limit_and_alarms() -> None:
    """Both are carried along, and only a rolling update is rolling."""
    alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}}
    plan = rollout.plan(rolling(instances(2), MaximumExecutionTimeoutInSeconds=600) | alarms, (4,))
    assert (plan.alarms, plan.limit, plan.rolling) == (("a", "b"), 600.0, True)
    assert not rollout.plan(alarms, (4,)).rolling
