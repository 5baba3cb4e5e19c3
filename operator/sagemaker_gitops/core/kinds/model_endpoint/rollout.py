"""Bringing a config into service: create, update in place, and what is done when AWS goes back or fails.

The rule above all: what serves is never taken away before its successor serves. A change that failed is not tried again. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import Condition, exact, reconciling, stalled, timestamp
from sagemaker_gitops.core.kinds.model_endpoint import alarms, drift, scaling
from sagemaker_gitops.core.kinds.model_endpoint.adoption import keeps
from sagemaker_gitops.core.kinds.model_endpoint.artifacts import artifacts_after
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.requests import (
    create_config,
    create_endpoint,
    create_models,
    delete_endpoint,
    is_serverless,
    update_endpoint,
)
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, shown, update_for
from sagemaker_gitops.core.kinds.model_endpoint.smoke import gate, tidied
from sagemaker_gitops.core.kinds.model_endpoint.verdict import undecided, went_back
from sagemaker_gitops.core.plan import After, OnEvent, Plan

BUSY_DELAY, LOOK_AGAIN = 30.0, 5.0
ROLLED_BACK, FAILED = "RolledBack", "Failed"
UPDATING = ("Updating", "SystemUpdating")

Preparation = Callable[[Pass, Serving, LiveEndpoint | None], tuple[Action, ...]]

PREPARATIONS: tuple[Preparation, ...] = (scaling.in_the_way, alarms.of_given_up, alarms.missing_or_changed)
"""What has to be done at AWS between making a config and bringing it into service; None: there is no endpoint yet."""


def create(here: Pass, serving: Serving) -> Plan:
    gone = f"endpoint {serving.endpoint_name} was deleted"
    held = drift.left_alone(here, serving, None, gone) or gate(here, serving, None)
    if held is not None:
        return held
    noticed, cleared = drift.noticed(here, serving, gone)
    actions = (*_made(here, serving, None), create_endpoint(serving))
    fields = shown(serving, None) | _intent(here, serving, None) | cleared | artifacts_after(here)
    status = here.say("Creating", [*reconciling("Creating", serving.endpoint_name), *noticed], **fields)
    return Plan(status, After(BUSY_DELAY), actions)


def replace_config(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan:
    """Another config than the wanted one serves."""
    update = update_for(here, serving.config_name)
    if update.get("outcome") in (ROLLED_BACK, FAILED):
        return tidied(here, rolled_back(here, serving, live, update))
    if went_back(here, live, update):
        reason = live.reason or _why(here, serving)
        return tidied(here, rolled_back(here, serving, live, update | {"outcome": ROLLED_BACK, "message": reason}))
    if waiting := undecided(here, serving, live, update):
        return tidied(here, waiting)
    other = f"config {live.config} serves instead of {serving.config_name}"
    held = drift.left_alone(here, serving, live, other) or _no_way(here, serving, live)
    held = held or _hindered(here, serving, live) or gate(here, serving, live)
    if held is not None:
        return held
    noticed, cleared = drift.noticed(here, serving, other)
    actions = (*_made(here, serving, live), update_endpoint(serving, alarms.rollback_alarms(serving), live))
    fields = shown(serving, live) | _intent(here, serving, live) | alarms.status_fields(here, serving, live)
    fields |= cleared | artifacts_after(here)
    conditions = [*reconciling("Updating", f"{live.config} -> {serving.config_name}"), *noticed]
    return Plan(here.say("Updating", conditions, **fields), After(BUSY_DELAY), actions)


def witnessed(here: Pass, serving: Serving, live: LiveEndpoint) -> dict[str, Any]:
    """What a busy endpoint shows of our update: that it is under way, or that AWS is busy with something else and cannot have taken it.

    Maintenance by AWS, or somebody's change of shares, is then never taken for a rollback; and a rollback is known for one although
    the status that announced the update was lost meanwhile.
    """
    update = update_for(here, serving.config_name)
    if live.raw not in UPDATING or update.get("outcome") is not None:
        return {}
    if live.pending == serving.config_name:
        return {"update": {**_intent(here, serving, live)["update"], **update, "replaces": live.config, "taken": True}}
    return {"update": without_trace(update)} if update and not update.get("taken") else {}


def without_trace(update: Mapping[str, Any]) -> dict[str, Any]:
    """An update that AWS has not taken: what the endpoint goes through is no consequence of it."""
    return {name: value for name, value in update.items() if name not in ("seen", "replaces")}


def rolled_back(here: Pass, serving: Serving, live: LiveEndpoint, update: Mapping[str, Any]) -> Plan:
    """The same content is not tried again: an edit, or another model, is another content. What serves is scaled as before."""
    message = f"{serving.config_name} was rolled back ({update.get('message') or _why(here, serving)}); {live.config} serves"
    conditions = [*stalled("RolledBack", message), Condition("RolledBack", "True", "RolledBack", message)]
    fields = shown(serving, live) | scaling.status_fields(here, live) | {"update": dict(update)}
    actions = scaling.corrections(here, serving, live)
    look_after = LOOK_AGAIN if actions else scaling.next_look(here, live)
    return Plan(here.say("RolledBack", conditions, **fields), OnEvent() if look_after is None else After(look_after), actions)


def failed(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan:
    """A creation that failed leaves an endpoint that can only be deleted; that is done once the spec asks for something else."""
    update = update_for(here, serving.config_name)
    creation_of_another = live.raw == "Failed" and live.config != serving.config_name
    if not creation_of_another and (update or live.config == serving.config_name):
        message = f"{live.raw}: {live.reason or 'AWS gives no reason'}"
        fields = shown(serving, live) | {
            "update": {**_intent(here, serving, live)["update"], **update, "outcome": FAILED, "message": message}
        }
        return Plan(here.say("Failed", stalled("EndpointFailed", message), **fields), OnEvent())
    if keeps(here.snapshot.status):
        message = f"{live.raw}: the endpoint was adopted, so it is not deleted: delete it yourself and it is made anew"
        return Plan(here.say("Failed", stalled("EndpointFailed", message), **shown(serving, live)), OnEvent())
    status = here.say("Updating", reconciling("Replacing", f"deleting the failed endpoint, then creating it anew: {live.reason}"))
    return Plan(status, After(BUSY_DELAY), (*scaling.detach(here, serving), delete_endpoint(serving.endpoint_name)))


def _no_way(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan | None:
    """AWS turns a serverless endpoint into one with instances, and never the other way."""
    if is_serverless(live) or not serving.serverless:
        return None
    index = next(index for index, variant in enumerate(serving.spec.variants) if variant.serverless is not None)
    message = (
        f"spec.variants[{index}].serverless: {serving.endpoint_name} has instances, and AWS cannot make an endpoint with instances"
        " serverless: write resources, or give the ModelEndpoint another name and move the callers"
    )
    return tidied(here, Plan(here.say("InService", stalled("NotConvertible", message), **shown(serving, live)), OnEvent()))


def _hindered(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan | None:
    """Nobody pays for the stand of a smoke test while the alarms are waited for."""
    hindrance = alarms.hindrance(here, serving, live)
    return None if hindrance is None else tidied(here, hindrance)


def _made(here: Pass, serving: Serving, live: LiveEndpoint | None) -> tuple[Action, ...]:
    prepared = tuple(action for prepare in PREPARATIONS for action in prepare(here, serving, live))
    return (*create_models(serving), create_config(serving), *prepared)


def _intent(here: Pass, serving: Serving, live: LiveEndpoint | None) -> dict[str, Any]:
    update = {"config": serving.config_name, "attemptedAt": timestamp(here.now)}
    found = {} if live is None else {"seen": exact(live.last_modified), "replaces": live.config}
    return {"update": update | found | _overtaken(here, serving, live)}


def _overtaken(here: Pass, serving: Serving, live: LiveEndpoint | None) -> dict[str, str]:
    """When an earlier change was asked for of which neither an end nor a refusal is known: what it makes is still to come."""
    before = here.snapshot.status.get("update")
    if not isinstance(before, Mapping):
        return {}
    under_way = "seen" in before and before.get("config") != live.config if live else True
    open_ = under_way and before.get("outcome") is None and before.get("config") != serving.config_name
    since = [str(item) for item in (before.get("attemptedAt") if open_ else None, before.get("overtaken")) if item is not None]
    return {"overtaken": max(since)} if since else {}


def _why(here: Pass, serving: Serving) -> str:
    """AWS does not say: an alarm that is in ALARM now is the likely reason."""
    watched, active = alarms.rollback_alarms(serving), alarms.gone_off(here, serving)
    if active:
        return f"{', '.join(active)} went off"
    return f"one of the alarms {', '.join(watched)} went off, or AWS could not start it" if watched else "AWS gives no reason"
