"""An endpoint that costs nothing while nobody needs it: deleted, with its config and models kept, and made again when it is needed.

Parking is written into status before the endpoint is deleted: an endpoint that is gone without that was deleted by somebody else. It
begins only where the wanted config serves, so never during a rollout nor after one that failed. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.core.conditions import Condition, reconciling, stalled, suspended, timestamp
from sagemaker_gitops.core.kinds.model_endpoint import alarms
from sagemaker_gitops.core.kinds.model_endpoint.adoption import keeps
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, ForeignEndpoint, LiveEndpoint, NoEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.requests import delete_endpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, may_arrive, shown
from sagemaker_gitops.core.kinds.model_endpoint.window import window_state
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.plan import After, OnEvent, Plan, Requeue
from sagemaker_gitops.core.resource import UNPARK, Snapshot

PARKED, PARKING = "Parked", "Parking"
IDLE, OUTSIDE = "Idle", "OutsideWindow"
BUSY_DELAY, SLOW_DELAY = 30.0, 300.0
QUIET_IS_FRESH = 300.0  # seconds; an older look at the metrics is no reason to delete anything
GONE = ("scalableTargets", "alarms", "alarmsAskedAt", "live", "liveConfig", "inLine", "tagged", "cost")
"""What status says of an endpoint that is there."""


def at_rest(snapshot: Snapshot, spec: ModelEndpointSpec, now: datetime) -> bool:
    """Whether the object is parked, or about to be, and nothing wakes it."""
    return "since" in parking_of(snapshot.status) and not _wakes(snapshot, spec, now)


def parking_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found = status.get("parking")
    return found if isinstance(found, Mapping) else {}


def _wakes(snapshot: Snapshot, spec: ModelEndpointSpec, now: datetime) -> bool:
    """A person's request; a window that has opened since; or nothing in the spec that would park it any more. Not a new model."""
    parking = parking_of(snapshot.status)
    if _requested(snapshot):
        return True
    if spec.active_window is None:
        return spec.idle is None or parking.get("reason") != IDLE
    window = window_state(spec.active_window, now)
    since = moment(parking.get("since"))
    opened = since is None or (window.start > since and not window.always)
    return window.open and (opened or spec.idle is None or parking.get("reason") != IDLE)


def _requested(snapshot: Snapshot) -> bool:
    """The annotation says something that has not been acted upon."""
    wanted = snapshot.annotations.get(UNPARK, "")
    return bool(wanted) and wanted != parking_of(snapshot.status).get("handled")


def parked(here: Pass) -> Plan | None:
    """The check: whoever is at rest is deleted if it is still there, and otherwise left alone, whatever becomes of its models."""
    if not at_rest(here.snapshot, here.spec, here.now):
        return None
    found = here.facts.endpoint
    name = here.place().get("endpointName", "")
    if isinstance(found, ForeignEndpoint):
        message = f"{name} exists and belongs to {found.owner}: nothing is done with it"
        return Plan(here.say("Failed", stalled("NameConflict", message)), After(SLOW_DELAY))
    if isinstance(found, LiveEndpoint):
        if found.state in (EndpointState.BUSY, EndpointState.UNKNOWN):
            delay = BUSY_DELAY if found.state is EndpointState.BUSY else SLOW_DELAY
            return Plan(here.say(PARKING, reconciling(PARKING, f"waiting: {name} is {found.raw}")), After(delay))
        actions = (*here.facts.attached, delete_endpoint(name))
        return Plan(here.say(PARKING, reconciling(PARKING, f"deleting {name}; its config is kept")), After(BUSY_DELAY), actions)
    if isinstance(found, NoEndpoint) and (left := max(may_arrive(here), alarms.late_for(here))) > 0:
        return Plan(here.say(PARKING, reconciling(PARKING, f"{name}, or what hangs on it, was asked for and may still come")), After(left))
    if here.facts.attached:
        return Plan(here.say(PARKING, reconciling(PARKING, f"what hung on {name} goes too")), After(0.0), here.facts.attached)
    return Plan(here.say(PARKED, _conditions(here), **dict.fromkeys(GONE)), _next_look(here))


