"""A first creation that was asked for and is held back before anything served: what it left at AWS is collected. Pure.

What comes into service, or the deletion, collects as well; an object that waits for an approval for ever would get to neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sagemaker_gitops.core.kinds.model_endpoint.facts import NoEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, may_arrive
from sagemaker_gitops.core.kinds.model_endpoint.smoke import recorded
from sagemaker_gitops.core.kinds.model_endpoint.upkeep import collected
from sagemaker_gitops.core.plan import After, Plan

LOOK_AGAIN = 5.0


def open_creation(here: Pass) -> bool:
    """Whether status speaks of a creation whose end nobody has seen, and of nothing that served or is being tested."""
    status = here.snapshot.status
    update = status.get("update")
    if not isinstance(update, Mapping) or update.get("outcome") is not None:
        return False
    return not status.get("lastGood") and not recorded(status).get("endpoint")


def to_collect(here: Pass) -> bool:
    """Whether the creation can arrive no more: what exists now is all there will be."""
    return open_creation(here) and may_arrive(here) <= 0


def withdrawn(here: Pass, answer: Plan) -> Plan:
    """`answer`, which holds the object back, and the end of what was made before. An endpoint that came after all stays, and its parts."""
    if answer.actions or not open_creation(here):
        return answer
    left = may_arrive(here)
    if left > 0:
        sooner = min(left, answer.requeue.seconds) if isinstance(answer.requeue, After) else left
        return replace(answer, requeue=After(sooner))
    if not isinstance(here.facts.endpoint, NoEndpoint):
        return answer
    if actions := collected(here, (), (), here.facts.strays):
        return replace(answer, requeue=After(LOOK_AGAIN), actions=actions)
    return replace(answer, status={name: value for name, value in answer.status.items() if name != "update"})
