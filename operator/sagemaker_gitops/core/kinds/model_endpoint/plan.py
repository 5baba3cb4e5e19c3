"""plan(snapshot, spec, facts, now): what a ModelEndpoint needs next. Checks first, then the distance from the live endpoint.

The rule above all: what serves is never taken away before its successor serves. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, assert_never

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import Condition, ready, reconciling, stalled, suspended, timestamp
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint.effective import effective_of, wanted_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    AwaitingApproval,
    EndpointState,
    ForeignEndpoint,
    LiveEndpoint,
    ModelEndpointFacts,
    ModelMissing,
    NoEndpoint,
)
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving, delete_config, delete_endpoint, delete_model
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving, history_after, history_limit, served, shown
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.core.tenancy import Bound, Unbound

BUSY_DELAY, MISSING_DELAY, UNKNOWN_STATE_DELAY = 30.0, 300.0, 300.0
SUCCEEDED, ROLLED_BACK, FAILED = "Succeeded", "RolledBack", "Failed"

Check = Callable[[Pass], Plan | None]


def plan(snapshot: Snapshot, spec: ModelEndpointSpec, facts: ModelEndpointFacts, settings: Settings, now: datetime) -> Plan:
    """The decision for an object that is not being deleted (deletion.py decides for one that is)."""
    here = Pass(snapshot, spec, facts, settings, now)
    for check in CHECKS:
        answer = check(here)
        if answer is not None:
            return answer
    return _converge(here, build_serving(here))


def no_tenant(here: Pass) -> Plan | None:
    if not isinstance(here.facts.binding, Unbound):
        return None
    namespace, candidates = here.snapshot.key.namespace, here.facts.binding.candidates
    if candidates:
        message = f"namespace {namespace} is named by more than one Tenant ({', '.join(candidates)}): no AWS call is made until one remains"
        return _held(here, stalled("TenantAmbiguous", message))
    message = f"no Tenant names namespace {namespace}: no AWS call is made; ask the platform team to add it to a Tenant's spec.namespaces"
    return _held(here, reconciling("TenantMissing", message))


def outside_tenant(here: Pass) -> Plan | None:
    assert isinstance(here.facts.binding, Bound)
    tenant = here.facts.binding
    try:
        effective = effective_of(here.spec, tenant.spec)
    except InvalidResource as error:
        return _refused(here, "InvalidSpec", error.findings)
    findings = tenancy.findings(tenant.name, tenant.spec, wanted_of(here.spec, effective, here.facts.models))
    return _refused(here, "TenantPolicy", findings) if findings else None


def model_missing(here: Pass) -> Plan | None:
    missing = [f"{name}: {model.message}" for name, model in here.facts.models.items() if isinstance(model, ModelMissing)]
    if not missing:
        return None
    status = here.say(_phase_of_live(here, "Pending"), reconciling("ModelMissing", "; ".join(missing)))
    return Plan(status, After(MISSING_DELAY), finalizer=here.snapshot.has_finalizer)


def awaiting_approval(here: Pass) -> Plan | None:
    """What serves goes on serving; nothing unapproved takes its place."""
    waiting = [f"{name}: {model.message}" for name, model in here.facts.models.items() if isinstance(model, AwaitingApproval)]
    if not waiting:
        return None
    status = here.say(_phase_of_live(here, "AwaitingApproval"), suspended("AwaitingApproval", "; ".join(waiting)))
    return Plan(status, OnEvent(), finalizer=here.snapshot.has_finalizer)


def invalid_request(here: Pass) -> Plan | None:
    return _refused(here, "InvalidRequest", here.facts.request_findings) if here.facts.request_findings else None


def name_taken(here: Pass) -> Plan | None:
    if not isinstance(here.facts.endpoint, ForeignEndpoint):
        return None
    message = f"{build_serving(here).endpoint_name} exists and belongs to {here.facts.endpoint.owner}: nothing is done with it"
    return _held(here, stalled("NameConflict", message), "Failed")


CHECKS: tuple[Check, ...] = (no_tenant, outside_tenant, model_missing, awaiting_approval, invalid_request, name_taken)


def _converge(here: Pass, serving: Serving) -> Plan:
    live = here.facts.endpoint
    if isinstance(live, NoEndpoint):
        return _create(here, serving)
    assert isinstance(live, LiveEndpoint), "observe has looked, and name_taken has answered for others"
    match live.state:
        case EndpointState.BUSY:
            message = f"{live.raw}: {live.config} serves" if live.raw != "Creating" else f"Creating {live.config}"
            return Plan(here.say(live.raw, reconciling(live.raw, message), **shown(serving, live)), After(BUSY_DELAY))
        case EndpointState.FAILED:
            return _failed(here, serving, live)
        case EndpointState.IN_SERVICE:
            return _in_service(here, serving, live)
        case EndpointState.UNKNOWN:
            message = f"AWS reports {live.raw}, which this version does not know: nothing is done"
            return Plan(here.say(live.raw, reconciling("UnknownState", message), **shown(serving, live)), After(UNKNOWN_STATE_DELAY))
        case _:
            assert_never(live.state)


def _create(here: Pass, serving: Serving) -> Plan:
    actions = (*serving.create_models(), serving.create_config(), serving.create_endpoint())
    status = here.say("Creating", reconciling("Creating", serving.endpoint_name), **shown(serving, None), **_intent(here, serving, None))
    return Plan(status, After(BUSY_DELAY), actions)


def _in_service(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan:
    if live.config == serving.config_name:
        return _settled(here, serving, live)
    update = _update_for(here, serving.config_name)
    if update.get("outcome") in (ROLLED_BACK, FAILED):
        return _rolled_back(here, serving, live, update)
    if update.get("outcome") is None and update.get("seen") not in (None, timestamp(live.last_modified)):
        # The endpoint has changed since the update was asked for, is InService, and serves another config: AWS went back by itself.
        reason = live.reason or _why(here)
        return _rolled_back(here, serving, live, update | {"outcome": ROLLED_BACK, "message": reason})
    actions = (*serving.create_models(), serving.create_config(), serving.update_endpoint())
    fields = shown(serving, live) | _intent(here, serving, live)
    return Plan(
        here.say("Updating", reconciling("Updating", f"{live.config} -> {serving.config_name}"), **fields), After(BUSY_DELAY), actions
    )


def _settled(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan:
    """The wanted config serves: correct the shares, keep what may be gone back to, collect what is older."""
    older, limit = history_after(here, serving), history_limit(here.spec)
    kept, dropped = older[:limit], older[limit:]
    share = serving.correct_shares(live)
    actions: tuple[Action, ...] = (share,) if share is not None else _collected(dropped, [served(serving), *kept])
    fields: dict[str, Any] = shown(serving, live) | {
        "live": shown(serving, live)["wanted"],
        "lastGood": served(serving),
        "history": (kept if share is None else older) or None,
    }
    update = _update_for(here, serving.config_name)
    if update:
        fields["update"] = update | {"outcome": SUCCEEDED, "message": None}
    if share is not None:
        return Plan(here.say("Updating", reconciling("Updating", "weights and capacities"), **fields), After(BUSY_DELAY), actions)
    return Plan(
        here.say("InService", [*ready("InService", f"{serving.config_name} serves"), _not_rolled_back()], **fields), OnEvent(), actions
    )


def _rolled_back(here: Pass, serving: Serving, live: LiveEndpoint, update: Mapping[str, Any]) -> Plan:
    """The same content is not tried again: an edit, or another model, is another content."""
    message = f"{serving.config_name} was rolled back ({update.get('message') or _why(here)}); {live.config} serves"
    conditions = [*stalled("RolledBack", message), Condition("RolledBack", "True", "RolledBack", message)]
    return Plan(here.say("RolledBack", conditions, **shown(serving, live), update=dict(update)), OnEvent())


def _failed(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan:
    """A creation that failed leaves an endpoint that can only be deleted; that is done once the spec asks for something else."""
    update = _update_for(here, serving.config_name)
    if update or live.config == serving.config_name:
        message = f"{live.raw}: {live.reason or 'AWS gives no reason'}"
        fields = shown(serving, live) | {
            "update": {**_intent(here, serving, live)["update"], **update, "outcome": FAILED, "message": message}
        }
        return Plan(here.say("Failed", stalled("EndpointFailed", message), **fields), OnEvent())
    status = here.say("Updating", reconciling("Replacing", f"deleting the failed endpoint, then creating it anew: {live.reason}"))
    return Plan(status, After(BUSY_DELAY), (delete_endpoint(serving.endpoint_name),))


def _collected(dropped: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]]) -> tuple[Action, ...]:
    """Deletes of configs that are neither live, wanted nor within the limit, and of models that none of the kept ones names."""
    configs = [str(item["config"]) for item in dropped]
    needed = {name for item in kept for name in item.get("models", ())}
    models = sorted({name for item in dropped for name in item.get("models", ())} - needed)
    return (*map(delete_config, configs), *map(delete_model, models))


def _intent(here: Pass, serving: Serving, live: LiveEndpoint | None) -> dict[str, Any]:
    update = {"config": serving.config_name, "attemptedAt": timestamp(here.now)}
    return {"update": update | ({"seen": timestamp(live.last_modified)} if live is not None else {})}


def _update_for(here: Pass, config: str) -> dict[str, Any]:
    """What status says about the last change, if that was the change to `config`."""
    update = here.snapshot.status.get("update")
    return dict(update) if isinstance(update, Mapping) and update.get("config") == config else {}


def _why(here: Pass) -> str:
    alarms = here.spec.rollout.alarms if here.spec.rollout is not None else None
    return f"one of the alarms {', '.join(alarms)} went off, or AWS could not start it" if alarms else "AWS gives no reason"


def _not_rolled_back() -> Condition:
    return Condition("RolledBack", "False", "InService", "")


def _phase_of_live(here: Pass, otherwise: str) -> str:
    return "InService" if here.snapshot.status.get("lastGood") else otherwise


def _held(here: Pass, conditions: Sequence[Condition], phase: str = "Pending") -> Plan:
    return Plan(here.say(phase, conditions), OnEvent(), finalizer=here.snapshot.has_finalizer)


def _refused(here: Pass, reason: str, findings: Sequence[Finding]) -> Plan:
    return _held(here, stalled(reason, "; ".join(str(finding) for finding in findings)), "Invalid")
