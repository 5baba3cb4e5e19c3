"""Every guard of the MonitorPolicy is really tested: taken away, one at a time, it makes a simulated run violate an oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_gitops.aws.kinds import monitor_policy
from sagemaker_gitops.aws.kinds.monitor_retrains import Retrains
from sagemaker_gitops.core.kinds.monitor_policy import alarms, deletion, outcome, plan, requests, retrain
from sagemaker_gitops.core.kinds.monitor_policy import windows as windows_of
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.runtime.reconciler import Reconciler
from tests.simulation import world
from tests.simulation.gate import Fault
from tests.simulation.oracles import allowed, reference
from tests.simulation.runner import POLICY_TURNS, run
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.schedule import Disturbance, Schedule

pytestmark = pytest.mark.long
Patch = pytest.MonkeyPatch
Hunt = Callable[[], Iterator[list[str]]]


async def _nothing(*_: Any, **__: Any) -> Any:
    """A guard that does not guard."""
    return ()


def _no_wait(patch: Patch) -> None:
    patch.setattr(world, "Settings", lambda install: replace(Settings(install), create_quarantine=0.0))


def _by_moment(patch: Patch) -> None:
    """A check is named by when it is made and not by what it reads."""
    real = requests.job_name
    named = lambda here, *given: f"{real(here, *given)[:-4]}{int(here.now.timestamp()) % 10_000:04}"  # noqa: E731
    patch.setattr("sagemaker_gitops.aws.kinds.monitor_policy.job_name", named)


def _forgetful(patch: Patch) -> None:
    """Neither AWS nor status is asked what was trained before."""
    patch.setattr(Retrains, "of_run", _nothing)
    patch.setattr(retrain, "_number", lambda *_: 0)


def _untimed(patch: Patch) -> None:
    patch.setattr(retrain, "_limited", lambda *_: ("", None))


def _first_look(patch: Patch) -> None:
    """The quarantine counts from the first attempt and not from the last."""
    real = plan._create

    def kept(here: Any, *given: Any) -> Any:
        made, held = real(here, *given), here.recorded.running.get("attemptedAt")
        if not held or "running" not in made.status:
            return made
        return replace(made, status={**made.status, "running": {**made.status["running"], "attemptedAt": held}})

    patch.setattr(plan, "_create", kept)


def _told_only(patch: Patch) -> None:
    """Deletion takes status's word for what CloudWatch has."""
    patch.setattr(monitor_policy, "own_alarms", _none)
    patch.setattr(monitor_policy, "own_dashboards", _nothing)


async def _none(*_: Any) -> Any:
    return {}


def _ratchets_always(patch: Patch) -> None:
    patch.setattr(alarms, "_settled", lambda alarm, threshold, settled, key, value: (alarms.ratcheted(alarm, threshold, value or 0.0), key))


def _any_number(patch: Patch) -> None:
    """One bad number is an alarm, and none is one, too."""
    patch.setattr(alarms, "evaluate", lambda alarm, threshold, periods, before: ("ALARM", 1))


def _singles(names: Sequence[str], faults: Sequence[Fault], step: int = 1) -> Hunt:
    def hunt() -> Iterator[list[str]]:
        for name in names:
            for number in range(0, reference(name).boundaries, step):
                for fault in faults:
                    yield run(SCENARIOS[name], Schedule(faults={number: fault}))

    return hunt


def _plain(*names: str) -> Hunt:
    return lambda: (run(SCENARIOS[name], Schedule()) for name in names)


def _wiped(name: str) -> Hunt:
    def hunt() -> Iterator[list[str]]:
        for number in range(reference(name).boundaries - 1, 0, -3):
            yield run(SCENARIOS[name], Schedule(disturbances={number: Disturbance.WIPE_STATUS}))

    return hunt


def _unheard() -> Iterator[list[str]]:
    """A crash before the create, a long absence, and lists and descriptions that lag."""
    for number in range(reference(ENDED).boundaries):
        for seed in range(1, 6):
            faults = {number: Fault.CRASH_BEFORE}
            yield run(SCENARIOS[ENDED], Schedule(seed, faults=faults, downtime=400.0, describe_lag=50.0, list_lag=50.0))


ENDED = "policy-deleted"
CREATES = ("policy-good", ENDED)
GUARDS: Mapping[str, tuple[Callable[[Patch], None], Hunt]] = {
    "a check is named by what it reads": (_by_moment, _singles(CREATES, [Fault.CRASH_AFTER, Fault.LOST])),
    "finalizer before the create": (lambda patch: patch.setattr(Reconciler, "_hold", _nothing), _singles(CREATES, [Fault.CRASH_AFTER])),
    "quarantine before the finalizer goes": (_no_wait, _singles(["policy-dropped"], [Fault.LATE])),
    "the quarantine counts from the last attempt": (_first_look, _unheard),
    "what CloudWatch may still get is waited for": (
        lambda patch: patch.setattr(deletion, "_unrecorded", lambda snapshot: False),
        _singles(["policy-alarm-deleted"], [Fault.LATE]),
    ),
    "deletion looks at CloudWatch": (_told_only, _plain("policy-watched-deleted")),
    "AWS counts the retrains": (_forgetful, _wiped("policy-worse")),
    "cooldown and maxPerDay": (_untimed, _plain("policy-cooled", "policy-capped")),
    "a newer model awaits its rollout, a run its end, a check its window": (
        lambda patch: patch.setattr(retrain, "obstacle", lambda here, episode: "" if here.facts.run else "none"),
        _plain("policy-loop", "policy-worse"),
    ),
    "requireNewData": (
        lambda patch: patch.setattr(Retrains, "new_data", _always),
        _plain("policy-new-data"),
    ),
    "the threshold moves once for each model": (_ratchets_always, _plain("policy-loop", "policy-good")),
    "M of N": (_any_number, _plain("policy-good", "policy-loop")),
    "no data is no success": (
        lambda patch: patch.setattr(plan, "nothing_captured", lambda here, entry: outcome.refused(here, entry, "Empty", "no data")),
        _plain("policy-no-data"),
    ),
    "a lost status looks for its check": (
        lambda patch: patch.setattr(windows_of, "nonce_of", lambda snapshot: ""),
        _plain("policy-good"),
    ),
}


async def _always(*_: Any) -> bool:
    return True


@pytest.fixture(scope="module")
def references() -> None:
    """Made with every guard in place."""
    for name in POLICY_TURNS:
        reference(name), allowed(name)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("references")
@pytest.mark.parametrize("guard", GUARDS)
def test_the_simulation_notices_a_missing_guard_of_policies(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this guard, some run violates an oracle."""
    remove, hunt = GUARDS[guard]
    remove(monkeypatch)
    assert any(hunt()), f"no run needs the guard: {guard}"
