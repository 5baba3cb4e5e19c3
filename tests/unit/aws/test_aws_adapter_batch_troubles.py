"""Batch jobs of a ModelEndpoint when something is lost, refused, foreign, taken out or deleted: nothing is paid for twice or left over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.plan import After
from tests.unit.aws.batch_world import NIGHTLY, World, ended, failure, model, serving, variants
from tests.unit.aws.passes import Crash

TWO = datetime(2026, 11, 22, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def running(world: World) -> None:
    world.turn()


def good(world: World) -> None:
    world.turn()
    ended(world)


def bad(world: World) -> None:
    world.turn()
    ended(world, "Failed", "AlgorithmError: exit code 1")


@pytest.mark.parametrize("reached", [running, good, bad])
@pytest.mark.parametrize("batch", [{}, {"onNewModel": True}])
def test_a_status_that_was_wiped_starts_nothing(reached: Callable[[World], None], batch: dict[str, Any]) -> None:
    """The job is found by its name; what it said is said again."""
    world = World(batch=batch)
    reached(world)
    before = dict(world.batch)
    world.wipe()
    world.settle()
    assert len(world.aws.jobs) == 1
    assert world.batch["jobName"] == before["jobName"]
    assert world.batch["state"] == before["state"]


def test_a_job_that_runs_is_found_by_its_tags_when_nothing_asks_for_it() -> None:
    """A wiped status and a schedule whose moment has passed."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.at(TWO)
    world.turn()
    name = world.batch["jobName"]
    world.wipe()
    world.turn()
    assert (world.batch["jobName"], world.batch["state"]) == (name, "InProgress")


def test_an_older_status_that_was_put_back_runs_nothing_beside_a_job() -> None:
    """AWS's list is asked before every create."""
    world = World(batch={"schedule": {"cron": "0 * * * *"}})
    world.turn()
    old = world.snapshot
    world.later(hours=1)
    world.turn()
    world.restart()
    world.snapshot = old
    world.aws.objects["customers/a.csv"] = "v2"
    world.later(hours=1)
    world.settle()
    assert len(world.aws.jobs) == 1


@pytest.mark.parametrize("crash", [{"crash_before": "CreateTransformJob"}, {"crash_after": "CreateTransformJob"}])
def test_a_crash_at_the_create_costs_nothing(crash: dict[str, str]) -> None:
    """The intent names the job; new data in between do not make it another."""
    world = World()
    with pytest.raises(Crash):
        world.turn(**crash)
    intended = world.batch["jobName"]
    world.restart()
    world.aws.objects["customers/a.csv"] = "v2"
    world.settle()
    assert list(world.aws.jobs) == [intended]


def test_after_a_lost_create_and_an_edit_another_job_waits_out_the_quarantine() -> None:
    """The first one may still arrive."""
    world = World()
    with pytest.raises(Crash):
        world.turn(crash_before="CreateTransformJob")
    intended = world.batch["jobName"]
    world.edit(contentType="text/csv")
    made = world.turn()
    assert world.aws.jobs == {}
    assert isinstance(made.requeue, After)
    world.later(minutes=6)
    world.settle()
    assert len(world.aws.jobs) == 1
    assert intended not in world.aws.jobs


def test_a_name_that_somebody_else_has_is_told() -> None:
    """Nothing is done with it."""
    world = serving(onNewModel=True)
    (name,) = world.aws.jobs
    world.aws.tags[f"transform-job/{name}"] = []
    world.wipe()
    world.settle()
    assert (world.conditions()["BatchFailed"], world.conditions()["Ready"]) == ("True NameConflict", "True InService")
    assert (len(world.aws.jobs), world.aws.count("StopTransformJob")) == (1, 0)


def test_what_aws_refuses_leaves_the_endpoint_ready_and_is_asked_again_later() -> None:
    """A quota for transform jobs is no trouble of production."""
    world = World(variants=variants(), batch={"onNewModel": True})
    world.aws.refuses["CreateTransformJob"] = failure(Category.BLOCKED, "ResourceLimitExceeded", "CreateTransformJob")
    world.settle()
    for _ in range(3):
        made = world.turn()
    assert (world.conditions()["BatchFailed"], world.conditions()["Ready"]) == ("True ResourceLimitExceeded", "True InService")
    assert world.aws.count("CreateTransformJob") == 1
    assert isinstance(made.requeue, After)
    world.later(minutes=11)
    del world.aws.refuses["CreateTransformJob"]
    world.settle()
    assert (len(world.aws.jobs), world.batch["state"]) == (1, "InProgress")
    ended(world)
    assert world.conditions()["BatchFailed"] == "False Succeeded"


