"""What somebody changed by hand: told once, with what differs, and repaired or left as the spec says.

Drift is a difference from what is wanted after the very same wants had been in line (`status.inLine`): an edit, another model or a
rollout under way is none. Pure.
"""

from __future__ import annotations

from typing import Any

from sagemaker_gitops.api.endpoint_upkeep import DEFAULT_DRIFT_POLICY
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.conditions import Condition, stalled
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, shown
from sagemaker_gitops.core.plan import OnEvent, Plan

DRIFTED, DETECTED = "Drifted", "DriftDetected"


def wanted_key(serving: Serving) -> str:
    """Identity of everything that is wanted of AWS now; whether drift is repaired is no part of it."""
    spec = serving.spec.model_dump(
        mode="json", by_alias=True, exclude={"drift_policy", "adopt", "deletion_policy", "idle", "active_window", "notify"}
    )
    return naming.content_key([serving.config_name, spec, dict(serving.effective.instance_counts), dict(serving.effective.tags)])


def drifted(here: Pass, serving: Serving) -> bool:
    """Whether what differs now was in line before."""
    return here.snapshot.status.get("inLine") == wanted_key(serving)


def left_alone(here: Pass, serving: Serving, live: LiveEndpoint | None, what: str) -> Plan | None:
    """With driftPolicy Report: said and stalled, until it is undone by hand, the policy is Repair, or something else is wanted."""
    if not drifted(here, serving) or (here.spec.drift_policy or DEFAULT_DRIFT_POLICY) == "Repair":
        return None
    message = f"{what}; driftPolicy is Report: undo it in AWS, or set driftPolicy: Repair"
    return Plan(here.say(DRIFTED, [*stalled(DETECTED, message), _condition(message)], **shown(serving, live)), OnEvent())


def noticed(here: Pass, serving: Serving, what: str) -> tuple[list[Condition], dict[str, Any]]:
    """Conditions and fields of a pass that changes something: if it repairs drift, that is said; nothing is in line until it is again."""
    return ([_condition(what)] if drifted(here, serving) else []), {"inLine": None}


def _condition(message: str) -> Condition:
    return Condition(DRIFTED, "True", DETECTED, message)
