"""Deleting a TrainingRun: stop what runs, prove that nothing does, let go. Finished jobs and artifacts are history and stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.training_run import DEFAULT_DELETION_POLICY
from sagemaker_gitops.core.conditions import reconciling, replace_summary, timestamp
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.facts import Absent, Active, Leftover, Unknown, Unseen, Unstarted
from sagemaker_gitops.core.kinds.training_run.requests import stop_actions
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import After, Done, Plan
from sagemaker_gitops.core.resource import Snapshot

STOPPING_DELAY = 30.0
ROUNDING = 1.0  # times in status are whole seconds, cut off


def is_at_stake(snapshot: Snapshot, found: bool) -> bool:
    """Whether a deletion would stop something: what has ended stays as it is. Without steps nobody knows."""
    may_run = found or bool(said.recorded_active(snapshot.status)) or not snapshot.status.get("steps")
    return may_run and snapshot.spec.get("deletionPolicy") != "Retain"


def plan_deletion(
    snapshot: Snapshot, policy: str | None, jobs: Mapping[str, Leftover], settings: Settings, now: datetime, lost: bool | None = None
) -> Plan:
    """`jobs` holds a fact for every name that may be running. `policy` is None when the spec does not parse: then Delete. `lost`: status
    does not say what was started; left out: it has no steps.
    """
    lost = not snapshot.status.get("steps") if lost is None else lost
    if not snapshot.has_finalizer or (policy or DEFAULT_DELETION_POLICY) == "Retain":
        return Plan(snapshot.status, Done(), finalizer=False)
    active = {name: left for name, left in jobs.items() if isinstance(left.fact, Active | Unknown)}
    if active:
        status = {**_say(snapshot, f"stopping {', '.join(sorted(active))}", now), "deletion": {}}
        return Plan(status, After(STOPPING_DELAY), stop_actions(active))
    wait = _quarantine_left(jobs, settings, now)
    if wait > 0:
        return Plan(_say(snapshot, "waiting until a late create can no longer arrive", now), After(wait))
    absent_since = said.moment((snapshot.status.get("deletion") or {}).get("absentSince"))
    if absent_since is None and (jobs or lost):
        status = {**_say(snapshot, "nothing runs; looking once more", now), "deletion": {"absentSince": timestamp(now)}}
        return Plan(status, After(settings.absence_interval))
    # Without a status nobody knows when the last create was tried, and AWS's lists lag: the quarantine counts from the first look.
    left = _left_of(absent_since, settings.create_quarantine if lost else settings.absence_interval, now)
    return Plan(snapshot.status, After(left)) if left > 0 else Plan(snapshot.status, Done(), finalizer=False)


def _left_of(absent_since: datetime | None, interval: float, now: datetime) -> float:
    if absent_since is None:
        return 0.0
    return (absent_since + timedelta(seconds=interval + ROUNDING) - now).total_seconds()


def _quarantine_left(jobs: Mapping[str, Leftover], settings: Settings, now: datetime) -> float:
    """Seconds until an attempted create that nobody has seen can be believed not to arrive any more (failure-modes.md A7)."""
    unseen = [left.attempted for left in jobs.values() if isinstance(left.fact, Absent | Unseen | Unstarted) and left.attempted]
    if not unseen:
        return 0.0
    return (max(unseen) + timedelta(seconds=settings.create_quarantine) - now).total_seconds()


def _say(snapshot: Snapshot, message: str, now: datetime) -> dict[str, Any]:
    status = replace_summary(snapshot.status, reconciling("Deleting", message), snapshot.generation, now)
    return {**status, "phase": "Deleting", "observedGeneration": snapshot.generation}
