"""What holds a ModelEndpoint back before anything is changed: checks in order, each named after what it finds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sagemaker_gitops.core.conditions import Condition, reconciling, stalled, suspended, unbound
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint.adoption import name_taken
from sagemaker_gitops.core.kinds.model_endpoint.artifacts import artifact_changed, artifact_missing
from sagemaker_gitops.core.kinds.model_endpoint.effective import findings_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import AwaitingApproval, ModelMissing
from sagemaker_gitops.core.kinds.model_endpoint.parking import parked
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from sagemaker_gitops.core.tenancy import Bound, Unbound

MISSING_DELAY = 300.0

Check = Callable[[Pass], Plan | None]


def no_tenant(here: Pass) -> Plan | None:
    if not isinstance(here.facts.binding, Unbound):
        return None
    return _held(here, unbound(here.snapshot.key.namespace, here.facts.binding.candidates))


def outside_tenant(here: Pass) -> Plan | None:
    assert isinstance(here.facts.binding, Bound)
    tenant = here.facts.binding
    try:
        findings = findings_of(here.spec, tenant, here.facts.models)
    except InvalidResource as error:
        return _refused(here, "InvalidSpec", error.findings)
    return _refused(here, "TenantPolicy", findings) if findings else None


def variants_removed(here: Pass) -> Plan | None:
    """What serves is never taken down by leaving a field out, nor left behind without a word."""
    if here.spec.variants or not here.snapshot.status.get("lastGood"):
        return None
    message = (
        f"{here.snapshot.status.get('endpointName')} serves: put variants back, or delete this object (deletionPolicy decides about the"
        " endpoint) and create one with batch alone"
    )
    return _refused(here, "VariantsRemoved", [Finding("spec.variants", message)])


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


def renamed(here: Pass) -> Plan | None:
    """The name is in callers' code, and what it named would be left behind."""
    before, now = here.snapshot.status.get("endpointName"), here.place().get("endpointName")
    if before in (None, now) or not here.snapshot.status.get("lastGood"):
        return None
    message = (
        f"spec.endpointName: the endpoint is {before} and cannot become {now}: put the name back,"
        " or delete this object (its endpoint stays) and make another"
    )
    kept = {name: here.snapshot.status.get(name) for name in here.place()}
    return Plan(here.say("Invalid", stalled("EndpointRenamed", message), **kept), OnEvent(), finalizer=here.snapshot.has_finalizer)


def _phase_of_live(here: Pass, otherwise: str) -> str:
    return "InService" if here.snapshot.status.get("lastGood") else otherwise


def _held(here: Pass, conditions: Sequence[Condition], phase: str = "Pending") -> Plan:
    return Plan(here.say(phase, conditions), OnEvent(), finalizer=here.snapshot.has_finalizer)


def _refused(here: Pass, reason: str, findings: Sequence[Finding]) -> Plan:
    return _held(here, stalled(reason, "; ".join(str(finding) for finding in findings)), "Invalid")


CHECKS: tuple[Check, ...] = (
    no_tenant,
    outside_tenant,
    variants_removed,
    renamed,
    parked,
    model_missing,
    awaiting_approval,
    invalid_request,
    name_taken,
    artifact_missing,
    artifact_changed,
)
