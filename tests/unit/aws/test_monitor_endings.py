"""What is asked for and not wanted any more is taken back: alarms and dashboards that a crash left in no status, and unheeded retrains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_gitops.core.kinds.training_run.retrain import retrain_of
from sagemaker_gitops.core.plan import After, OnEvent
from sagemaker_gitops.core.resource import Key
from tests.unit.aws.monitor_world import report
from tests.unit.aws.passes import Crash
from tests.unit.aws.test_aws_adapter_monitor_breach import ALARM, RUN, Loop, retraining

OTHER = Key("TrainingRun", "team-a", "other")
CLOUDWATCH = {"alarm": {"createCloudWatchAlarm": True}}
Unwanted = Callable[[Loop], None]


def _no_alarm(world: Loop) -> None:
    world.edit(alarms=[ALARM])


def _no_dashboard(world: Loop) -> None:
    world.edit(dashboard=None)


def _settle(world: Loop) -> None:
    for _ in range(4):
        world.later(seconds=2)
        world.turn()


def _checked(world: Loop) -> None:
    world.at(10, 30)
    world.aws.captured(world.aws.now)
    world.checked(report(0.1))


def _until_crash(world: Loop, operation: str, *, before: bool = False) -> None:
    with pytest.raises(Crash):
        _turns(world, **{"crash_before" if before else "crash_after": operation})
    world.restart()


def _turns(world: Loop, **crash: str) -> None:
    for _ in range(4):
        world.turn(**crash)


@pytest.mark.parametrize("before", [True, False])
def test_an_alarm_that_a_crash_left_in_no_status_goes_when_it_is_not_wanted_any_more(before: bool) -> None:
    world = Loop(**CLOUDWATCH)
    _checked(world)
    _until_crash(world, "PutMetricAlarm", before=before)
    assert len(world.aws.alarms) == (0 if before else 1)
    _no_alarm(world)
    _settle(world)
    assert (world.aws.alarms, world.status.get("cloudWatchAlarms")) == ({}, None)


def test_an_alarm_that_a_crash_left_changed_is_brought_back() -> None:
    """The edit that was under way is taken back: what status says was said before it."""
    world = Loop(**CLOUDWATCH)
    _checked(world)
    _settle(world)
    wanted = world.snapshot.spec["alarms"]
    world.edit(alarms=[{**wanted[0], "treatMissingData": "breaching"}])
    _until_crash(world, "PutMetricAlarm")
    world.edit(alarms=wanted)
    _settle(world)
    assert [alarm["TreatMissingData"] for alarm in world.aws.alarms.values()] == ["notBreaching"]


@pytest.mark.parametrize("before", [True, False])
def test_a_dashboard_that_a_crash_left_in_no_status_goes_when_it_is_not_wanted_any_more(before: bool) -> None:
    world = Loop()
    world.edit(dashboard=True)
    _checked(world)
    _until_crash(world, "PutDashboard", before=before)
    assert len(world.aws.dashboards) == (0 if before else 1)
    _no_dashboard(world)
    _settle(world)
    assert (world.aws.dashboards, world.status.get("dashboard")) == ({}, None)


def test_a_crash_while_it_is_still_wanted_ends_with_one_of_each_and_rests() -> None:
    world = Loop(**CLOUDWATCH)
    world.edit(dashboard=True)
    _checked(world)
    _until_crash(world, "PutMetricAlarm")
    _settle(world)
    calls = len(world.aws.calls)
    _settle(world)
    assert (len(world.aws.alarms), len(world.aws.dashboards), len(world.aws.calls)) == (1, 1, calls)


def _better(world: Loop) -> None:
    world.serves(2)
    world.turn()
    world.hour(0.1)


def _edited(**spec: Any) -> Unwanted:
    def edit(world: Loop) -> None:
        world.edit(**spec)
        world.hour(0.33)

    return edit


ENDINGS = [_better, _edited(onBreach=None), _edited(alarms=[{**ALARM, "name": "other"}])]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_retrain_that_nobody_heeded_is_withdrawn_when_its_episode_ends(ending: Unwanted) -> None:
    """A TrainingRun that was paused meanwhile does not take it up when it goes on."""
    world = Loop()
    world.breach()
    ending(world)
    assert "episode" not in world.status
    assert world.asked == {}
    assert retrain_of(world.references.objects[RUN], [world.snapshot]) is None


def test_what_was_asked_for_is_still_to_be_heeded_when_the_policy_is_suspended() -> None:
    """Nothing else would wake the run after a restart of the operator; and nothing more is asked for."""
    world = Loop(cooldown="0s")
    episode = world.breach()
    world.edit(suspend=True)
    assert world.turn().requeue == After(30.0)
    assert world.references.woken == [RUN]
    world.heed()
    world.trained()
    assert (world.turn().requeue, world.references.woken) == (OnEvent(), [RUN])
    assert (world.asked["episode"], world.status["phase"]) == (episode, "Suspended")


def test_a_run_that_has_taken_up_a_later_request_takes_up_this_one_never() -> None:
    """Another policy's, or this one's own whose status somebody put back: the run's end is waited for and not the request."""
    world = Loop()
    world.breach()
    later = {**world.asked, "episode": "other.1", "policy": "team-a/other", "requestedAt": f"{world.aws.now:%Y-%m-%dT%H:%M:%SZ}"}
    world.run_is("Running", retrain=later)
    world.later(minutes=1)
    made = world.turn()
    assert world.references.woken == []
    assert made.requeue != After(30.0)
    assert "its end is waited for" in world.status["episode"]["message"]


def test_another_run_than_the_one_that_was_asked_is_asked_itself() -> None:
    """The reference is edited while the request stands: waiting for the new run to heed what names the old one would last for ever."""
    world = Loop(cooldown="0s")
    first = world.breach()
    run = world.references.objects[RUN]
    world.references.objects[OTHER] = replace(run, key=OTHER)
    world.edit(onBreach=retraining(trainingRunRef={"name": OTHER.name}, cooldown="0s"))
    world.turn()
    assert (world.asked["trainingRun"], world.asked["episode"]) == (OTHER.name, f"{first.removesuffix('.1')}.2")


def test_a_retrain_that_was_heeded_goes_on_being_named() -> None:
    world = Loop()
    episode = world.breach()
    world.heed()
    world.trained(2)
    _better(world)
    assert "episode" not in world.status
    assert world.asked["episode"] == episode


def test_a_withdrawn_retrain_does_not_count_as_the_next_one() -> None:
    world = Loop(cooldown="0s")
    first = world.breach()
    _better(world)
    second = world.breach()
    assert first.rpartition(".")[0] != second.rpartition(".")[0]
    assert world.heed() == second
