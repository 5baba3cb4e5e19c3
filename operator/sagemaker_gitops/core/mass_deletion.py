"""How many deletions at once look like a mistake (failure-modes.md M1, S10, decision 0017): a wrong path in git, an empty render.

Pure. The record is what the API server keeps: deletionTimestamps of objects that still have our finalizer, and on each object that was held
the condition that says so. Knows no kind; aws/kinds/guarding.py enforces it for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.core.conditions import Condition, merge, moment, reconciling, replace_summary, stalled
from sagemaker_gitops.core.resource import RECONCILE_REQUESTED_AT, RELEASE, Snapshot

HELD = "DeletionHeld"
REASON = "DeletionsHeld"
SKEW = timedelta(minutes=5)  # between the clock of who agrees and ours

AtStake = Callable[[Snapshot, bool], bool]
"""Whether deleting an object that has our finalizer takes something away at AWS; True besides it: something was found that it would."""


@dataclass(frozen=True, slots=True)
class Limit:
    """More than `count` deletions within `window` are held; a `count` of 0 turns the guard off."""

    count: int = 10
    window: timedelta = timedelta(minutes=10)


def is_crowded(at: datetime, deletions: Iterable[datetime], limit: Limit) -> bool:
    """Whether a deletion at `at`, which is among `deletions`, lies in a window that holds more of them than the limit."""
    if limit.count == 0:
        return False
    near = sorted(other for other in deletions if abs(other - at) <= limit.window)
    return any(_holds_more(near, first, at, limit) for first in range(len(near) - limit.count))


def _holds_more(near: Sequence[datetime], first: int, at: datetime, limit: Limit) -> bool:
    start, last = near[first], near[first + limit.count]
    return last - start <= limit.window and start <= at <= start + limit.window


def is_agreed(snapshot: Snapshot, now: datetime) -> bool:
    """Whether somebody asked for this object after it was deleted. A time yet to come agrees to nothing: it may stand in git."""
    asked = moment(snapshot.annotations.get(RECONCILE_REQUESTED_AT))
    return asked is not None and snapshot.deleted_at is not None and snapshot.deleted_at <= asked <= now + SKEW


def was_held(status: Mapping[str, Any]) -> bool:
    return any((item.get("type"), item.get("status")) == (HELD, "True") for item in _conditions(status))


def held(snapshot: Snapshot, limit: Limit, now: datetime) -> dict[str, Any]:
    """The status of an object whose deletion waits for somebody."""
    minutes = f"{limit.window.total_seconds() / 60:g} minutes"
    message = (
        f"more than {limit.count} objects that have something at AWS were deleted within {minutes}: nothing of this one is stopped or "
        f"deleted at AWS until somebody agrees, by the annotation {RECONCILE_REQUESTED_AT} with the present time (Argo CD: Retry), "
        f'or gives up the AWS side with {RELEASE}: "true"'
    )
    status = replace_summary(snapshot.status, stalled(REASON, message), snapshot.generation, now)
    kept = [*_kept(status), Condition(HELD, "True", REASON, message)]
    conditions = merge(_conditions(snapshot.status), kept, snapshot.generation, now)
    return {**status, "conditions": conditions, "phase": "Deleting", "observedGeneration": snapshot.generation}


def let_go(snapshot: Snapshot, now: datetime) -> Mapping[str, Any]:
    """The status without what `held` said."""
    if not was_held(snapshot.status):
        return snapshot.status
    summary = reconciling("Deleting", "somebody agreed, or the guard is off")
    status = replace_summary(snapshot.status, summary, snapshot.generation, now)
    return {**status, "conditions": merge(_conditions(status), _kept(status), snapshot.generation, now)}


def _kept(status: Mapping[str, Any]) -> list[Condition]:
    return [
        Condition(item["type"], item["status"], item["reason"], item.get("message", ""))
        for item in _conditions(status)
        if item["type"] != HELD
    ]


def _conditions(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return status.get("conditions") or ()
