"""The wanted config serves: what else is wanted of the endpoint, concern by concern, and what is no longer needed.

A concern is one function and one entry in CONCERNS. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import Condition, ready, reconciling
from sagemaker_gitops.core.kinds.model_endpoint import alarms, scaling
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint, Owned
from sagemaker_gitops.core.kinds.model_endpoint.requests import correct_shares, delete_config, delete_model
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, history_after, history_limit, served, shown, update_for
from sagemaker_gitops.core.kinds.model_endpoint.smoke import next_move, recorded
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.plan import After, OnEvent, Plan

BUSY_DELAY, LOOK_AGAIN = 30.0, 5.0
SUCCEEDED = "Succeeded"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one concern finds. `actions` bring AWS to what is wanted, `doing` says so to people; `busy`: AWS refuses every other change
    of the endpoint afterwards, so what follows waits; `aside`: nobody's requests are touched, so the endpoint stays Ready meanwhile.
    `fields` and `conditions` go into the status; `look_after`: seconds, None on events.
    """

    actions: tuple[Action, ...] = ()
    doing: str = ""
    busy: bool = False
    aside: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    look_after: float | None = None


Concern = Callable[[Pass, Serving, LiveEndpoint], Upkeep]


def shares(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """Weights and counts, without a new config."""
    correction = correct_shares(serving, live)
    return Upkeep() if correction is None else Upkeep((correction,), "weights and capacities", busy=True)


def smoke(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """The verdict over the version that serves, another test of it when the test was edited, and the end of what a test left."""
    move = next_move(here, serving, live)
    if move is None:
        over = serving.spec.smoke_test is None and recorded(here.snapshot.status)
        return Upkeep(fields={"smokeTest": None}) if over else Upkeep()
    about = (move.condition(),) if serving.spec.smoke_test is not None else ()
    return Upkeep(move.actions, move.message, aside=True, fields={"smokeTest": move.record}, conditions=about, look_after=move.delay)


def scaled(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """Scalable targets and policies. Before the shares: a count that becomes ours again must not be the scaler's any more."""
    actions = scaling.corrections(here, serving, live)
    return Upkeep(actions, "autoscaling", fields=scaling.status_fields(here, live), look_after=LOOK_AGAIN if actions else None)


def watched(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """The alarms of this config; those of earlier ones go."""
    actions = (*alarms.missing_or_changed(here, serving, live), *alarms.unwanted(here, serving))
    fields = alarms.status_fields(here, serving)
    return Upkeep(actions, "alarms", fields=fields, look_after=LOOK_AGAIN if actions else None)


CONCERNS: tuple[Concern, ...] = (smoke, scaled, shares, watched)


def settled(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan:
    """Corrects what differs, then keeps what may be gone back to and collects what is older."""
    found = _found(here, serving, live)
    changing = [upkeep for upkeep in found if upkeep.actions and not upkeep.aside]
    actions = tuple(action for upkeep in found for action in upkeep.actions)
    older, limit = history_after(here, serving), history_limit(here.spec)
    fields: dict[str, Any] = shown(serving, live) | {
        "live": shown(serving, live)["wanted"],
        "lastGood": served(serving),
        "history": (older if changing else older[:limit]) or None,
    }
    update = update_for(here, serving.config_name)
    if update:
        fields["update"] = update | {"outcome": SUCCEEDED, "message": None}
    conditions = [condition for upkeep in found for condition in upkeep.conditions]
    for upkeep in found:
        fields |= upkeep.fields
    looks = [upkeep.look_after for upkeep in found if upkeep.look_after is not None]
    arrival = _may_arrive(here, serving)
    if arrival > 0:
        fields["history"] = older or None
    if changing:
        doing = ", ".join(upkeep.doing for upkeep in changing)
        delay = BUSY_DELAY if any(upkeep.busy for upkeep in found) else min([BUSY_DELAY, *looks])
        return Plan(here.say("Updating", [*reconciling("Updating", doing), *conditions], **fields), After(delay), actions)
    if arrival > 0:
        message = f"{serving.config_name} serves; an update to another config that was asked for may still be on its way"
        return Plan(here.say("Updating", [*reconciling("Updating", message), *conditions], **fields), After(min([arrival, *looks])), actions)
    status = here.say("InService", [*ready("InService", f"{serving.config_name} serves"), _not_rolled_back(), *conditions], **fields)
    collected = _collected(older[limit:], [served(serving), *older[:limit]], here.facts.strays)
    return Plan(status, After(min(looks)) if looks else OnEvent(), (*actions, *collected))


def _found(here: Pass, serving: Serving, live: LiveEndpoint) -> list[Upkeep]:
    found: list[Upkeep] = []
    for concern in CONCERNS:
        found.append(concern(here, serving, live))
        if found[-1].busy and found[-1].actions:
            break
    return found


def _may_arrive(here: Pass, serving: Serving) -> float:
    """Seconds for which an update to another config, asked for and not seen to end, may still be carried out: its config is not garbage."""
    update = here.snapshot.status.get("update")
    attempted = moment(update.get("attemptedAt")) if isinstance(update, Mapping) else None
    if attempted is None or update_for(here, serving.config_name) or (update or {}).get("outcome") is not None:
        return 0.0
    return (attempted + timedelta(seconds=here.settings.create_quarantine) - here.now).total_seconds()


def _collected(dropped: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]], strays: Owned) -> tuple[Action, ...]:
    """Deletes of configs that are neither live, wanted nor within the limit, and of models that none of the kept ones names.

    What was tried in vain, overtaken by an edit, or forgotten with a lost status is among the `strays` alone.
    """
    needed = {name for item in kept for name in item.get("models", ())}
    configs = {str(item["config"]) for item in dropped} | (set(strays.configs) - {str(item["config"]) for item in kept})
    models = ({name for item in dropped for name in item.get("models", ())} | set(strays.models)) - needed
    return (*map(delete_config, sorted(configs)), *map(delete_model, sorted(models)))


def _not_rolled_back() -> Condition:
    return Condition("RolledBack", "False", "InService", "")
