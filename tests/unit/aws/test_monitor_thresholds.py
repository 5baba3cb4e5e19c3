"""A threshold that is edited begins anew: the last check is judged by it, and CloudWatch is told, without waiting for the next check."""

from __future__ import annotations

from typing import Any

from sagemaker_gitops.core.plan import After
from tests.unit.aws.test_aws_adapter_monitor_breach import ALARM, Loop


def _threshold(world: Loop, initial: float) -> None:
    alarm: dict[str, Any] = world.snapshot.spec["alarms"][0]
    world.edit(alarms=[{**alarm, "threshold": {**ALARM["threshold"], "initial": initial}}])


def _settle(world: Loop) -> None:
    for _ in range(5):
        world.turn()


def test_an_edited_threshold_judges_the_last_check_and_is_told_to_cloudwatch() -> None:
    world = Loop(alarm={"createCloudWatchAlarm": True})
    world.hour(0.2)
    _settle(world)
    _threshold(world, 0.3)
    assert world.turn().requeue == After(1.0)
    _settle(world)
    assert (world.status["threshold"], world.status["alarms"][0]["threshold"]) == ("0.3", "0.3")
    assert [alarm["Threshold"] for alarm in world.aws.alarms.values()] == [0.3]
    calls = len(world.aws.calls)
    _settle(world)
    assert len(world.aws.calls) == calls


def test_a_stricter_threshold_is_a_breach_by_the_numbers_that_are_known() -> None:
    world = Loop()
    world.hour(0.21)
    world.hour(0.22)
    assert (world.status["phase"], world.asked) == ("Passing", {})
    _threshold(world, 0.1)
    _settle(world)
    assert (world.status["phase"], world.status["breaches"]) == ("Breached", "2/2")
    assert world.asked["threshold"] == "0.1"


def test_a_looser_threshold_ends_a_breach_of_which_nobody_was_asked() -> None:
    world = Loop(alarm={"evaluationPeriods": 1, "datapointsToAlarm": 1})
    world.run_is("Running")
    world.hour(0.31)
    assert world.status["phase"] == "Breached"
    _threshold(world, 0.5)
    _settle(world)
    assert (world.status["phase"], "episode" in world.status) == ("Passing", False)


def test_a_ratchet_goes_on_from_where_an_edit_began_anew() -> None:
    """The threshold that an earlier model moved is forgotten; the next newer model moves the edited one."""
    world = Loop()
    world.hour(0.2)
    world.serves(2)
    world.turn()
    world.hour(0.1)
    assert world.status["threshold"] == "0.17"
    _threshold(world, 0.3)
    _settle(world)
    assert world.status["threshold"] == "0.3"
    world.serves(3)
    world.turn()
    world.hour(0.1)
    assert world.status["threshold"] == "0.2"
