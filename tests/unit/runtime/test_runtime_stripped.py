"""What somebody takes from an object wakes it: its status and our finalizer (failure-modes.md B19)."""

from __future__ import annotations

from typing import Any

import pytest
from runtime_fakes import RUN, event, snapshot

from sagemaker_gitops.core.resource import FINALIZER, Snapshot
from sagemaker_gitops.runtime.store import Store

WAITING = {"phase": "Queued", "observedGeneration": 1, "conditions": []}


def _later(item: Snapshot, **changes: Any) -> Snapshot:
    return snapshot(resource_version=str(int(item.resource_version) + 1), **changes)


@pytest.mark.parametrize(
    ("held", "left"),
    [
        ({"status": WAITING}, {"status": {}}),
        ({"finalizers": (FINALIZER,), "status": WAITING}, {"finalizers": (), "status": WAITING}),
    ],
)
def test_what_is_taken_away_wakes_the_object(held: dict[str, Any], left: dict[str, Any]) -> None:
    """Nobody else would say again why the object waits, or hold it while its job runs."""
    store = Store({})
    first = snapshot(**held)
    store.observe_event(event(first))
    assert store.observe_event(event(_later(first, **left))) == {RUN}


def test_the_echo_of_our_own_status_wakes_nobody() -> None:
    """A pass for each of our writes would write again."""
    store = Store({})
    first = snapshot(status={})
    store.observe_event(event(first))
    assert store.observe_event(event(_later(first, status=WAITING))) == set()
