"""An Explainability check with an image of its own: its job explains the window once, the check reads what it wrote, whatever is lost."""

from __future__ import annotations

from typing import Any

import pytest

from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.plan import OnEvent
from tests.tenants import TEAM_A
from tests.unit.aws.monitor_world import ERRORS, World, failure, report
from tests.unit.aws.passes import Crash, operations

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/explainer:1.0"
WHY = {"name": "why", "type": "Explainability", "image": IMAGE}


def world_of(*checks: dict[str, Any], **spec: Any) -> World:
    """A check is due, over one captured file."""
    world = World(**({"checks": list(checks or (WHY,)), "source": None} | spec))
    world.turn()
    world.at(10, 29)
    world.aws.captured(world.aws.now)
    world.at(10, 31)
    return world


def made(world: World, part: str) -> list[str]:
    """Jobs at AWS with this in their names."""
    return [name for name in world.aws.jobs if f"-{part}-" in name]


def ndcg(value: float) -> dict[str, Any]:
    return report() | {"metrics": [{"check": "why", "name": "ndcg", "value": value, "sampleSize": 40, "state": "Measured"}]}


def test_the_image_runs_first_and_the_check_reads_what_it_wrote() -> None:
    """Two jobs, one after the other; the user's has its own command, the folders of the window and the contract of a script."""
    world = world_of()
    first = world.turn()
    assert operations(first) == ["UploadSource", "CreateProcessingJob"]
    assert first.requeue == OnEvent()
    (name,) = made(world, "attribution")
    job = world.aws.jobs[name]
    assert job["AppSpecification"] == {"ImageUri": IMAGE}
    assert [item["InputName"] for item in job["ProcessingInputs"]] == ["config", "capture", "baseline"]
    assert job["Environment"] == {
        "MONITOR_CHECK": "why",
        "MONITOR_CAPTURE": "/opt/ml/processing/input/capture",
        "MONITOR_GROUND_TRUTH": "/opt/ml/processing/input/groundtruth",
        "MONITOR_CONFIG": "/opt/ml/processing/input/config/config.json",
        "MONITOR_OUTPUT": "/opt/ml/processing/output/attributions.json",
    }
    assert world.status["running"]["attributionJobs"] == [name]
    assert (world.kind.owners_of(name), world.kind.owners_of(world.status["running"]["jobName"])) == ({world.snapshot.key}, set())
    assert world.turn().actions == ()

    world.aws.end()
    second = world.turn()
    assert operations(second) == ["UploadSource", "UploadSource", "CreateProcessingJob"]
    (check,) = made(world, "check")
    (mounted,) = (item for item in world.aws.jobs[check]["ProcessingInputs"] if item["InputName"] == "attributions-why")
    assert mounted["S3Input"]["S3Uri"] == job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    assert mounted["S3Input"]["LocalPath"] == "/opt/ml/processing/input/attributions/why"
    assert "attributionJobs" not in world.status["running"]
    assert world.kind.owners_of(check) == {world.snapshot.key}

    world.aws.end(ndcg(0.97))
    world.turn()
    assert (world.status["lastCheck"]["state"], world.status["metric"]) == ("Succeeded", "why=0.97")
    assert world.aws.count("CreateProcessingJob") == 2


def test_a_script_of_the_source_is_run_by_the_image() -> None:
    world = world_of(WHY | {"entryPoint": "loss.py"}, source={"configMapRef": {"name": "fees-checks"}})
    world.turn()
    (name,) = made(world, "attribution")
    job = world.aws.jobs[name]
    assert job["AppSpecification"] == {
        "ImageUri": IMAGE,
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/source/loss.py"],
    }
    assert "source" in [item["InputName"] for item in job["ProcessingInputs"]]


def test_another_check_of_the_policy_waits_for_the_image_too() -> None:
    """One job of the check computes all; each image has a job of its own, and they run side by side."""
    source = {"configMapRef": {"name": "fees-checks"}}
    world = world_of(ERRORS, WHY, WHY | {"name": "how", "image": IMAGE}, source=source)
    world.turn()
    assert (len(made(world, "attribution")), made(world, "check")) == (2, [])
    world.aws.end()
    world.turn()
    (check,) = made(world, "check")
    names = {item["InputName"] for item in world.aws.jobs[check]["ProcessingInputs"]}
    assert {"attributions-why", "attributions-how", "source"} <= names