def _conditions(here: Pass) -> list[Condition]:
    parking = parking_of(here.snapshot.status)
    why = "nobody asked it" if parking.get("reason") == IDLE else "its active window is closed"
    opening = _opening(here)
    comes = [f"on {timestamp(opening)}"] if opening is not None else []
    back = " or ".join([*comes, "with `sagemaker-gitops unpark`"])
    message = f"{why}: deleted since {parking.get('since')}, comes back {back}"
    return [*suspended(PARKED, message), Condition("Suspended", "True", PARKED, message)]


def _opening(here: Pass) -> datetime | None:
    """When a window opens next."""
    spec = here.spec.active_window
    window = window_state(spec, here.now) if spec is not None else None
    if spec is None or window is None or window.always:
        return None
    return window_state(spec, window.end).start if window.open else window.start


def _next_look(here: Pass) -> Requeue:
    opening = _opening(here)
    return OnEvent() if opening is None else After((opening - here.now).total_seconds())


def woken(here: Pass) -> Pass:
    """The pass as it goes on once nothing keeps the endpoint parked; a request holds until the end of a window."""
    status, window = here.snapshot.status, here.spec.active_window
    parking = parking_of(status)
    if "since" not in parking:
        return here
    after: dict[str, Any] = {"handled": here.snapshot.annotations.get(UNPARK) or parking.get("handled")}
    if window is not None and _requested(here.snapshot):
        after["awakeUntil"] = timestamp(window_state(window, here.now).end)
    kept = {name: value for name, value in after.items() if value} or None
    return replace(here, snapshot=replace(here.snapshot, status={**status, "parking": kept, "inLine": None}))


def rest(here: Pass, serving: Serving, live: LiveEndpoint | None) -> Plan | None:
    """What begins to park: outside its window, or idle. None: it is to serve."""
    reason = _why(here, live)
    if reason is None:
        return None
    if live is not None and (keeps(here.snapshot.status) or _underway(here)):
        return None
    parking = {"since": timestamp(here.now), "reason": reason, "handled": here.snapshot.annotations.get(UNPARK)}
    fields = shown(serving, live) | {"parking": {name: value for name, value in parking.items() if value}}
    return Plan(here.say(PARKING, reconciling(PARKING, reason), **fields), After(0.0))


def _underway(here: Pass) -> bool:
    """Whether the last change that was asked for has not been seen to succeed: that is seen through first."""
    update = here.snapshot.status.get("update")
    return isinstance(update, Mapping) and update.get("outcome") != "Succeeded"


def _why(here: Pass, live: LiveEndpoint | None) -> str | None:
    if here.spec.active_window is not None and not window_state(here.spec.active_window, here.now).open and not _held_awake(here):
        return OUTSIDE
    return IDLE if live is not None and _idle(here, live) else None


def _held_awake(here: Pass) -> bool:
    until = moment(parking_of(here.snapshot.status).get("awakeUntil"))
    return until is not None and here.now < until


def _idle(here: Pass, live: LiveEndpoint) -> bool:
    """Nobody asked for as long as the spec says, and it has been there, unchanged, for as long."""
    idle, quiet = here.spec.idle, here.facts.quiet
    if idle is None or quiet is None or (here.now - quiet.looked_at).total_seconds() > QUIET_IS_FRESH:
        return False
    earliest = quiet.looked_at - timedelta(seconds=idle.park_after)
    return live.last_modified <= earliest and (quiet.last_asked is None or quiet.last_asked <= earliest)


def until_rest(here: Pass) -> float | None:
    """Seconds until the window that the endpoint serves in closes; None where no window would close it."""
    if here.spec.active_window is None or keeps(here.snapshot.status):
        return None
    held = moment(parking_of(here.snapshot.status).get("awakeUntil"))
    window = window_state(here.spec.active_window, here.now)
    end = window.end if window.open else held or here.now
    return max(1.0, (end - here.now).total_seconds())


def kept_awake(here: Pass) -> list[Condition]:
    """An adopted endpoint is never deleted, so it is not parked either; that is said."""
    if not keeps(here.snapshot.status) or (here.spec.active_window is None and here.spec.idle is None):
        return []
    return [Condition("Suspended", "False", "Adopted", "the endpoint was adopted: it is not deleted, so idle and activeWindow do nothing")]
