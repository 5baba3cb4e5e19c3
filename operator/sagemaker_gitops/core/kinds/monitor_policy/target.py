"""What a MonitorPolicy watches: the model that a ModelEndpoint of the namespace serves, by its status. Pure; costs no AWS call."""

from __future__ import annotations

from typing import assert_never

from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.kinds.monitor_policy.facts import NotReady, TargetFact, Unfit, Watched
from sagemaker_gitops.core.kinds.training_run.champion import ANSWERING, serving
from sagemaker_gitops.core.kinds.training_run.facts import Champion, ChampionPending, NoChampion, NoSuchVariant
from sagemaker_gitops.core.resource import Snapshot


def target_of(spec: MonitorPolicySpec, endpoint: Snapshot | None) -> TargetFact:
    """`endpoint` is the ModelEndpoint as last seen; its status is read defensively, because anybody may have edited it."""
    name, variant = spec.target.endpoint_ref.name, spec.target.variant
    if endpoint is None:
        return NotReady(f"there is no ModelEndpoint {name} in this namespace")
    served = serving(name, variant, endpoint)
    match served:
        case NoChampion() | ChampionPending():
            return NotReady(served.message)
        case NoSuchVariant():
            return Unfit("spec.target.variant", served.message)
        case Champion():
            return _watched(name, endpoint, served)
        case _:
            assert_never(served)


def _watched(name: str, endpoint: Snapshot, served: Champion) -> TargetFact:
    phase, aws_name = endpoint.status.get("phase"), endpoint.status.get("endpointName")
    if phase not in ANSWERING or not isinstance(aws_name, str):
        return NotReady(f"ModelEndpoint {name} is {phase}, and not in service")
    if not endpoint.spec.get("dataCapture"):
        return NotReady(f"ModelEndpoint {name} captures no data: add dataCapture to its spec")
    key = naming.content_key([served.label, served.package_arn, served.artifact])
    return Watched(aws_name, served.variant, served.label, key, served.package_arn)
