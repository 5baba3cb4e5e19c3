"""Every guard is really tested: taken away, one at a time, it makes a simulated run violate an oracle (failure-modes.md R24)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_gitops.aws import errors
from sagemaker_gitops.aws.kinds import training_run
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.kinds.training_run import checks, deletion, situation, status
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.runtime import store
from sagemaker_gitops.runtime.reconciler import Reconciler
from tests.simulation import world
from tests.simulation.gate import Fault
from tests.simulation.oracles import allowed, alone, reference
from tests.simulation.process import Process
from tests.simulation.runner import run, run_forgotten, seeds_of
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.scenarios_training import KEY
from tests.simulation.schedule import Disturbance, Schedule

pytestmark = pytest.mark.long
SEEDS = 3000
NAMES = tuple(name for name, scenario in SCENARIOS.items() if scenario.key == KEY)

Patch = pytest.MonkeyPatch
classify = errors.classify


async def _nothing(*_: Any, **__: Any) -> None:
    """A guard that does not guard."""


async def _nothing_found(*_: Any, **__: Any) -> Mapping[str, Any]:
    return {}


def _exists_is_terminal(operation: str, code: str, message: str, status_: int) -> Category:
    found = classify(operation, code, message, status_)
    return Category.TERMINAL if found is Category.EXISTS else found


def _no_stop(_: Any) -> tuple[()]:
    return ()


def _waits(patch: Patch, wait: str) -> None:
    none: dict[str, Any] = {wait: 0.0}
    patch.setattr(world, "Settings", lambda install: replace(Settings(install), **none))


def _no_stops(patch: Patch) -> None:
    patch.setattr(checks, "stop_actions", _no_stop)
    patch.setattr(deletion, "stop_actions", _no_stop)


GUARDS: Mapping[str, Callable[[Patch], None]] = {
    "Glue quarantine": lambda patch: _waits(patch, "glue_quarantine"),
    "quarantine of unseen creates": lambda patch: _waits(patch, "create_quarantine"),
    "second look before the finalizer goes": lambda patch: _waits(patch, "absence_interval"),
    "intent before the create": lambda patch: patch.setattr(Reconciler, "_record_intent", _nothing),
    "finalizer before the create": lambda patch: patch.setattr(Reconciler, "_hold", _nothing),
    "a taken name is looked at": lambda patch: patch.setattr(errors, "classify", _exists_is_terminal),
    "deterministic ClientToken": lambda patch: patch.setattr(naming, "token", lambda key: str(uuid.uuid4())),
    "search for jobs of a lost status": lambda patch: patch.setattr(training_run, "find_running", _nothing_found),
    "search for jobs at an edit": lambda patch: patch.setattr(training_run, "_run_replaced", lambda *_: False),
    "stop of what an edit or a deletion leaves": _no_stops,
    "an attempted create may run": lambda patch: patch.setattr(status, "_may_run", lambda entry: entry.get("state") == "InProgress"),
    "an overwritten Ready is said again": lambda patch: patch.setattr(situation, "_says_why_it_ended", lambda status: True),
    "sweep under lost events": lambda patch: patch.setattr(Process, "sweep", lambda self: None),
    "a foreign status over a finished one wakes it": lambda patch: patch.setattr(store.Store, "_reopened", lambda *_: False),
    "a restart looks at a paused end": lambda patch: patch.setattr(store, "_settled", lambda status: True),
}


@pytest.fixture(scope="module")
def references() -> None:
    """Made with every guard in place."""
    for name in NAMES:
        reference(name), allowed(name)
        if SCENARIOS[name].may_be_stopped:
            alone(name)


def _hunt() -> Iterator[list[str]]:
    """Single faults first, then a crash before anything is listed, an edit over an older status, a pause that ends while the operator is
    down, and random schedules.
    """
    for name in ("train", "train-deleted", "whole", "whole-glue-deleted"):
        for fault in (Fault.CRASH_AFTER, Fault.LATE):
            for number in range(reference(name).boundaries):
                yield run(SCENARIOS[name], Schedule(faults={number: fault}))
    for number in range(reference("train-edited").boundaries):
        yield run(
            SCENARIOS["train-edited"], Schedule(faults={number: Fault.CRASH_AFTER}, describe_lag=50.0, list_lag=50.0, events_lost=1.0)
        )
        yield run(SCENARIOS["train-edited"], Schedule(24, {number: Fault.CRASH_AFTER}, downtime=5.0, describe_lag=50.0, list_lag=50.0))
    yield from run_forgotten(range(2))
    for number in range(reference("train").boundaries):
        for later in range(4):
            faults = {number + later: Fault.CRASH_AFTER}
            yield run(SCENARIOS["train"], Schedule(faults=faults, disturbances={number: Disturbance.PAUSE}, downtime=60.0))
    for scenario, schedule in seeds_of(KEY.kind, SEEDS):
        yield run(scenario, schedule)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("references")
@pytest.mark.parametrize("guard", GUARDS)
def test_the_simulation_notices_a_missing_guard(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this guard, some run violates an oracle."""
    GUARDS[guard](monkeypatch)
    assert any(_hunt()), f"no run of {SEEDS} schedules needs the guard: {guard}"
