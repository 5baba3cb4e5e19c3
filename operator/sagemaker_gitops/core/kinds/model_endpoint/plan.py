"""plan(snapshot, spec, facts, now): what a ModelEndpoint needs next. Checks first, then the distance from the live endpoint. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.core.conditions import reconciling
from sagemaker_gitops.core.kinds.model_endpoint.adoption import owned
from sagemaker_gitops.core.kinds.model_endpoint.batch import Step, advance, alone, joined, postponed
from sagemaker_gitops.core.kinds.model_endpoint.budget import batch_within, within
from sagemaker_gitops.core.kinds.model_endpoint.checks import CHECKS
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint, ModelEndpointFacts, NoEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.parking import rest, woken
from sagemaker_gitops.core.kinds.model_endpoint.rollout import create, failed, replace_config, witnessed
from sagemaker_gitops.core.kinds.model_endpoint.scaling import refound
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving, shown
from sagemaker_gitops.core.kinds.model_endpoint.smoke import tidied
from sagemaker_gitops.core.kinds.model_endpoint.upkeep import settled
from sagemaker_gitops.core.kinds.model_endpoint.withdrawn import beside_failed, withdrawn
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import After, Plan
from sagemaker_gitops.core.resource import Snapshot

BUSY_DELAY, UNKNOWN_STATE_DELAY = 30.0, 300.0


def plan(snapshot: Snapshot, spec: ModelEndpointSpec, facts: ModelEndpointFacts, settings: Settings, now: datetime) -> Plan:
    """The decision for an object that is not being deleted (deletion.py decides for one that is)."""
    here = Pass(snapshot, spec, facts, settings, now)
    step = batch_within(here, advance(here))
    decided = within(here, _decide(here, step))
    return joined(here, decided, postponed(here, decided, step))


def _decide(here: Pass, step: Step) -> Plan:
    for check in CHECKS:
        answer = check(here)
        if answer is not None:
            return tidied(here, withdrawn(here, answer))
    if not here.spec.variants:
        return tidied(here, alone(here, step))
    here = woken(owned(here))
    return _converge(here, build_serving(here))


def _converge(here: Pass, serving: Serving) -> Plan:
    live = here.facts.endpoint
    if isinstance(live, NoEndpoint):
        return rest(here, serving, None) or create(here, serving)
    assert isinstance(live, LiveEndpoint), "observe has looked, and name_taken has answered for others"
    match live.state:
        case EndpointState.BUSY:
            message = f"{live.raw}: {live.config} serves" if live.raw != "Creating" else f"Creating {live.config}"
            fields = shown(serving, live) | witnessed(here, serving, live) | refound(here)
            return Plan(here.say(live.raw, reconciling(live.raw, message), **fields), After(BUSY_DELAY))
        case EndpointState.FAILED:
            return tidied(here, beside_failed(here, serving, failed(here, serving, live)))
        case EndpointState.IN_SERVICE:
            if live.config != serving.config_name:
                return replace_config(here, serving, live)
            return rest(here, serving, live) or settled(here, serving, live)
        case EndpointState.UNKNOWN:
            message = f"AWS reports {live.raw}, which this version does not know: nothing is done"
            return Plan(here.say(live.raw, reconciling("UnknownState", message), **shown(serving, live)), After(UNKNOWN_STATE_DELAY))
        case _:
            assert_never(live.state)