@pytest.mark.parametrize("crash", ["crash_before", "crash_after"])
@pytest.mark.parametrize("wiped", [False, True])
@pytest.mark.parametrize("ends", [False, True])
def test_a_crash_at_either_create_makes_nothing_twice(crash: str, wiped: bool, ends: bool) -> None:
    world = world_of()
    if ends:
        world.turn()
        world.aws.end()
    with pytest.raises(Crash):
        world.turn(**{crash: "CreateProcessingJob"})
    world.wipe() if wiped else world.restart()
    for _ in range(4):
        world.turn()
        world.aws.end(ndcg(0.97))
    assert (len(made(world, "attribution")), len(made(world, "check"))) == (1, 1)
    assert world.status["lastCheck"]["state"] == "Succeeded"


def test_an_image_that_fails_fails_the_check() -> None:
    """In AWS's words and with its last lines; the job of the check is not paid for."""
    world = world_of()
    world.turn()
    (name,) = made(world, "attribution")
    world.aws.end(reason="AlgorithmError: no shap")
    world.turn()
    assert world.status["lastCheck"]["state"] == "Failed"
    assert f"{name}, which explains why: AlgorithmError: no shap" in world.message("Stalled")
    assert "attributionJobs" not in world.status["lastCheck"]
    assert made(world, "check") == []


def test_a_job_of_that_name_that_is_not_ours_is_left_alone() -> None:
    world = world_of()
    with pytest.raises(Crash):
        world.turn(crash_after="CreateProcessingJob")
    world.aws.tags = {name: [] for name in world.aws.tags}
    world.restart()
    world.turn()
    assert world.conditions()["Stalled"] == "True NameConflict"
    assert world.aws.count("CreateProcessingJob") == 1


def test_what_aws_does_not_take_is_told_once() -> None:
    world = world_of()
    world.aws.refuses["CreateProcessingJob"] = failure(Category.TERMINAL, "ValidationException", "CreateProcessingJob", "no such image")
    world.turn()
    world.turn()
    assert (world.status["lastCheck"]["state"], "no such image" in world.message("Stalled")) == ("Refused", True)
    assert world.aws.count("CreateProcessingJob") == 1


def test_overrides_reach_the_image_but_for_what_it_runs() -> None:
    application = {"ImageUri": TEAM_A["allow"]["images"][0].replace("*", "other:1")}
    given = {"createProcessingJob": {"Environment": {"LOG_LEVEL": "debug"}, "AppSpecification": application}}
    world = world_of(overrides=given)
    world.turn()
    world.aws.end()
    world.turn()
    images = {name: job["AppSpecification"]["ImageUri"] for name, job in world.aws.jobs.items()}
    assert sorted(images.values()) == sorted([IMAGE, application["ImageUri"]])
    assert all(job["Environment"]["LOG_LEVEL"] == "debug" for job in world.aws.jobs.values())


def test_an_image_that_the_tenant_does_not_allow_is_refused_before_any_call() -> None:
    world = World(checks=[WHY | {"image": IMAGE.replace("/team-a/", "/team-b/")}], source=None)
    world.turn()
    assert world.conditions()["Stalled"] == "True TenantPolicy"
    assert "spec.checks[0].image" in world.message("Stalled")
    assert world.aws.calls == []


def test_nothing_captured_starts_no_image() -> None:
    world = World(checks=[WHY], source=None)
    world.turn()
    world.at(10, 31)
    world.turn()
    assert (world.status["phase"], world.aws.count("CreateProcessingJob")) == ("NoData", 0)


def test_deletion_stops_the_image() -> None:
    """And lets go when nothing of the check is left, whose own job never came to be."""
    world = world_of()
    world.turn()
    world.delete()
    released = False
    for _ in range(8):
        released = released or not world.turn().finalizer
        world.later(minutes=5)
    (name,) = made(world, "attribution")
    assert (world.aws.jobs[name]["ProcessingJobStatus"], released, made(world, "check")) == ("Stopped", True, [])


def test_a_model_that_changes_while_the_image_runs_supersedes_the_check() -> None:
    """What it explained is not held against the newer model, which the next moment checks."""
    world = world_of()
    world.turn()
    world.serves(2)
    world.turn()
    assert "Superseded" in world.conditions()["Stalled"]
    world.at(11, 29)
    world.aws.captured(world.aws.now)
    world.at(11, 31)
    world.turn()
    assert (len(made(world, "attribution")), world.status["running"]["model"]) == (2, "fees/2")