def test_data_that_are_not_there_yet_are_waited_for() -> None:
    """A moment of the schedule is not lost by it."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.aws.objects.clear()
    world.at(TWO)
    made = world.turn()
    assert made.requeue == After(300.0)
    assert "holds no object" in world.batch["message"]
    assert world.conditions()["Reconciling"] == "True InputMissing"
    world.aws.objects["customers/a.csv"] = "v1"
    world.later(minutes=5)
    world.settle()
    assert len(world.aws.jobs) == 1


def test_a_job_that_somebody_stopped_is_not_started_again() -> None:
    """Until its next moment."""
    world = World()
    world.turn()
    ended(world, "Stopped")
    world.settle()
    assert (world.batch["state"], len(world.aws.jobs)) == ("Stopped", 1)


def test_an_unknown_state_is_left_alone_slowly() -> None:
    """This version has never heard of it."""
    world = World()
    world.turn()
    world.aws.end("Hibernating")
    made = world.turn()
    assert (made.actions, made.requeue, world.batch["state"]) == ((), After(300.0), "InProgress")


def test_batch_that_leaves_the_spec_stops_its_job() -> None:
    """And its status goes when the job has ended."""
    world = serving(onNewModel=True)
    world.without_batch()
    world.settle()
    assert world.aws.count("StopTransformJob") == 1
    world.aws.end("Stopped")
    world.settle()
    assert world.batch == {}
    assert world.conditions()["Ready"] == "True InService"


def test_a_running_job_is_stopped_before_anything_else_is_deleted() -> None:
    """Then endpoint, then the rest; results stay where they are."""
    world = World(variants=variants(), batch={"onNewModel": True}, deletionPolicy="Delete")
    world.settle()
    world.delete()
    world.turn()
    world.turn()
    assert (world.aws.count("StopTransformJob"), world.aws.count("DeleteEndpoint")) == (1, 0)
    world.aws.end("Stopped")
    for _ in range(4):
        world.later(minutes=4)
        world.turn()
    assert world.aws.count("DeleteEndpoint") == 1
    assert world.snapshot.finalizers == ()


def test_a_create_that_may_still_arrive_holds_the_finalizer() -> None:
    """An orphan would run and be paid for."""
    world = World(deletionPolicy="Delete")
    with pytest.raises(Crash):
        world.turn(crash_before="CreateTransformJob")
    world.delete()
    assert isinstance(world.turn().requeue, After)
    world.later(minutes=2)
    world.turn()
    assert world.snapshot.finalizers != ()
    for _ in range(3):
        world.later(minutes=4)
        world.turn()
    assert world.snapshot.finalizers == ()


def test_retain_leaves_a_running_job_alone() -> None:
    """Nothing is called."""
    world = World()
    world.turn()
    before = len(world.aws.calls)
    world.delete()
    world.turn()
    assert (len(world.aws.calls), world.snapshot.finalizers) == (before, ())


def test_a_foreign_job_is_not_stopped_on_the_word_of_a_status() -> None:
    """The tags decide."""
    world = World(deletionPolicy="Delete")
    world.turn()
    (name,) = world.aws.jobs
    world.aws.tags[f"transform-job/{name}"] = []
    world.restart()
    world.delete()
    world.turn()
    assert world.aws.count("StopTransformJob") == 0


def test_variants_that_are_left_out_do_not_take_production_down() -> None:
    """It is said, and nothing is changed."""
    world = serving(onNewModel=True)
    spec = {name: value for name, value in world.snapshot.spec.items() if name != "variants"}
    spec["batch"] = {**spec["batch"], "model": model()}
    world.snapshot = replace(world.snapshot, spec=spec)
    world.turn()
    assert world.conditions()["Stalled"] == "True VariantsRemoved"
    assert world.aws.endpoint is not None


@pytest.mark.parametrize("operation", ["ListObjectVersions", "ListTransformJobs"])
def test_a_right_that_is_missing_leaves_the_endpoint_ready(operation: str) -> None:
    """It is told as the batch's trouble, and mended without an edit."""
    world = World(variants=variants(), batch={"onNewModel": True})
    world.aws.refuses[operation] = failure(Category.BLOCKED, "AccessDenied", operation)
    world.settle()
    made = world.turn()
    assert (world.conditions()["BatchFailed"], world.conditions()["Ready"]) == ("True AccessDenied", "True InService")
    assert isinstance(made.requeue, After)
    world.aws.refuses.clear()
    world.settle()
    assert len(world.aws.jobs) == 1


