"""From a seed, or from a scenario and a fault, to the list of violations: the one entry of tests and command line."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.schedule import Schedule as Cron
from sagemaker_gitops.aws.errors import mutates
from sagemaker_gitops.aws.kinds import model_endpoint, monitor_findings, monitor_policy, training_run
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core.kinds.monitor_policy import alarms, windows
from sagemaker_gitops.core.schedule import following
from tests.simulation.gate import Fault
from tests.simulation.oracles import allowed, judge, reference
from tests.simulation.scenario import Scenario
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.schedule import Disturbance, Schedule, random_schedule
from tests.simulation.world import World

NAMES: Sequence[str] = tuple(SCENARIOS)
# Training alone costs a quarter of a whole run, so it comes three times as often; endpoints are 24 of 54 turns.
# What is told has turns of its own (test_told_schedules.py), as policies have: which seed meets which scenario stays as it is.
OWN_TURNS = ("policy", "told")
TURNS: Sequence[str] = tuple(name for name in NAMES if not name.startswith(OWN_TURNS) for _ in range(3 if name.startswith("train") else 1))
POLICY_TURNS: Sequence[str] = tuple(name for name in NAMES if name.startswith("policy"))


def whole() -> bool:
    """Whether every boundary is wanted, and as many random schedules as were promised (`make simulate`)."""
    return os.environ.get("SIMULATION") == "whole"


def schedules() -> int:
    """How many random schedules a test session runs; SCHEDULES in the environment overrides it."""
    return int(os.environ.get("SCHEDULES", "50000" if whole() else "1000"))


def of_seed(seed: int, turns: Sequence[str] = TURNS) -> tuple[Scenario, Schedule]:
    """The scenario and the schedule that a seed stands for. Seeds take the scenarios in turns."""
    scenario = SCENARIOS[turns[seed % len(turns)]]
    boundaries = reference(scenario.name).boundaries
    return scenario, random_schedule(seed, boundaries, scripted=len(scenario.script), deletes=scenario.deletes)


def seeds_of(kind: str, count: int) -> Iterator[tuple[Scenario, Schedule]]:
    """The first `count` seeds whose scenario is about a kind."""
    seeds = (seed for seed in itertools.count() if SCENARIOS[TURNS[seed % len(TURNS)]].key.kind == kind)
    yield from map(of_seed, itertools.islice(seeds, count))


def run(scenario: Scenario, schedule: Schedule, trace: list[str] | None = None) -> list[str]:
    """Every violation of one run. An exception that leaves the operator or the world is one too."""
    reference(scenario.name), allowed(scenario.name)
    world = World(scenario, schedule, trace=trace)
    try:
        world.run()
        return judge(world)
    except Exception as error:
        return [f"O6: {type(error).__name__}: {error}"]


def run_seeds(seeds: range, turns: Sequence[str] = TURNS) -> list[str]:
    """One line for every seed that violates something, in the words that replay it."""
    failed, policies = [], " --policies" if turns is POLICY_TURNS else ""
    for seed in seeds:
        scenario, schedule = of_seed(seed, turns)
        violations = run(scenario, schedule)
        if violations:
            failed.append(f"SEED={seed} ({scenario.name}) {violations} replay: python -m tests.simulation{policies} --seed {seed}")
    return failed


CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)


def stride(name: str, fault: Fault) -> int:
    """Of the boundaries of a scenario every so manieth is tried, all of them by `make simulate`; a TrainingRun's process dies at each.

    An endpoint's run has more of them than a training's, and a policy's goes on for an hour of moments much alike.
    """
    if whole() or name.startswith("told"):
        return 1
    match SCENARIOS[name].key.kind:
        case "TrainingRun":
            return 1 if fault in CRASHES else 2
        case "ModelEndpoint":
            return 3
        case _:
            return 48 if SCENARIOS[name].by_number else 4


def run_single_faults(name: str, fault: Fault) -> list[str]:
    """`fault` at every `stride`th boundary of the scenario, one run each.

    Endpoints and policies are looked at all the time, and a crash around a look is one before the next write: of reads only failed ones.
    """
    failed, step = [], stride(name, fault)
    for number, label in enumerate(reference(name).labels):
        if (number + tuple(Fault).index(fault)) % step:
            continue
        if SCENARIOS[name].key.kind != "TrainingRun" and fault is not Fault.ERROR and not _writes(label):
            continue
        violations = run(SCENARIOS[name], Schedule(faults={number: fault}))
        if violations:
            replay = f"python -m tests.simulation --scenario {name} --fault {fault} --at {number}"
            failed.append(f"{fault} at #{number} {reference(name).labels[number]}: {violations} replay: {replay}")
    return failed


REPLICAS = ((0.0, 0.0), (50.0, 0.0), (10.0, 50.0))
"""Delays of Describe and List in seconds, in turns."""


def run_hurried(name: str, fault: Fault) -> list[str]:
    """`fault` at a call, and users who act the moment after it; all calls, replicas and absences with `make simulate`."""
    scenario, failed = SCENARIOS[name], []
    absences = (2.0, 400.0) if fault in CRASHES else (2.0,)
    cases = itertools.product(range(reference(name).boundaries), REPLICAS, absences)
    for number, (described, listed), downtime in itertools.islice(cases, tuple(Fault).index(fault), None, 1 if whole() else 97):
        schedule = hurried(scenario, number, fault, describe_lag=described, list_lag=listed, downtime=downtime)
        if violations := run(scenario, schedule):
            failed.append(f"{schedule}: {violations}")
    return failed


def _writes(label: str) -> bool:
    service, _, operation = label.partition(":")
    return mutates(operation) if operation else service.startswith("PATCH")


def run_forgotten(seeds: range) -> Iterator[list[str]]:
    """Somebody puts an older status over the present one at every boundary, and the spec is edited in the same moment."""
    name = "whole-edited"
    for number in range(reference(name).boundaries):
        for seed in seeds:
            yield run(SCENARIOS[name], Schedule(seed, disturbances={number: Disturbance.OLD_STATUS}, script_at=[number]))


def hurried(scenario: Scenario, number: int, fault: Fault, **more: Any) -> Schedule:
    """Users act the moment after `fault`, the last of them; those before them a few calls earlier."""
    acts = len(scenario.script)
    return Schedule(number, faults={number: fault}, script_at=[max(0, number + 1 - 10 * (acts - 1 - act)) for act in range(acts)], **more)


def directed(names: Sequence[str]) -> Iterator[tuple[Scenario, Schedule]]:
    """What chance would take long to find about endpoints: silence from AWS, lost statuses, maintenance, long absences, two operators."""
    for name in names:
        scenario = SCENARIOS[name]
        yield scenario, Schedule()
        yield scenario, Schedule(events_lost=1.0, watch_lag=5.0)
        yield scenario, Schedule(describe_lag=50.0, list_lag=50.0)
        if scenario.remains:
            yield scenario, Schedule(afterwards=Disturbance.OLD_STATUS)
            yield scenario, Schedule(afterwards=Disturbance.WIPE_STATUS)
        yield scenario, Schedule(operators=2, watch_lag=60.0, latency=3.0)
        yield scenario, Schedule(1, operators=2, watch_lag=60.0, latency=0.5)
    for name, lag in (("serve-updated", 0.0), ("serve-updated", 10.0)):
        for number in range(reference(name).boundaries):
            yield SCENARIOS[name], Schedule(disturbances={number: Disturbance.MAINTENANCE}, describe_lag=lag)
    for number in range(reference("serve-updated").boundaries):
        crash = {number + 1: Fault.CRASH_BEFORE}
        yield SCENARIOS["serve-updated"], Schedule(faults=crash, disturbances={number: Disturbance.MAINTENANCE}, downtime=400.0)
    for name in ("serve-unscaled", "serve-watched", "serve-rolled-back", "serve-reverted"):
        for number in range(reference(name).boundaries):
            yield SCENARIOS[name], hurried(SCENARIOS[name], number, Fault.LATE)
    absences = (
        ("serve-rolled-back", Fault.CRASH_AFTER, 400.0),
        ("serve-hurried", Fault.CRASH_BEFORE, 400.0),
        ("serve-unscaled", Fault.CRASH_BEFORE, 400.0),
    )
    for name, fault, downtime in (*absences, ("serve-dropped", Fault.LATE, 2.0)):
        for number in range(reference(name).boundaries):
            yield SCENARIOS[name], Schedule(faults={number: fault}, downtime=downtime)


@contextmanager
def prepared() -> Iterator[None]:
    """What makes thousands of runs affordable and changes none of them.

    The operator's log is off: formatting the warnings that faults cause would cost more than the passes. Three pure functions, which
    dominate a pass, remember their answers: parsing a spec, checking a request against AWS's model, the next moment of a schedule.
    """
    log = logging.getLogger("sagemaker_gitops")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    with ExitStack() as patches:
        for module in (training_run, model_endpoint, monitor_policy):
            patches.enter_context(patch.object(module, "read", _parsed))
        for judge in (training_run, model_endpoint, monitor_findings):
            patches.enter_context(patch.object(judge, "validate", _validated))
        for user in (alarms, windows):
            patches.enter_context(patch.object(user, "following", _following))
        patches.callback(log.setLevel, before)
        yield


_specs: dict[tuple[type[Any], str], Any] = {}
_findings: dict[tuple[str, str, str], Any] = {}
_moments: dict[tuple[str, str | None, datetime], datetime | None] = {}


def _parsed(model: type[Any], spec: Mapping[str, Any]) -> Any:
    key = model, json.dumps(spec)
    if key not in _specs:
        _specs[key] = read(model, spec)
    return _specs[key]


def _validated(service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
    key = service, operation, json.dumps(parameters)
    if key not in _findings:
        _findings[key] = validate(service, operation, parameters)
    return _findings[key]


def _following(schedule: Cron, after: datetime) -> datetime | None:
    key = schedule.cron, schedule.time_zone, after
    if key not in _moments:
        _moments[key] = following(schedule, after)
    return _moments[key]
