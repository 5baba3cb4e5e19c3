"""A metric that flips around its threshold at every check, for days of virtual time: what follows a breach stays within its bounds."""

from __future__ import annotations

import pytest

from tests.simulation.aws_checks import BAD, GOOD
from tests.simulation.oracles_policy import DAY, RUN, PolicyOracle, over_limits, retrains
from tests.simulation.runner import whole
from tests.simulation.scenario import TENANT, Scenario
from tests.simulation.scenarios_policy import ALARM, KEY, endings, endpoint, policy, retraining, serving, training_run
from tests.simulation.schedule import Disturbance, Schedule
from tests.simulation.world import World

MINUTE, DAYS, MOST = 60.0, 8, 3
WRITES, EVENTS = 6, 3  # for a flip: a check begins and ends, an alarm goes on or off, what a retrain says
SPEC = {
    **retraining({**ALARM, "createCloudWatchAlarm": False}, cooldown="20m", maxPerDay=MOST, maxWithoutImprovement=100),
    "schedule": {"cron": "* * * * *"},
    "window": "1m",
    "dashboard": False,
}
FLAPPING = Scenario(
    "flapping",
    KEY,
    PolicyOracle(),
    [policy(**SPEC)],
    others=(TENANT, endpoint(1), training_run()),
    prepare=serving(days=DAYS),
    ending=endings(),
    kinds=(KEY.kind, RUN.kind),
)


def flips() -> int:
    """How often the metric changes sides."""
    return 10_000 if whole() else 100


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("wiped", [False, True])
def test_a_flapping_metric_trains_within_its_limits(wiped: bool) -> None:
    """Cooldown and maxPerDay hold whatever becomes of the status; one job for each check, and no word more than things happened."""
    world = World(FLAPPING, Schedule())
    FLAPPING.prepare(world)
    for body in (*FLAPPING.others, world.manifest):
        world.kube.apply(body)
    for replica in world.replicas:
        replica.start()
    for number in range(flips()):
        world.checks.values["digits/1"] = BAD if number % 2 else GOOD
        for package in list(world.registry.packages.values()):
            world.registry.approve(
                package.group, package.version, "Rejected"
            )  # nobody wants what it makes: nothing holds the next one back
        if wiped and number % 50 == 49:
            world.disturb(Disturbance.WIPE_STATUS)
        while world.clock.seconds < (number + 1) * MINUTE:
            world.step()
        world.kube.statuses.clear()  # nobody asks for them here, and of 10,000 flips they are gigabytes
    made = retrains(world)
    assert over_limits(world) == []
    assert 2 <= len(made) <= MOST * (1 + int(flips() * MINUTE / DAY))
    assert flips() - 2 <= world.context.ledger.count("CreateProcessingJob") <= flips()
    assert world.kube.writes <= WRITES * flips()
    assert len(world.kube.events) <= EVENTS * flips()
