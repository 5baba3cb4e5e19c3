"""A MonitorPolicy over what transform jobs write: one check for each, of its whole output."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.wiring import monitor_policy_references
from tests.unit.aws.monitor_world import World, report, uploaded
from tests.unit.aws.passes import operations

SCORES = Key("ModelEndpoint", "team-a", "scores")
BATCH_OF = {"batchOf": {"endpointRef": {"name": "scores"}}}
OUTPUT = "predictions/"


def batch(**spec: Any) -> World:
    world = World(**{"target": BATCH_OF, "schedule": {"after": BATCH_OF}, "window": None, "groundTruth": None, **spec})
    scores(world)
    return world


def scores(world: World, *jobs: str, model: str = "fees/1", output: str = "s3://team-a-ml/predictions/", empty: bool = False) -> None:
    """These jobs have ended well, oldest first, the last one now; each wrote one file."""
    entries = []
    for age, name in enumerate(reversed(jobs)):
        ended = world.aws.now - timedelta(minutes=age)
        stamps = {"startedAt": f"{ended - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}", "finishedAt": f"{ended:%Y-%m-%dT%H:%M:%SZ}"}
        entries.append({"jobName": name, "state": "Succeeded", "model": model, "modelName": f"m-{model[-1]}", **stamps})
        world.aws.transforms[name] = {"TransformJobStatus": "Completed", "TransformOutput": {"S3OutputPath": f"{output}{name}/"}}
        if not empty:
            world.aws.objects[f"{OUTPUT}{name}/data.csv.out"] = b"1\n"
    status = {"batch": {**(entries[0] if entries else {}), "history": entries}}
    world.references.objects[SCORES] = Snapshot(SCORES, "s", "1", 1, spec={"batch": {"input": "s3://team-a-ml/in/"}}, status=status)


def job(world: World) -> dict[str, Any]:
    return list(world.aws.jobs.values())[-1]


def test_each_transform_job_is_checked_once_and_its_whole_output_is_read() -> None:
    world = batch()
    assert SCORES in monitor_policy_references(world.snapshot)
    world.turn()
    assert world.message() == "the first check is due at the next completion of ModelEndpoint scores"
    scores(world, "b-1")
    made = world.turn()
    assert uploaded(made, "capture.manifest") == [{"prefix": "s3://team-a-ml/predictions/b-1/"}, "data.csv.out"]
    config = uploaded(made, "config.json")
    assert config["target"] == {"kind": "Batch", "name": "scores", "variant": None, "modelVersion": "fees/1"}
    assert config["window"] == {"start": "2026-11-21T10:05:00Z", "end": "2026-11-21T10:10:00Z"}
    world.aws.end(report())
    world.turn()
    last = world.status["lastCheck"]
    assert (last["transformJob"], last["endpoint"], last["model"], "variant" in last) == ("b-1", "scores", "fees/1", False)
    inputs = {item["InputName"]: item["S3Input"]["S3Uri"] for item in job(world)["ProcessingInputs"]}
    assert inputs["baseline"] == "s3://team-a-ml/evaluations/1/baseline.json"
    assert operations(world.turn()) == []
    scores(world, "b-1", "b-2", "b-3")
    assert [world.checked(report())["transformJob"] for _ in range(2)] == ["b-2", "b-3"]
    assert operations(world.turn()) == []


def test_its_numbers_have_no_variant() -> None:
    """CloudWatch takes no dimension without a value."""
    world = batch()
    scores(world, "b-1")
    world.checked(report())
    (dimensions, *_) = [item["Dimensions"] for item in world.aws.metrics]
    assert {item["Name"]: item["Value"] for item in dimensions} == {"Policy": "team-a/fees", "Endpoint": "scores", "ModelVersion": "fees/1"}


def test_a_breach_of_a_batch_alarms() -> None:
    alarm = {"name": "high", "check": "loss", "operator": ">", "threshold": {"initial": 0.1}, "createCloudWatchAlarm": True}
    world = batch(alarms=[alarm], dashboard=True)
    scores(world, "b-1")
    world.checked(report())
    world.turn()
    world.turn()
    assert world.status["phase"] == "Breached"
    (put,) = world.aws.alarms.values()
    assert put["Period"] == 86_400
    assert {item["Name"] for item in put["Dimensions"]} == {"Policy", "Endpoint", "ModelVersion"}
    assert world.aws.dashboards


@pytest.mark.parametrize("over", [True, False])
def test_a_lost_status_checks_nothing_twice(over: bool) -> None:
    world = batch()
    scores(world, "b-1")
    world.turn()
    if over:
        world.aws.end(report())
        world.turn()
    world.wipe()
    world.later(hours=1)
    world.turn()
    world.aws.end(report())
    world.turn()
    world.turn()
    assert len(world.aws.jobs) == 1
    assert world.status["lastCheck"]["transformJob"] == "b-1"


def test_check_now_reads_the_newest() -> None:
    world = batch(schedule=None)
    scores(world, "b-1", "b-2")
    assert operations(world.turn()) == []
    world.check_now("please")
    entry = world.checked(report())
    assert (entry["trigger"], entry["transformJob"]) == ("check-now please", "b-2")


def test_nothing_written_is_no_data_and_no_job() -> None:
    world = batch()
    scores(world, "b-1", empty=True)
    world.turn()
    assert (world.status["phase"], world.aws.jobs) == ("NoData", {})


def test_an_output_outside_the_fence_is_not_read() -> None:
    world = batch()
    scores(world, "b-1", output="s3://team-b-ml/predictions/")
    world.turn()
    assert world.conditions()["Stalled"] == "True InvalidTarget"
    assert 'spec.target.batchOf: transform job b-1 writes where it may not be read: "s3://team-b-ml/predictions/b-1/"' in world.message()
    assert [name for name, _ in world.aws.calls] == ["DescribeTransformJob"]


def test_a_status_that_names_a_job_that_is_none_is_not_believed() -> None:
    world = batch()
    scores(world, "b-1")
    world.aws.transforms.clear()
    world.turn()
    assert world.conditions()["Ready"] == "False DependencyNotReady"
    assert "transform job b-1 is not there" in world.message()


def test_what_is_not_there_is_waited_for() -> None:
    world = batch()
    found = world.references.objects.pop(SCORES)
    world.turn()
    assert "there is no ModelEndpoint scores in this namespace" in world.message()
    world.references.objects[SCORES] = replace(found, spec={})
    world.turn()
    assert "ModelEndpoint scores has no batch: add it to its spec" in world.message()
    assert world.aws.calls == []
