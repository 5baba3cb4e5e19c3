"""The wanted config serves: what else is wanted of the endpoint, concern by concern, and what is no longer needed.

A concern is one function and one entry in CONCERNS. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sagemaker_gitops.api.endpoint_status import PAST_CONFIG_LIMIT
from sagemaker_gitops.core.actions import Action, AwsRequest, creating
from sagemaker_gitops.core.conditions import Condition, ready, reconciling, timestamp
from sagemaker_gitops.core.kinds.model_endpoint import alarms, drift, scaling
from sagemaker_gitops.core.kinds.model_endpoint.adoption import adoption_of
from sagemaker_gitops.core.kinds.model_endpoint.batch import in_use
from sagemaker_gitops.core.kinds.model_endpoint.cost import estimate
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint, Owned
from sagemaker_gitops.core.kinds.model_endpoint.parking import kept_awake, until_rest
from sagemaker_gitops.core.kinds.model_endpoint.requests import correct_shares, delete_config, delete_model
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import (
    Pass,
    equal_to,
    history_after,
    history_limit,
    may_arrive,
    overtaken_may_arrive,
    served,
    shown,
    update_for,
)
from sagemaker_gitops.core.kinds.model_endpoint.smoke import next_move, recorded, tidied
from sagemaker_gitops.core.kinds.model_endpoint.tagging import tag_requests, tag_words, tagged_key
from sagemaker_gitops.core.plan import After, OnEvent, Plan

BUSY_DELAY, LOOK_AGAIN = 30.0, 5.0
SUCCEEDED = "Succeeded"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one concern finds. `actions` bring AWS to what is wanted, `doing` says so to people; `busy`: AWS refuses every other change
    of the endpoint afterwards, so what follows waits; `aside`: nobody's requests are touched, so the endpoint stays Ready meanwhile.
    `mends`: the actions undo a difference from what is wanted; False: they are the course of something else. `fields` and `conditions`
    go into the status; `look_after`: seconds, None on events.
    """

    actions: tuple[Action, ...] = ()
    doing: str = ""
    busy: bool = False
    aside: bool = False
    mends: bool = True
    fields: Mapping[str, Any] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    look_after: float | None = None


Concern = Callable[[Pass, Serving, LiveEndpoint], Upkeep]


