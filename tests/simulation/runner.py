"""From a seed, or from a scenario and a fault, to the list of violations: the one entry of tests and command line."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.simulation.gate import Fault
from tests.simulation.oracles import allowed, judge, reference
from tests.simulation.scenarios import SCENARIOS, Scenario
from tests.simulation.schedule import Schedule, random_schedule
from tests.simulation.world import World

NAMES: Sequence[str] = tuple(SCENARIOS)


def schedules() -> int:
    """How many random schedules a test session runs; SCHEDULES in the environment overrides it."""
    return int(os.environ.get("SCHEDULES", "20000"))


def of_seed(seed: int) -> tuple[Scenario, Schedule]:
    """The scenario and the schedule that a seed stands for. Seeds take the scenarios in turns."""
    scenario = SCENARIOS[NAMES[seed % len(NAMES)]]
    boundaries = reference(scenario.name).boundaries
    return scenario, random_schedule(seed, boundaries, scripted=len(scenario.script), deletes=scenario.deletes)


def run(scenario: Scenario, schedule: Schedule, trace: list[str] | None = None) -> list[str]:
    """Every violation of one run. An exception that leaves the operator or the world is one too."""
    reference(scenario.name), allowed(scenario.name)
    world = World(scenario, schedule, trace=trace)
    try:
        world.run()
        return judge(world)
    except Exception as error:
        return [f"O6: {type(error).__name__}: {error}"]


def run_seeds(seeds: range) -> list[str]:
    """One line for every seed that violates something, in the words that replay it."""
    failed = []
    for seed in seeds:
        scenario, schedule = of_seed(seed)
        violations = run(scenario, schedule)
        if violations:
            failed.append(f"SEED={seed} ({scenario.name}) {violations} replay: python -m tests.simulation --seed {seed}")
    return failed


def run_single_faults(name: str, fault: Fault) -> list[str]:
    """`fault` at every boundary of the scenario, one run each."""
    failed = []
    for number in range(reference(name).boundaries):
        violations = run(SCENARIOS[name], Schedule(faults={number: fault}))
        if violations:
            replay = f"python -m tests.simulation --scenario {name} --fault {fault} --at {number}"
            failed.append(f"{fault} at #{number} {reference(name).labels[number]}: {violations} replay: {replay}")
    return failed


@contextmanager
def quiet() -> Iterator[None]:
    """Without the operator's log: formatting the warnings that faults cause would cost more than the passes."""
    log = logging.getLogger("sagemaker_gitops")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)
