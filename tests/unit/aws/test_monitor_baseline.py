"""Which baseline a MonitorPolicy compares with when another model comes into service."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.tenants import TEAM_A
from tests.unit.aws.monitor_world import World, report

FIRST, SECOND = "s3://team-a-ml/evaluations/1/baseline.json", "s3://team-a-ml/evaluations/2/baseline.json"
RUN = {"name": "fees"}


def second_model(**baseline: Any) -> World:
    """Version 1 was checked, and now version 2 serves; a check is due."""
    world = World(baseline={"trainingRunRef": RUN, **baseline})
    world.turn()
    world.aws.captured(datetime(2026, 11, 21, 10, 20, tzinfo=UTC))
    world.at(10, 30)
    world.checked(report())
    world.serves(2)
    world.turn()
    world.aws.captured(datetime(2026, 11, 21, 11, 20, tzinfo=UTC))
    world.at(11, 30)
    return world


def baselines(world: World) -> list[str]:
    """What the checks were given, oldest first."""
    inputs = [item for job in world.aws.jobs.values() for item in job["ProcessingInputs"]]
    return [item["S3Input"]["S3Uri"] for item in inputs if item["InputName"] == "baseline"]


def test_each_version_has_its_own_baseline() -> None:
    for given in ({}, {"refreshOnNewModel": True}):
        world = second_model(**given)
        world.checked(report())
        assert baselines(world) == [FIRST, SECOND]
        assert world.status["baseline"] == SECOND


def test_a_pinned_baseline_outlives_its_model() -> None:
    world = second_model(refreshOnNewModel=False)
    world.checked(report())
    assert baselines(world) == [FIRST, FIRST]
    assert world.status["baseline"] == FIRST


def test_a_pinned_baseline_survives_a_lost_status() -> None:
    """The newest check that is ours by tag says what it was; a job of somebody else under a name like ours says nothing."""
    world = second_model(refreshOnNewModel=False)
    (ours,) = world.aws.jobs
    foreign = [item for item in world.aws.jobs[ours]["ProcessingInputs"] if item["InputName"] != "baseline"]
    foreign.append({"InputName": "baseline", "S3Input": {"S3Uri": SECOND}})
    world.aws.jobs[f"{ours}x"] = world.aws.jobs[ours] | {"ProcessingInputs": foreign, "CreationTime": world.aws.now}
    world.wipe()
    world.checked(report())
    assert world.status["baseline"] == FIRST


def test_a_status_that_names_what_the_tenant_forbids_is_not_believed() -> None:
    world = second_model(refreshOnNewModel=False)
    world.snapshot = replace(world.snapshot, status={**world.status, "baseline": "s3://other-team/secret.json"})
    world.checked(report())
    assert baselines(world) == [FIRST, FIRST]
    assert all("other-team" not in str(given) for _, given in world.aws.calls)


def test_turned_off_the_baseline_in_use_stays_and_turned_on_it_follows() -> None:
    world = second_model()
    world.edit(baseline={"trainingRunRef": RUN, "refreshOnNewModel": False})
    world.checked(report())
    world.edit(baseline={"trainingRunRef": RUN, "refreshOnNewModel": True})
    world.aws.captured(datetime(2026, 11, 21, 12, 20, tzinfo=UTC))
    world.at(12, 30)
    world.checked(report())
    assert baselines(world) == [FIRST, FIRST, SECOND]
    assert world.status["baseline"] == SECOND


def test_an_evaluation_that_lies_where_the_tenant_may_not_read_is_not_read() -> None:
    prefixes = ["s3://team-a-ml/artifacts/", "s3://team-a-ml/actuals/"]
    world = World(tenant={"allow": TEAM_A["allow"] | {"s3Prefixes": prefixes}})
    world.turn()
    world.at(10, 30)
    world.turn()
    assert world.conditions()["Ready"] == "False DependencyNotReady"
    assert FIRST in world.message()
    assert world.aws.count("HeadObject") == 0
