"""What has to be true of a run (failure-modes.md 7.1): O1 no duplicate, O2 no orphan, O3 same end, O4 same mutations, O5 silence,
O6 no exception, O7 in time, and that a finalizer goes only on proof.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.status import recorded_active
from sagemaker_gitops.core.naming import TAG_NAME
from tests.simulation.process import INSTALL
from tests.simulation.scenarios import KEY, SCENARIOS, Scenario
from tests.simulation.schedule import Schedule

if TYPE_CHECKING:
    from tests.simulation.world import World

SETTINGS = Settings(INSTALL)
ROUNDING = 1.0  # seconds: Kubernetes' timestamps are whole
SILENCE = 900.0  # seconds of rest that are watched

Accepted = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reference:
    """The fault-free run: how it ends, what AWS accepted, how many calls it took."""

    end: Mapping[str, Any] | None
    accepted: Accepted
    boundaries: int
    labels: tuple[str, ...]
    seconds: float


def end_of(world: World) -> dict[str, Any] | None:
    """The object's end state without times, versions and history; None if it is gone."""
    body = world.kube.objects.get(KEY)
    if body is None:
        return None
    status = body.get("status") or {}
    return {
        "phase": status.get("phase"),
        "steps": [(step["name"], step["state"], step.get("awsName"), step.get("attempt")) for step in status.get("steps", ())],
        "model": (status.get("model") or "").partition("/")[0],
        "ready": next(((item["status"], item["reason"]) for item in status.get("conditions", ()) if item["type"] == "Ready"), None),
    }


@functools.cache
def reference(name: str) -> Reference:
    """The scenario without faults, every request checked against AWS's model on the way."""
    return _reference(SCENARIOS[name])


@functools.cache
def allowed(name: str) -> frozenset[tuple[str, str]]:
    """Every creating call that some version of the spec, applied to an empty world, needs."""
    scenario = SCENARIOS[name]
    versions = [version for version in scenario.versions if not version["spec"].get("suspend")]
    alone = [replace(scenario, versions=[version], script=(), endless=frozenset(), remains=True) for version in versions]
    return frozenset(call for single in alone for call in _reference(single).accepted)


@functools.cache
def alone(name: str) -> Mapping[str, Any] | None:
    """How the last version ends when nothing was ever applied before it."""
    scenario = SCENARIOS[name]
    return _reference(replace(scenario, versions=scenario.versions[-1:], script=())).end


def _reference(scenario: Scenario) -> Reference:
    from tests.simulation.world import World

    world = World(scenario, Schedule(), strict=True)
    world.run()
    problems = [*world.violations, *_duplicates(world)]
    assert not problems, f"the fault-free run of {scenario.name}: {problems}"
    return Reference(end_of(world), world.context.ledger.accepted(), len(world.gate.labels), tuple(world.gate.labels), world.clock.seconds)


def judge(world: World) -> list[str]:
    """Every violation of a run that has come to rest."""
    wanted = reference(world.scenario.name)
    found = [*world.violations, *_duplicates(world)]
    if not found:
        found += _late(world, wanted)
        found += _end(world, wanted)
        found += _mutations(world, wanted)
        found += _rest(world)
        found += _orphans(world)
        found += _exceptions(world)
    return found


def check_removal(world: World, body: Mapping[str, Any]) -> None:
    """The moment an object vanishes: nothing of it may run, and the proof of that must have been made."""
    running = [work.name for work in world.works() if work.active(world.clock.seconds)]
    if running:
        world.violations.append(f"O2: the object went while {running} ran")
    status = body.get("status") or {}
    for name, (_, _, attempted) in recorded_active(status).items():
        looks = [(at, active) for at, looked, active in world.context.looks if looked == name]
        quiet = [at for at, active in looks if not active]
        if not quiet or quiet[-1] - quiet[0] < SETTINGS.absence_interval - ROUNDING:
            world.violations.append(f"O2: finalizer released without two looks at {name}: {looks}")
        if attempted and not any(name in (work.name, work.name.split("_")[0]) for work in world.works()):
            age = (world.clock.now() - attempted).total_seconds()
            if age < SETTINGS.create_quarantine - ROUNDING and not _made(world, name):
                world.violations.append(f"O2: finalizer released {age:g} s after an attempted create of {name}")


def _made(world: World, name: str) -> bool:
    return name in world.jobs.works or bool(world.glue.jobs.get(name) and world.glue.jobs[name].runs)


def _duplicates(world: World) -> list[str]:
    accepted = world.context.ledger.accepted()
    return [f"O1: {operation} {identity} accepted {count} times" for (operation, identity), count in accepted.items() if count > 1]


def _end(world: World, wanted: Reference) -> list[str]:
    end = end_of(world)
    if end == wanted.end or (world.scenario.may_be_stopped and end == alone(world.scenario.name)):
        return []
    return [f"O3: ended as {end}, the reference as {wanted.end}"]


def _mutations(world: World, wanted: Reference) -> list[str]:
    accepted = set(world.context.ledger.accepted())
    extra = accepted - allowed(world.scenario.name)
    found = [f"O4: accepted although no version of the spec asks for it: {sorted(extra)}"] if extra else []
    exact = not world.schedule.loose and not world.scenario.may_be_stopped and world.scenario.remains
    if exact and accepted != set(wanted.accepted):
        found.append(f"O4: accepted {sorted(accepted ^ set(wanted.accepted))} differs from the reference")
    return found


def _orphans(world: World) -> list[str]:
    """Whatever runs when all is quiet has to be in a live object's status."""
    body = world.kube.objects.get(KEY)
    known = recorded_active(body.get("status") or {}) if body else {}
    now = world.clock.seconds
    orphans = [work.name for work in world.works() if work.active(now) and work.name not in known and work.tags[TAG_NAME] == KEY.name]
    return [f"O2: orphans {orphans}"] if orphans else []


def _rest(world: World) -> list[str]:
    """Silence at rest, and after a restart."""
    found = []
    for what in ("at rest", "after a restart at rest"):
        before = world.kube.writes, world.aws.mutations
        until = world.clock.seconds + SILENCE
        if what != "at rest":
            world.restart()
        while world.clock.seconds < until:
            world.step()
        after = world.kube.writes, world.aws.mutations
        if before != after:
            found.append(f"O5: {what} {after[0] - before[0]} writes and {after[1] - before[1]} mutating calls")
    return found


def _exceptions(world: World) -> list[str]:
    crashed = world.outcomes_so_far().get("InternalError", 0)
    return [f"O6: {crashed} passes raised"] if crashed else []


def _late(world: World, wanted: Reference) -> list[str]:
    took = world.clock.seconds - world.last_trouble
    longest = wanted.seconds + LONGEST_TROUBLE
    return [f"O7: took {took:g} s after the last trouble, more than {longest:g} s"] if took > longest else []


LONGEST_TROUBLE = 1800.0
