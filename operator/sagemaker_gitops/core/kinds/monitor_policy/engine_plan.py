"""Keeping a schedule of SageMaker Model Monitor as the spec says: made, updated, stopped, started, taken away. Pure.

The order is AWS's: a definition before its schedule, a schedule before its definitions when they go. Every name is found again, so that
a crash between any two calls is repaired by the next pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker_gitops.api.monitor_engine import MODEL_MONITOR
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import Condition, reconciling, stalled
from sagemaker_gitops.core.kinds.monitor_policy.engine_facts import EngineFacts, LiveSchedule
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import (
    DELETE_SCHEDULE,
    START_SCHEDULE,
    STOP_SCHEDULE,
    Wanted,
    by_name,
    deleting,
    schedule_name,
    wanted_of,
)
from sagemaker_gitops.core.kinds.monitor_policy.facts import Watched
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.kinds.monitor_policy.windows import clock_of, counted_from
from sagemaker_gitops.core.kinds.training_run.facts import Foreign
from sagemaker_gitops.core.plan import After, Plan
from sagemaker_gitops.core.schedule import newest

PENDING_DELAY = 10.0
EXECUTION_DELAY = 60.0
TROUBLE_DELAY = 300.0
REFUSED_DELAY = 900.0  # an account that has no Model Monitor gets none by being asked
KNOWN = ("Pending", "Failed", "Scheduled", "Stopped")


def uses_model_monitor(here: Pass) -> bool:
    return here.spec.engine == MODEL_MONITOR


def upkeep(here: Pass, heard: Mapping[str, Any]) -> Plan | None:
    """What has to be done or waited for before executions count; None when the schedule is as it should be."""
    seen, target = here.facts.engine, here.facts.target
    assert seen is not None, "the observer looks at Model Monitor first"
    if seen.refusal is not None:
        code, message = seen.refusal
        fix = "where the account has no Model Monitor (closed to new customers since 30 July 2026), leave spec.engine out"
        return _held(here, heard, "Invalid", stalled(code, f"{message}; {fix}"), REFUSED_DELAY)
    taken = next((item for item in (seen.schedule, seen.definition) if isinstance(item, Foreign)), None)
    if taken is not None:
        words = f"a schedule or job definition of our name belongs to {taken.owner}: nothing is done with it"
        return _held(here, heard, "Invalid", stalled("NameConflict", words), TROUBLE_DELAY)
    live = seen.schedule
    assert not isinstance(live, Foreign), "answered above"
    if not isinstance(target, Watched):
        return _stop(here, heard) if live is not None and live.status == "Scheduled" else None
    wanted = wanted_of(here, target.endpoint)
    if live is None:
        return None if here.spec.suspend else _make(here, heard, seen, wanted)
    return _in_line(here, heard, seen, live, wanted)


def told(here: Pass) -> dict[str, Any]:
    """What status says of a schedule that is there; its definition is named when it is the only one."""
    seen, target = here.facts.engine, here.facts.target
    if seen is None or not isinstance(seen.schedule, LiveSchedule):
        return {}
    found = {"monitoringSchedule": _name(here)}
    alone = isinstance(target, Watched) and not seen.stale and seen.schedule.definition == wanted_of(here, target.endpoint).definition
    return found | ({"jobDefinition": seen.schedule.definition} if alone else {})


def owns(here: Pass) -> bool:
    """Whether a schedule of ours is there, whatever status says."""
    return here.facts.engine is not None and isinstance(here.facts.engine.schedule, LiveSchedule)


def still_there(here: Pass) -> bool:
    """Whether a policy that has left Model Monitor has something there."""
    return here.facts.engine is not None and bool(here.facts.engine.stale or owns(here))


def looking(here: Pass) -> float | None:
    """Seconds until the next look, while an execution is due that AWS does not show or that has not ended; nobody tells of one."""
    clock = clock_of(here.spec)
    if not uses_model_monitor(here) or not owns(here) or clock is None:
        return None
    assert here.facts.engine is not None, "it owns a schedule"
    due = newest(clock, counted_from(here), here.now) is not None
    return TROUBLE_DELAY if due or here.facts.engine.executing else None


def taking_away(name: str, seen: EngineFacts) -> tuple[tuple[Action, ...], float]:
    """The next calls, and how long to wait; nothing and 0 when nothing is left. AWS deletes no schedule whose execution runs."""
    live = seen.schedule
    if isinstance(live, LiveSchedule):
        if not seen.executing:
            return (by_name(DELETE_SCHEDULE, name),), PENDING_DELAY
        return ((by_name(STOP_SCHEDULE, name),) if live.status == "Scheduled" else ()), EXECUTION_DELAY
    if seen.stale:
        return tuple(map(deleting, seen.stale)), PENDING_DELAY
    return (), 0.0


def leaving(here: Pass, heard: Mapping[str, Any]) -> Plan | None:
    """Another engine than before: what the one before has at AWS goes first."""
    if here.facts.engine is None:
        return None
    actions, wait = taking_away(_name(here), here.facts.engine)
    if not wait:
        return None
    said = reconciling("LeavingModelMonitor", f"{_name(here)} and its job definitions are deleted first")
    return Plan(here.say("Pending", here.keeping(*said), **heard), After(wait), actions)


def _make(here: Pass, heard: Mapping[str, Any], seen: EngineFacts, wanted: Wanted) -> Plan:
    actions = (wanted.create_schedule,) if seen.definition is True else (*wanted.defining, wanted.create_schedule)
    said = reconciling("CreatingSchedule", f"{_name(here)} is made at SageMaker Model Monitor")
    fields = {**heard, "monitoringSchedule": _name(here)}
    return Plan(here.say("Pending", here.keeping(*said), **fields), After(PENDING_DELAY), actions)


def _in_line(here: Pass, heard: Mapping[str, Any], seen: EngineFacts, live: LiveSchedule, wanted: Wanted) -> Plan | None:
    if live.status not in KNOWN or live.status == "Pending":
        return _held(here, heard, "Pending", reconciling("SchedulePending", f"{_name(here)} is {live.status}"), PENDING_DELAY)
    if (live.definition, live.expression) != (wanted.definition, wanted.expression):
        known = seen.definition is True or live.definition == wanted.definition
        first = () if known else wanted.defining
        said = reconciling("UpdatingSchedule", f"{_name(here)} gets {wanted.definition}, {wanted.expression}")
        return Plan(here.say("Pending", here.keeping(*said), **heard), After(PENDING_DELAY), (*first, wanted.update_schedule))
    if live.status == "Failed":
        return _held(here, heard, "Invalid", stalled("ScheduleFailed", f"{_name(here)}: {live.failure}"), TROUBLE_DELAY)
    if here.spec.suspend and live.status == "Scheduled":
        return _stop(here, heard)
    if not here.spec.suspend and live.status == "Stopped":
        said = reconciling("StartingSchedule", f"{_name(here)} is started")
        return Plan(here.say("Pending", here.keeping(*said), **heard), After(PENDING_DELAY), (by_name(START_SCHEDULE, _name(here)),))
    if seen.stale:
        said = reconciling("Cleaning", "job definitions that are not used any more are deleted")
        actions = tuple(map(deleting, seen.stale))
        return Plan(here.say("Pending", here.keeping(*said), **heard), After(PENDING_DELAY), actions)
    return None


def _stop(here: Pass, heard: Mapping[str, Any]) -> Plan:
    said = reconciling("StoppingSchedule", f"{_name(here)} is stopped")
    return Plan(here.say("Pending", here.keeping(*said), **heard), After(PENDING_DELAY), (by_name(STOP_SCHEDULE, _name(here)),))


def _held(here: Pass, heard: Mapping[str, Any], phase: str, said: Sequence[Condition], wait: float) -> Plan:
    return Plan(here.say(phase, here.keeping(*said), **heard), After(wait), finalizer=here.snapshot.has_finalizer or owns(here))


def _name(here: Pass) -> str:
    return schedule_name(here.settings.install, here.bound, here.snapshot.key)
