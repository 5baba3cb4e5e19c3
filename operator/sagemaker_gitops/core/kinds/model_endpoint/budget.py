"""What a ModelEndpoint may not begin while its Tenant's month is spent: an endpoint, more instances of one, a batch job. Pure.

What serves goes on as it is. Counts survive an UpdateEndpoint, so it enlarges by another variant alone; a larger machine is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.budget import BUDGET_EXHAUSTED, Hold, hold, pays
from sagemaker_gitops.core.conditions import bounded, reconciling
from sagemaker_gitops.core.kinds.model_endpoint.batch import Step
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass
from sagemaker_gitops.core.kinds.model_endpoint.smoke import tidied
from sagemaker_gitops.core.kinds.model_endpoint.triggers import recorded_of
from sagemaker_gitops.core.plan import After, Plan


def costs(here: Pass, actions: Sequence[Action]) -> bool:
    """Whether one of them makes the Tenant pay more by the hour than now."""
    return pays(actions) or any(_enlarges(here, action) for action in actions if isinstance(action, AwsRequest))


def _enlarges(here: Pass, action: AwsRequest) -> bool:
    live = here.facts.endpoint
    if not isinstance(live, LiveEndpoint):
        return False
    if action.operation == "UpdateEndpoint":
        return any(variant.name not in live.variants and variant.serverless is None for variant in here.spec.variants)
    if action.operation != "UpdateEndpointWeightsAndCapacities":
        return False
    wanted = {item["VariantName"]: item.get("DesiredInstanceCount", 0) for item in action.parameters["DesiredWeightsAndCapacities"]}
    return any(count > found.instances for name, count in wanted.items() if (found := live.variants.get(name)) is not None)


def batch_within(here: Pass, step: Step) -> Step:
    """The job stays due: nothing of it is recorded as heeded."""
    held = _held(here, step.actions)
    if held is None:
        return step
    fields = recorded_of(here.snapshot.status).fields
    return replace(step, entry={**fields, "message": bounded(held.message)}, actions=(), requeue=After(held.seconds), held=held.message)


def within(here: Pass, decided: Plan) -> Plan:
    """Nobody pays for the stand of a smoke test meanwhile."""
    held = _held(here, decided.actions)
    if held is None:
        return decided
    live = here.facts.endpoint
    serves = isinstance(live, LiveEndpoint) and live.state is EndpointState.IN_SERVICE
    status = here.say("InService" if serves else "Pending", reconciling(BUDGET_EXHAUSTED, held.message))
    return tidied(here, Plan(status, After(held.seconds), finalizer=here.snapshot.has_finalizer or isinstance(live, LiveEndpoint)))


def _held(here: Pass, actions: Sequence[Action]) -> Hold | None:
    return hold(here.facts.binding, here.facts.spend, here.now) if costs(here, actions) else None
