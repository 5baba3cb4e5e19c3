"""Notifications under random schedules and two operators; and that what guards them is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagemaker_gitops.aws.kinds import notifying
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.notifications import Outcome
from tests.simulation.gate import Fault
from tests.simulation.oracles import reference
from tests.simulation.runner import run, run_single_faults
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.scenarios_told import ALERTS, LOG
from tests.simulation.schedule import Disturbance, Schedule, random_schedule
from tests.simulation.world import World

NAMES = tuple(name for name in SCENARIOS if name.startswith("told"))
SEEDS = 60


def violations(name: str, seeds: int = SEEDS) -> Iterator[str]:
    scenario = SCENARIOS[name]
    for seed in range(seeds):
        schedule = random_schedule(seed, reference(name).boundaries, scripted=len(scenario.script), deletes=scenario.deletes)
        yield from (f"SEED={seed} {violation}" for violation in run(scenario, schedule))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_told_twice_under_random_schedules(name: str) -> None:
    assert [*violations(name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_lost_status_and_two_operators_tell_nothing_twice(name: str) -> None:
    schedules = [
        Schedule(afterwards=Disturbance.WIPE_STATUS),
        Schedule(operators=2, watch_lag=60.0, latency=3.0),
        Schedule(1, operators=2, watch_lag=60.0, latency=0.5),
        *(Schedule(disturbances={number: Disturbance.WIPE_STATUS}) for number in range(reference(name).boundaries)),
    ]
    assert [found for schedule in schedules for found in run(SCENARIOS[name], schedule)] == []


def test_without_faults_everything_is_told_exactly_once() -> None:
    expected = {
        "told-failed": [(ALERTS, "Failed"), (LOG, "Failed")],
        "told-waits": [(ALERTS, "AwaitingApproval"), (ALERTS, "Succeeded"), (LOG, "Succeeded")],
        "told-edited": [(ALERTS, "Succeeded"), (ALERTS, "Succeeded"), (LOG, "Succeeded"), (LOG, "Succeeded")],
    }
    for name, told in expected.items():
        world = World(SCENARIOS[name], Schedule())
        world.run()
        assert sorted((topic, transition) for topic, transition, _ in world.topics.told.elements()) == told


def test_sending_again_after_a_lost_answer_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def certain(**given: Any) -> Outcome:
        return Outcome(**given | {"certain": True})

    monkeypatch.setattr(notifying, "Outcome", certain)
    assert run_single_faults("told-failed", Fault.LOST)


def test_sending_without_a_recorded_intent_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AwsRequest, "creates", property(lambda self: self.operation.startswith("Create")))
    assert run_single_faults("told-failed", Fault.CRASH_AFTER)
