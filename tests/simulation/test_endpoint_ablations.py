"""Every guard of the ModelEndpoint is really tested: taken away, one at a time, it makes a simulated run violate an oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest

from sagemaker_gitops.aws.kinds import hosting, model_endpoint
from sagemaker_gitops.aws.kinds.sending import Sending
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.kinds.model_endpoint import plan, rollout, scaling, situation, upkeep, verdict
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.runtime import store
from sagemaker_gitops.runtime.reconciler import Reconciler
from tests.simulation import process, world
from tests.simulation.oracles import allowed, reference
from tests.simulation.runner import directed, run, seeds_of
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.scenarios_endpoint import KEY

pytestmark = pytest.mark.long
SEEDS = 1000
NAMES = tuple(name for name, scenario in SCENARIOS.items() if scenario.key == KEY)

Patch = pytest.MonkeyPatch


async def _nothing(*_: Any, **__: Any) -> None:
    """A guard that does not guard."""


def _no_wait(patch: Patch, wait: str) -> None:
    none: dict[str, Any] = {wait: 0.0}
    patch.setattr(world, "Settings", lambda install: replace(Settings(install), **none))


def _never_compared(patch: Patch) -> None:
    """Whatever is InService is taken for what is wanted."""
    patch.setattr(plan, "replace_config", upkeep.settled)


def _tried_again(patch: Patch) -> None:
    """A rollback is no reason not to ask again."""
    real = situation.update_for
    patch.setattr(rollout, "update_for", lambda here, config: {name: v for name, v in real(here, config).items() if name == "config"})


def _unseen(patch: Patch) -> None:
    """Whatever LastModifiedTime says, the call has not arrived."""
    patch.setattr(verdict, "changed_back", lambda update, live: False)


def _forgets_what_was_sent(patch: Patch) -> None:
    """Every refusal says that nothing was ever sent, and nothing that AWS shows says otherwise."""
    patch.setattr(Sending, "_took", lambda *_, **__: None)


def _taken_for_ours(patch: Patch) -> None:
    patch.setattr(naming, "owned_by", lambda *_: True)


def _unlimited(patch: Patch) -> None:
    """Everything but what serves is garbage."""
    patch.setattr(upkeep, "history_limit", lambda spec: 0)


def _kept(patch: Patch) -> None:
    patch.setattr(upkeep, "collected", lambda *_: ())


def _live_too(patch: Patch) -> None:
    """What may still be asked for, or serves, is collected with the rest."""
    real = upkeep.collected
    patch.setattr(upkeep, "collected", lambda here, dropped, kept, owned: real(here, [*dropped, *kept], [], owned))


def _approved(patch: Patch) -> None:
    patch.setattr(hosting, "_as_model", lambda described, label: _real_as_model({**described, "ModelApprovalStatus": "Approved"}, label))


_real_as_model = hosting._as_model


def _not_witnessed(patch: Patch) -> None:
    patch.setattr(plan, "witnessed", lambda *_: {})


def _shares_ignored(patch: Patch) -> None:
    patch.setattr(upkeep, "correct_shares", lambda serving, live: None)


def _believes_what_it_sees(patch: Patch) -> None:
    """Whatever has changed was our update."""
    patch.setattr(rollout, "went_back", lambda here, live, update: verdict.changed_back(update, live))


STALE = "a fresh look before a deletion"
GUARDS: Mapping[str, Callable[[Patch], None]] = {
    "the live config is compared with the wanted one": _never_compared,
    "a rolled-back config is not asked for again": _tried_again,
    "LastModifiedTime tells a rollback from a lost update": _unseen,
    "what a busy endpoint shows": _not_witnessed,
    "a refused repetition proves nothing": _forgets_what_was_sent,
    "ownership by tag before every delete": _taken_for_ours,
    "intent before the paid call": lambda patch: patch.setattr(Reconciler, "_record_intent", _nothing),
    STALE: lambda patch: patch.setattr(Reconciler, "_confirm", _nothing),
    "finalizer before the create": lambda patch: patch.setattr(Reconciler, "_hold", _nothing),
    "second look before the finalizer goes, and quarantine": lambda patch: _no_wait(patch, "create_quarantine"),
    "history beyond the limit is collected": _kept,
    "history within the limit is kept": _unlimited,
    "what serves is not collected": _live_too,
    "what no status remembers is looked for": lambda patch: patch.setattr(model_endpoint, "SIGHTS", ()),
    "an update that may arrive keeps its config": lambda patch: patch.setattr(upkeep, "_may_arrive", lambda *_: ({}, 0.0)),
    "what nobody saw is no rollback": _believes_what_it_sees,
    "CloudTrail is given its time": lambda patch: patch.setattr(rollout, "undecided", lambda *_: None),
    "a registration may come late": lambda patch: patch.setattr(scaling, "left_of_quarantine", lambda *_: 0.0),
    "approval": _approved,
    "shares are corrected": _shares_ignored,
    "drift is looked for": lambda patch: patch.setattr(process.Process, "drift", lambda self: None),
    "a foreign status wakes what is at rest": lambda patch: patch.setattr(store.Store, "_reopened", lambda *_: False),
}


@pytest.fixture(scope="module")
def references() -> None:
    """Made with every guard in place."""
    for name in NAMES:
        reference(name), allowed(name)


def _hunt() -> Iterator[list[str]]:
    """The directed schedules first, then random ones of this kind."""
    for scenario, schedule in chain(directed(NAMES), seeds_of(KEY.kind, SEEDS)):
        yield run(scenario, schedule)


def _pairs() -> Iterator[list[str]]:
    """Two operators while users change their minds: what only a stale watch needs."""
    for scenario, schedule in seeds_of(KEY.kind, 2 * SEEDS):
        if schedule.loose and len(scenario.versions) > 1:
            yield run(scenario, replace(schedule, operators=2))


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("references")
@pytest.mark.parametrize("guard", GUARDS)
def test_the_simulation_notices_a_missing_guard_of_endpoints(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this guard, some run violates an oracle."""
    GUARDS[guard](monkeypatch)
    assert any(_pairs() if guard == STALE else _hunt()), f"no run needs the guard: {guard}"
