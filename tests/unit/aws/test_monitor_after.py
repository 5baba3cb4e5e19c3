"""A MonitorPolicy that checks after something else: once for each completion, whatever is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.plan import After
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.wiring import monitor_policy_references
from tests.unit.aws.monitor_world import START, World, report
from tests.unit.aws.passes import Crash, operations

RUN = Key("TrainingRun", "team-a", "fees")
BATCH = Key("ModelEndpoint", "team-a", "scores")
POLICY = Key("MonitorPolicy", "team-a", "inputs")
AFTER: dict[Key, dict[str, Any]] = {
    RUN: {"trainingRunRef": {"name": "fees"}},
    BATCH: {"batchOf": {"endpointRef": {"name": "scores"}}},
    POLICY: {"monitorPolicyRef": {"name": "inputs"}},
}


def world_after(key: Key) -> World:
    return World(schedule={"after": AFTER[key]})


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def completes(world: World, key: Key, *names: str, running: bool = False) -> None:
    """`key` has completed these, oldest first, a minute apart; the last one now. A file is captured for each."""
    ended = [(name, world.aws.now - timedelta(minutes=age)) for age, name in enumerate(reversed(names))]
    for _, at in ended:
        world.aws.captured(at - timedelta(seconds=5))
    found: dict[str, Any]
    match key.kind:
        case "TrainingRun":
            past = [{"specHash": f"s{name}", "runKey": name, "phase": "Succeeded", "finishedAt": stamp(at)} for name, at in ended]
            failed = {"specHash": "x", "phase": "Failed", "runKey": "failed", "finishedAt": stamp(world.aws.now)}
            status: dict[str, Any] = {"phase": "Running"} if running else past[0]
            found = {**status, "history": [failed, *past]}
        case "ModelEndpoint":
            jobs = [{"jobName": name, "state": "Succeeded", "finishedAt": stamp(at)} for name, at in ended]
            found = {"batch": {**({"jobName": "next", "state": "InProgress"} if running else jobs[0]), "history": jobs}}
        case _:
            checks = [{"jobName": name, "state": "Succeeded", "moment": stamp(at)} for name, at in ended]
            empty = {"state": "NoData", "moment": stamp(world.aws.now)}
            found = {"lastCheck": empty if running else checks[0], "checks": checks}
    world.references.objects[key] = Snapshot(
        key, "r", "1", 1, spec={"batch": {}, "x": 1} if key is not BATCH else {"batch": {"input": "s3://x/"}}, status=found
    )


@pytest.mark.parametrize("key", AFTER, ids=lambda key: key.kind)
def test_each_completion_is_checked_once_and_wakes_the_policy(key: Key) -> None:
    world = world_after(key)
    assert key in monitor_policy_references(world.snapshot)
    made = world.turn()
    assert (world.conditions()["Ready"], made.requeue) == ("False DependencyNotReady", After(60.0))
    assert f"there is no {key.kind} {key.name}" in world.message()
    completes(world, key, "one")
    entry = world.checked(report())
    assert (entry["trigger"], entry["window"]["end"]) == (f"after {key.kind}/{key.name}/one", stamp(START))
    assert world.status["lastAfter"] == f"{key.kind}/{key.name}/one"
    world.later(minutes=30)
    assert operations(world.turn()) == []
    completes(world, key, "one", "two", running=True)
    assert world.checked(report())["trigger"].endswith("/two")
    world.turn()
    assert len(world.aws.jobs) == 2


def test_what_completed_in_the_meantime_is_checked_one_after_the_other() -> None:
    world = world_after(BATCH)
    completes(world, BATCH, "one")
    world.checked(report())
    completes(world, BATCH, "one", "two", "three")
    assert [world.checked(report())["trigger"][-3:] for _ in range(2)] == ["two", "ree"]
    assert operations(world.turn()) == []


def test_of_what_was_there_before_the_policy_the_newest_is_checked() -> None:
    world = world_after(RUN)
    completes(world, RUN, "one", "two")
    assert world.checked(report())["trigger"].endswith("/two")
    assert operations(world.turn()) == []


@pytest.mark.parametrize("key", AFTER, ids=lambda key: key.kind)
def test_a_lost_status_checks_nothing_twice(key: Key) -> None:
    world = world_after(key)
    completes(world, key, "one")
    before = world.checked(report())
    world.wipe()
    world.later(hours=2)
    world.turn()
    world.turn()
    assert len(world.aws.jobs) == 1
    assert (world.status["lastCheck"]["jobName"], world.status["lastCheck"]["window"]) == (before["jobName"], before["window"])
    assert operations(world.turn()) == []


@pytest.mark.parametrize("crash", [{"crash_before": "CreateProcessingJob"}, {"crash_after": "CreateProcessingJob"}])
def test_a_crash_around_the_create_makes_no_second_job(crash: dict[str, str]) -> None:
    world = world_after(RUN)
    completes(world, RUN, "one")
    with pytest.raises(Crash):
        world.turn(**crash)
    world.restart()
    world.turn()
    world.aws.end(report())
    world.turn()
    world.turn()
    assert [name for name, _ in world.aws.calls].count("CreateProcessingJob") == 1
    assert world.status["lastAfter"].endswith("/one")


def test_nothing_has_completed_yet() -> None:
    """Waiting for the first completion is the state that was asked for."""
    world = world_after(RUN)
    world.references.objects[RUN] = Snapshot(
        RUN, "r", "1", 1, spec={}, status={"phase": "Failed", "runKey": "one", "finishedAt": stamp(START)}
    )
    world.turn()
    assert world.conditions() == {"Ready": "True Scheduled"}
    assert world.message() == "the first check is due at the next completion of TrainingRun fees"


def test_a_batch_that_is_none_is_waited_for() -> None:
    world = world_after(BATCH)
    world.references.objects[BATCH] = Snapshot(BATCH, "r", "1", 1, spec={}, status={})
    world.turn()
    assert "ModelEndpoint scores has no batch" in world.message()


def test_a_person_is_answered_though_what_is_followed_is_missing() -> None:
    world = world_after(RUN)
    world.turn()
    world.aws.captured(START - timedelta(minutes=1))
    world.check_now("please")
    assert world.checked(report())["trigger"] == "check-now please"


@pytest.mark.parametrize("entry", [None, "x", {"phase": "Succeeded"}, {"phase": "Succeeded", "runKey": "a", "finishedAt": "no"}])
def test_a_status_of_any_form_is_read(entry: Any) -> None:
    world = world_after(RUN)
    world.references.objects[RUN] = Snapshot(RUN, "r", "1", 1, spec={}, status={"history": [entry], "phase": 1})
    assert operations(world.turn()) == []


def test_policies_that_wait_for_each_other_are_refused_before_any_call() -> None:
    world = world_after(POLICY)
    spec = {"schedule": {"after": {"monitorPolicyRef": {"name": "fees"}}}}
    world.references.objects[POLICY] = Snapshot(POLICY, "p", "1", 1, spec=spec)
    world.turn()
    assert world.conditions()["Ready"] == "False InvalidSpec"
    assert "spec.schedule.after.monitorPolicyRef: fees -> inputs -> fees: each waits for the next" in world.message()
    assert world.aws.calls == []
    other = replace(world.references.objects[POLICY], spec={"schedule": {"cron": "0 * * * *"}})
    world.references.objects[POLICY] = other
    world.turn()
    assert world.conditions() == {"Ready": "True Scheduled"}


def test_one_that_waits_for_itself_and_one_that_waits_for_a_circle() -> None:
    world = World(schedule={"after": {"monitorPolicyRef": {"name": "fees"}}})
    world.turn()
    assert "fees -> fees:" in world.message()
    world = world_after(POLICY)
    world.references.objects[POLICY] = Snapshot(POLICY, "p", "1", 1, spec={"schedule": {"after": {"monitorPolicyRef": {"name": "inputs"}}}})
    world.turn()
    assert world.conditions() == {"Ready": "True Scheduled"}