def shares(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """Weights and counts, without a new config."""
    correction = correct_shares(serving, live)
    return Upkeep() if correction is None else Upkeep((correction,), _shares_words(correction, live), busy=True)


def smoke(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """The verdict over the version that serves, another test of it when the test was edited, and the end of what a test left."""
    move = next_move(here, serving, live)
    if move is None:
        over = serving.spec.smoke_test is None and recorded(here.snapshot.status)
        return Upkeep(fields={"smokeTest": None}) if over else Upkeep()
    about = (move.condition(),) if serving.spec.smoke_test is not None else ()
    record = {"smokeTest": move.record}
    return Upkeep(move.actions, move.message, aside=True, mends=False, fields=record, conditions=about, look_after=move.delay)


def tags(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """Looked at again once after a change, so that what is recorded is what AWS says."""
    if here.facts.tags is None:
        return Upkeep()
    requests = tag_requests(serving, here.facts.tags)
    if requests:
        return Upkeep(requests, tag_words(requests), fields={"tagged": None}, look_after=0.0)
    return Upkeep(fields={"tagged": tagged_key(serving)})


def adopted(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """That a config of somebody else has the wanted content is remembered, so that it is compared once."""
    if here.facts.alias is None:
        return Upkeep()
    known, equal = adoption_of(here.snapshot.status), equal_to(here.facts.alias, serving.own_config_name)
    return Upkeep(fields={"adoption": {**known, "config": serving.config_name, "equal": equal}})


def window(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """Looks again when it is time to park; whether it is, was decided before."""
    return Upkeep(conditions=tuple(kept_awake(here)), look_after=until_rest(here))


def cost(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """An estimate, for people."""
    return Upkeep(fields={"cost": estimate(here.settings.prices, serving, live)})


def scaled(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """Scalable targets and policies. Before the shares: a count that becomes ours again must not be the scaler's any more."""
    actions = scaling.corrections(here, serving, live)
    look_after = LOOK_AGAIN if actions else scaling.next_look(here, live)
    return Upkeep(actions, "autoscaling", aside=True, fields=scaling.status_fields(here, live), look_after=look_after)


def watched(here: Pass, serving: Serving, live: LiveEndpoint) -> Upkeep:
    """The alarms of this config; those of earlier ones go."""
    amiss = alarms.missing_or_changed(here, serving, live)
    actions, fields = (*amiss, *alarms.unwanted(here, serving)), alarms.status_fields(here, serving, live)
    look_after = LOOK_AGAIN if actions else alarms.next_look(here, serving)
    return Upkeep(actions, "alarms", aside=True, mends=bool(amiss), fields=fields, look_after=look_after)


CONCERNS: tuple[Concern, ...] = (adopted, cost, smoke, scaled, shares, watched, tags, window)


def settled(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan:
    """Corrects what differs, then keeps what may be gone back to and collects what is older."""
    found = _found(here, serving, live)
    changing = [upkeep for upkeep in found if upkeep.actions and not upkeep.aside]
    mended = ", ".join(upkeep.doing for upkeep in found if upkeep.actions and upkeep.mends)
    if mended and (left := drift.left_alone(here, serving, live, mended)):
        return tidied(here, left)
    noticed, cleared = drift.noticed(here, serving, mended) if mended else ([], {})
    actions = tuple(action for upkeep in found for action in upkeep.actions)
    older = history_after(here, serving)
    limit = _limit(here, older)
    fields: dict[str, Any] = shown(serving, live) | {
        "live": shown(serving, live)["wanted"],
        "lastGood": served(serving),
        "history": (older if changing else older[:limit]) or None,
    }
    update = update_for(here, serving.config_name)
    if update:
        fields["update"] = update | {"outcome": SUCCEEDED, "message": None}
    conditions = [*noticed, *(condition for upkeep in found for condition in upkeep.conditions)]
    for upkeep in found:
        fields |= upkeep.fields
    looks = [upkeep.look_after for upkeep in found if upkeep.look_after is not None]
    announced, arrival = _may_arrive(here, serving)
    if arrival > 0:
        fields |= {"history": older or None} | announced
    if changing:
        doing = ", ".join(upkeep.doing for upkeep in changing)
        delay = BUSY_DELAY if any(upkeep.busy for upkeep in found) else min([BUSY_DELAY, *looks])
        conditions = [*reconciling("Updating", doing), *conditions]
        return Plan(here.say("Updating", conditions, **fields | cleared), After(delay), actions)
    fields["inLine"] = None if mended or arrival > 0 else drift.wanted_key(serving)
    if arrival > 0:
        message = f"{serving.config_name} serves; an update to another config that was asked for may still be on its way"
        return Plan(
            here.say("Updating", [*reconciling("Updating", message), *conditions], **fields), After(min([arrival, *looks])), actions
        )
    unused = collected(here, older[limit:], [served(serving), *older[:limit]], here.facts.strays)
    if creating(actions) and (unused or here.snapshot.status.get("phase") != "InService"):
        return _announced(here, serving, conditions, fields | {"history": older or None}, actions, looks)
    status = here.say("InService", [*_good(serving), *conditions], **fields)
    return Plan(status, After(min(looks)) if looks else OnEvent(), (*actions, *unused))


def _announced(
    here: Pass,
    serving: Serving,
    conditions: Sequence[Condition],
    fields: Mapping[str, Any],
    actions: tuple[Action, ...],
    looks: Sequence[float],
) -> Plan:
    """Status is written before what it announces: it says InService, and forgets what is collected, only in the pass after that."""
    requeue = After(min([LOOK_AGAIN, *looks]))
    if here.snapshot.status.get("phase") == "InService":
        return Plan(here.say("InService", [*_good(serving), *conditions], **fields), requeue, actions)
    message = f"{serving.config_name} serves; what hangs on it comes next"
    return Plan(here.say("Updating", [*reconciling("Updating", message), *conditions], **fields), requeue, actions)


def _good(serving: Serving) -> list[Condition]:
    return [*ready("InService", f"{serving.config_name} serves"), Condition("RolledBack", "False", "InService", "")]


def _limit(here: Pass, older: Sequence[Mapping[str, Any]]) -> int:
    """How much of history stays: more than the spec asks for while a batch job runs on one of the models that would go."""
    limit, used = history_limit(here.spec), in_use(here)
    return PAST_CONFIG_LIMIT if any(used & set(item.get("models", ())) for item in older[limit:]) else limit


def _shares_words(correction: AwsRequest, live: LiveEndpoint) -> str:
    """weights and capacities of blue: 0.25 x 2 -> 0.9 x 1 (weight x instances)."""
    words = []
    for item in correction.parameters["DesiredWeightsAndCapacities"]:
        found = live.variants[item["VariantName"]]
        wanted = f"{item.get('DesiredWeight', found.weight):g} x {item.get('DesiredInstanceCount', found.instances)}"
        words.append(f"{item['VariantName']}: {found.weight:g} x {found.instances} -> {wanted}")
    return f"weights and capacities of {', '.join(words)}"


def _found(here: Pass, serving: Serving, live: LiveEndpoint) -> list[Upkeep]:
    found: list[Upkeep] = []
    for concern in CONCERNS:
        found.append(concern(here, serving, live))
        if found[-1].busy and found[-1].actions:
            break
    return found


def _may_arrive(here: Pass, serving: Serving) -> tuple[dict[str, Any], float]:
    """The update to another config that may still be carried out, and for how many seconds: its config is not garbage.

    It was asked for and not seen to end; or status was lost, and a stray config is all that could speak of it.
    """
    update, strays = here.snapshot.status.get("update"), here.facts.strays.configs
    if not isinstance(update, Mapping):
        announced = {"config": strays[0], "attemptedAt": timestamp(here.now)} if strays else {}
        return {"update": announced} if announced else {}, here.settings.create_quarantine if announced else 0.0
    overtaken = max(overtaken_may_arrive(here), 0.0)
    if update_for(here, serving.config_name) or update.get("outcome") is not None:
        return {}, overtaken
    return {"update": dict(update)}, max(may_arrive(here), overtaken)


def collected(here: Pass, dropped: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]], strays: Owned) -> tuple[Action, ...]:
    """Deletes of configs that are neither live, wanted nor within the limit, and of models that none of the kept ones and no batch job
    names; what somebody else made stays.

    What was tried in vain, overtaken by an edit, or forgotten with a lost status is among the `strays` alone.
    """
    needed = {name for item in kept for name in item.get("models", ())} | in_use(here)
    configs = {str(item["config"]) for item in dropped if not item.get("adopted")} | (
        set(strays.configs) - {str(item["config"]) for item in kept}
    )
    models = ({name for item in dropped for name in item.get("models", ())} | set(strays.models)) - needed
    return (*map(delete_config, sorted(configs)), *map(delete_model, sorted(models)))