def test_a_job_that_may_not_be_looked_at_is_taken_for_running() -> None:
    """Nothing is started beside it, and the endpoint stays ready."""
    world = serving(onNewModel=True)
    world.aws.refuses["DescribeTransformJob"] = failure(Category.BLOCKED, "AccessDenied", "DescribeTransformJob")
    made = world.turn()
    assert (world.batch["state"], world.conditions()["Ready"], made.requeue) == ("InProgress", "True InService", After(300.0))


def test_a_lost_create_is_remembered_while_a_right_is_missing() -> None:
    """The intent goes on when it is there again, under the same name."""
    world = World()
    with pytest.raises(Crash):
        world.turn(crash_before="CreateTransformJob")
    intended = world.batch["jobName"]
    world.aws.refuses["ListTransformJobs"] = failure(Category.BLOCKED, "AccessDenied", "ListTransformJobs")
    world.turn()
    assert world.conditions()["BatchFailed"] == "True AccessDenied"
    world.aws.refuses.clear()
    world.settle()
    assert list(world.aws.jobs) == [intended]


def test_a_right_that_is_back_takes_the_trouble_away_when_nothing_is_new() -> None:
    """The last job had ended well, and is said to have."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.at(TWO)
    world.settle()
    ended(world)
    world.at(TWO + DAY)
    world.aws.refuses["ListObjectVersions"] = failure(Category.BLOCKED, "AccessDenied", "ListObjectVersions")
    world.turn()
    assert world.conditions()["BatchFailed"] == "True AccessDenied"
    world.aws.refuses.clear()
    world.settle()
    assert (world.conditions()["BatchFailed"], world.conditions()["Ready"]) == ("False Succeeded", "True Succeeded")
    assert (len(world.aws.jobs), len(world.batch["history"])) == (1, 1)


def test_the_same_data_and_model_are_given_up_after_twenty_failures() -> None:
    """A night after which nothing has changed is not the night on which it works."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    for night in range(23):
        world.at(TWO + night * DAY)
        world.settle()
        ended(world, "Failed", "AlgorithmError: exit code 1")
    assert len(world.aws.jobs) == 20
    assert "not tried again" in world.batch["message"]


def test_a_job_that_this_process_started_is_known_though_status_and_finalizer_are_gone() -> None:
    """Somebody took both away; AWS's lists may lag."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.at(TWO)
    world.turn()
    (name,) = world.aws.jobs
    world.snapshot = replace(world.snapshot, status={}, finalizers=())
    world.turn()
    assert (world.batch["jobName"], world.batch["state"]) == (name, "InProgress")


def test_an_older_status_that_was_put_back_does_not_try_a_failed_job_again() -> None:
    """It failed after the moment that the status takes for a new one."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    old = world.snapshot
    world.at(TWO)
    world.turn()
    ended(world, "Failed", "AlgorithmError: exit code 1")
    world.snapshot = old
    world.restart()
    world.settle()
    assert (len(world.aws.jobs), world.batch["state"]) == (1, "Failed")


def test_a_schedule_goes_on_while_the_endpoint_is_parked() -> None:
    """Its models are kept; jobs bring their own machines."""
    window = {"days": ["Sat"], "from": "09:00", "to": "11:00", "timeZone": "UTC"}
    world = World(variants=variants(), batch={"schedule": NIGHTLY}, activeWindow=window)
    world.settle()
    serves = world.batch["serving"]["awsName"]
    world.later(hours=2)
    for _ in range(4):
        world.turn()
    assert (world.snapshot.status["phase"], world.aws.endpoint) == ("Parked", None)
    world.at(TWO)
    world.settle()
    assert [job["ModelName"] for job in world.aws.jobs.values()] == [serves]
    ended(world)
    assert (world.snapshot.status["phase"], world.conditions()["BatchFailed"]) == ("Parked", "False Succeeded")
