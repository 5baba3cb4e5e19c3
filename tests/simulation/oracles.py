"""What has to be true of a run (failure-modes.md 7.1): O1 no duplicate, O2 no orphan, O3 same end, O4 same mutations, O5 silence,
O6 no exception, O7 in time. What belongs to one kind is in oracles_*.py.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.simulation.scenario import Scenario
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.schedule import Schedule

if TYPE_CHECKING:
    from tests.simulation.world import World

SILENCE = 900.0  # seconds of rest that are watched

Accepted = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reference:
    """The fault-free run: how it ends, what AWS accepted, how many calls it took."""

    end: Mapping[str, Any] | None
    accepted: Accepted
    updates: int
    kept: frozenset[str]
    boundaries: int
    labels: tuple[str, ...]
    seconds: float


@functools.cache
def reference(name: str) -> Reference:
    """The scenario without faults, every request checked against AWS's model on the way."""
    return _reference(SCENARIOS[name])


@functools.cache
def allowed(name: str) -> frozenset[tuple[str, str]]:
    """Every creating call that some version of the spec, applied to an empty world, needs."""
    scenario = SCENARIOS[name]
    if scenario.by_number:
        return frozenset(reference(name).accepted)
    versions = [version for version in scenario.versions if not version["spec"].get("suspend")]
    alone = [
        replace(scenario, versions=[version], script=(), ending=scenario.ending_alone or scenario.ending, remains=True)
        for version in versions
    ]
    return frozenset(reference(name).accepted) | {call for single in alone for call in _reference(single).accepted}


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
    ledger, labels = world.context.ledger, tuple(world.gate.labels)
    return Reference(
        scenario.oracle.end_of(world),
        ledger.accepted(),
        ledger.count("UpdateEndpoint"),
        frozenset(world.hosting.configs),
        len(labels),
        labels,
        world.clock.seconds,
    )


def judge(world: World) -> list[str]:
    """Every violation of a run that has come to rest."""
    wanted = reference(world.scenario.name)
    found = [*world.violations, *_duplicates(world)]
    if not found:
        found += _late(world, wanted)
        found += _end(world, wanted)
        found += _mutations(world, wanted)
        found += _updates(world, wanted)
        found += _rest(world)
        found += world.scenario.oracle.orphans(world)
        found += _exceptions(world)
    return found


def _duplicates(world: World) -> list[str]:
    accepted = world.context.ledger.accepted()
    return [
        f"O1: {operation} {identity} accepted {count} times"
        for (operation, identity), count in accepted.items()
        if count > world.scenario.creates
    ]


def _end(world: World, wanted: Reference) -> list[str]:
    end = world.scenario.oracle.end_of(world)
    if (
        end == wanted.end
        or (world.schedule.loose and world.scenario.end_varies)
        or (world.scenario.may_be_stopped and end == alone(world.scenario.name))
        or (world.scenario.forgets and world.losses)
    ):
        return []
    return [f"O3: ended as {end}, the reference as {wanted.end}"]


def _mutations(world: World, wanted: Reference) -> list[str]:
    if world.scenario.by_number:
        return _numbers(world, wanted)
    accepted = set(world.context.ledger.accepted())
    extra = accepted - allowed(world.scenario.name)
    found = [f"O4: accepted although no version of the spec asks for it: {sorted(extra)}"] if extra else []
    lost = world.scenario.forgets and world.losses
    exact = not world.schedule.loose and not world.scenario.may_be_stopped and world.scenario.remains and not lost
    undisturbed = exact and not (world.schedule.faults or world.schedule.disturbances or world.losses)
    if undisturbed and wanted.kept - world.hosting.configs.keys():
        found.append(f"O4: {wanted.kept - world.hosting.configs.keys()} should have been kept")
    if exact and accepted != set(wanted.accepted):
        found.append(f"O4: accepted {sorted(accepted ^ set(wanted.accepted))} differs from the reference")
    return found


def _numbers(world: World, wanted: Reference) -> list[str]:
    """Names that hold moments cannot be compared; how many there are can, unless users or a lost status chose other moments."""
    if world.schedule.loose or world.losses or not world.scenario.remains or world.schedule.seed:
        return []
    counts = [Counter(operation for operation, _ in accepted) for accepted in (world.context.ledger.accepted(), wanted.accepted)]
    return [f"O4: accepted {dict(counts[0])}, the reference {dict(counts[1])}"] if counts[0] != counts[1] else []


def _updates(world: World, wanted: Reference) -> list[str]:
    """An update that is asked for once too often moves production for nothing: only a late one, a lost status and a second operator may."""
    if world.schedule.loose or not world.scenario.remains:
        return []
    count = world.context.ledger.count("UpdateEndpoint")
    most = wanted.updates + world.aws.late + len(world.losses) + (world.schedule.operators - 1)
    return [f"O4: {count} accepted UpdateEndpoint, the reference has {wanted.updates}"] if count > most else []


def _rest(world: World) -> list[str]:
    """Silence at rest, and after a restart."""
    found = []
    world.gate.calm = True
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
