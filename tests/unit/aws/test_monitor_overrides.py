"""AWS's own members in the requests of a MonitorPolicy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.aws.monitor_world import World, report

ALARM: dict[str, Any] = {"name": "high", "check": "loss", "operator": ">", "threshold": {"initial": 0.1}, "createCloudWatchAlarm": True}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:team-a"


def world_with(**overrides: Any) -> World:
    world = World(alarms=[ALARM], overrides=overrides)
    world.turn()
    world.aws.captured(datetime(2026, 11, 21, 10, 20, tzinfo=UTC))
    world.at(10, 30)
    return world


def test_a_member_is_merged_into_the_check_and_is_part_of_its_name() -> None:
    names = []
    for overrides in (
        {},
        {"createProcessingJob": {"Environment": {"LOG_LEVEL": "debug"}, "StoppingCondition": {"MaxRuntimeInSeconds": 60}}},
    ):
        world = world_with(**overrides)
        world.checked(report())
        ((name, job),) = world.aws.jobs.items()
        names.append(name)
        assert job.get("Environment") == overrides.get("createProcessingJob", {}).get("Environment")
        assert job["ProcessingResources"]["ClusterConfig"]["InstanceType"] == "ml.m5.large"
    assert len(set(names)) == 2


def test_a_member_is_merged_into_the_alarm_and_an_edit_of_it_is_told_once() -> None:
    world = world_with(putMetricAlarm={"AlarmActions": [TOPIC]})
    world.checked(report())
    world.turn()
    world.turn()
    (alarm,) = world.aws.alarms.values()
    assert (alarm["AlarmActions"], alarm["Threshold"]) == ([TOPIC], 0.1)
    world.turn()
    assert world.aws.count("PutMetricAlarm") == 1
    world.edit(overrides={"putMetricAlarm": {"AlarmActions": [], "ActionsEnabled": False}})
    world.turn()
    world.turn()
    assert world.aws.count("PutMetricAlarm") == 2


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"createProcessingJob": {"AppSpecification": {"ImageUri": "evil/image:1"}}},
            "spec.overrides.createProcessingJob.AppSpecification.ImageUri",
        ),
        ({"createProcessingJob": {"NetworkConfig": {"VpcConfig": {"Subnets": ["subnet-1"]}}}}, "Subnets[0]"),
        ({"putMetricAlarm": {"AlarmActions": ["arn:aws:sns:eu-central-1:999999999999:x"]}}, "allows SNS topics of account 123456789012"),
        ({"putMetricAlarm": {"AlarmActions": ["arn:aws:ssm:eu-central-1:123456789012:opsitem:1"]}}, "no list of a Tenant can allow"),
    ],
)
def test_the_fence_judges_what_is_brought_in(overrides: dict[str, Any], words: str) -> None:
    world = World(alarms=[ALARM], overrides=overrides)
    world.turn()
    assert world.conditions()["Stalled"] == "True TenantPolicy"
    assert words in world.message()
    assert world.aws.calls == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"createProcessingJob": {"Enviroment": {}}}, "spec.overrides.createProcessingJob.Enviroment: is not a member of"),
        ({"putMetricAlarm": {"AlarmActons": []}}, "spec.overrides.putMetricAlarm.AlarmActons: is not a member of"),
    ],
)
def test_what_aws_would_refuse_is_named_where_it_was_written(overrides: dict[str, Any], words: str) -> None:
    world = world_with(**overrides)
    world.turn()
    assert world.conditions()["Stalled"] == "True InvalidRequest"
    assert words in world.message()
    assert world.aws.count("CreateProcessingJob") == 0
