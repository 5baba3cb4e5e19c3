"""A first creation that is held back, or fails, before anything served: what it left at AWS is collected. Pure.

What comes into service, or the deletion, collects as well; an object that waits for an approval, or for an edit, may get to neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sagemaker_gitops.core.kinds.model_endpoint.facts import NoEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, may_arrive, overtaken_may_arrive, served
from sagemaker_gitops.core.kinds.model_endpoint.smoke import recorded
from sagemaker_gitops.core.kinds.model_endpoint.upkeep import LOOK_AGAIN, collected
from sagemaker_gitops.core.plan import After, Plan


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


def beside_failed(here: Pass, serving: Serving, answer: Plan) -> Plan:
    """`answer` about a creation that failed, and the end of what an earlier one left, or may still leave; its own config and models stay
    with it.
    """
    if answer.actions or here.snapshot.status.get("lastGood"):
        return answer
    left, actions = overtaken_may_arrive(here), collected(here, (), [served(serving)], here.facts.strays)
    if actions:
        return replace(answer, requeue=After(LOOK_AGAIN), actions=actions)
    if left > 0:
        return replace(answer, requeue=After(left))
    update = {name: value for name, value in answer.status.get("update", {}).items() if name != "overtaken"}
    return replace(answer, status={**answer.status, "update": update}) if update else answer
