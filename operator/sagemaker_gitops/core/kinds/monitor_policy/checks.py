"""What holds a MonitorPolicy back before anything is looked at: checks in order, each named after what it finds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sagemaker_gitops.api.monitor_policy import entry_points
from sagemaker_gitops.core.conditions import Condition, reconciling, stalled, unbound
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.monitor_policy.completion import circle_findings
from sagemaker_gitops.core.kinds.monitor_policy.effective import findings_of
from sagemaker_gitops.core.kinds.monitor_policy.publish import alarm_findings
from sagemaker_gitops.core.kinds.monitor_policy.requests import ENTRY_POINT
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.kinds.training_run.facts import Missing, Refused, Source
from sagemaker_gitops.core.plan import After, OnEvent, Plan, Requeue
from sagemaker_gitops.core.tenancy import Unbound

MISSING_DELAY = 60.0

Check = Callable[[Pass], Plan | None]


def no_tenant(here: Pass) -> Plan | None:
    binding = here.facts.binding
    return _held(here, unbound(here.snapshot.key.namespace, binding.candidates)) if isinstance(binding, Unbound) else None


def outside_tenant(here: Pass) -> Plan | None:
    try:
        findings = findings_of(here.spec, here.bound)
    except InvalidResource as error:
        return _refused(here, "InvalidSpec", error.findings)
    return _refused(here, "TenantPolicy", findings) if findings else None


def circle(here: Pass) -> Plan | None:
    findings = circle_findings(here.facts.circle)
    return _refused(here, "InvalidSpec", findings) if findings else None


def source_missing(here: Pass) -> Plan | None:
    source = here.facts.source
    return (
        _held(here, reconciling("SourceMissing", f"{source.what}: {source.message}"), After(MISSING_DELAY))
        if isinstance(source, Missing)
        else None
    )


def source_refused(here: Pass) -> Plan | None:
    source = here.facts.source
    if not isinstance(source, Refused):
        return None
    return _refused(here, "SourceRefused", [Finding("spec.source", f"{source.what}: {source.message}")])


def script_missing(here: Pass) -> Plan | None:
    findings = absent_scripts(here)
    return _refused(here, "SourceIncomplete", findings) if findings else None


def absent_scripts(here: Pass) -> tuple[Finding, ...]:
    """Scripts that the spec names and the source does not hold."""
    assert isinstance(here.facts.source, Source)
    files = here.facts.source.files
    held = ", ".join(sorted(files)[:10]) or "nothing"
    absent = {path: name for path, name in entry_points(here.spec).items() if name not in files}
    return tuple(Finding(path, f"{name} is not in the source, which holds: {held}") for path, name in sorted(absent.items()))


def alarm_refused(here: Pass) -> Plan | None:
    findings = alarm_findings(here)
    return _refused(here, "InvalidSpec", findings) if findings else None


def code_missing(here: Pass) -> Plan | None:
    if ENTRY_POINT in here.code:
        return None
    message = f"this installation of the operator has no jobs/monitoring/{ENTRY_POINT}: set SAGEMAKER_GITOPS_MONITORING_CODE"
    return _held(here, stalled("JobMissing", message))


def invalid_request(here: Pass) -> Plan | None:
    return _refused(here, "InvalidRequest", here.facts.findings) if here.facts.findings else None


CHECKS: tuple[Check, ...] = (
    no_tenant,
    outside_tenant,
    circle,
    source_missing,
    source_refused,
    script_missing,
    alarm_refused,
    code_missing,
    invalid_request,
)


def _held(here: Pass, summary: Sequence[Condition], requeue: Requeue | None = None) -> Plan:
    return Plan(here.say("Pending", here.keeping(*summary)), requeue or OnEvent(), finalizer=here.snapshot.has_finalizer)


def _refused(here: Pass, reason: str, findings: Sequence[Finding]) -> Plan:
    message = "; ".join(map(str, findings))
    return Plan(here.say("Invalid", here.keeping(*stalled(reason, message))), OnEvent(), finalizer=here.snapshot.has_finalizer)
