"""What can stand in the way of a step, each check named after what it finds; the first that finds something answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sagemaker_gitops.api.training_run import DEFAULT_CONCURRENCY_POLICY
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.conditions import Condition, reconciling, stalled, suspended, unbound
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.champion import unfit
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import Active, Missing, Refused, Source, Unknown
from sagemaker_gitops.core.kinds.training_run.requests import stop_actions
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE_CHAMPION, entry_points, spec_hash, walk
from sagemaker_gitops.core.kinds.training_run.situation import Pass, build_run, every_entry, finished, second_evaluation
from sagemaker_gitops.core.kinds.training_run.wanted import wanted_of
from sagemaker_gitops.core.plan import After, Done, OnEvent, Plan
from sagemaker_gitops.core.tenancy import Bound, Unbound

WAIT_FOR_INPUT = 60.0
STOPPING_DELAY = 30.0

Check = Callable[[Pass], Plan | None]


def no_tenant(here: Pass) -> Plan | None:
    if not isinstance(here.facts.binding, Unbound):
        return None
    return Plan(
        here.say("Pending", unbound(here.snapshot.key.namespace, here.facts.binding.candidates)),
        OnEvent(),
        finalizer=here.snapshot.has_finalizer,
    )


def source_missing(here: Pass) -> Plan | None:
    if not isinstance(here.facts.source, Missing):
        return None
    message = f"{here.facts.source.what}: {here.facts.source.message}"
    return Plan(here.say("Pending", reconciling("SourceMissing", message)), After(WAIT_FOR_INPUT), finalizer=here.snapshot.has_finalizer)


def source_refused(here: Pass) -> Plan | None:
    if not isinstance(here.facts.source, Refused):
        return None
    return _stalled(here, "SourceRefused", [Finding("spec.source", f"{here.facts.source.what}: {here.facts.source.message}")])


def nothing_new(here: Pass) -> Plan | None:
    assert isinstance(here.facts.source, Source)
    if not finished(here.snapshot, here.spec, here.facts.source, here.nonce):
        return None
    conditions = [
        Condition(item["type"], item["status"], item["reason"], item.get("message", ""))
        for item in here.snapshot.status.get("conditions", ())
    ]
    return Plan(here.say(here.snapshot.status["phase"], conditions), Done(), finalizer=here.snapshot.has_finalizer)


def champion_refused(here: Pass) -> Plan | None:
    """A champion that the gates cannot be judged against, told before anything is paid for; what runs is left to finish."""
    assert isinstance(here.facts.binding, Bound)
    found = unfit(here.snapshot, here.spec, here.facts.champion, here.facts.binding)
    return _stalled(here, "InvalidSpec", found) if found else None


def file_missing(here: Pass) -> Plan | None:
    """An entry point that the source does not hold."""
    assert isinstance(here.facts.source, Source)
    absent = {step: name for step, name in entry_points(here.spec).items() if name not in here.facts.source.files}
    if not absent:
        return None
    held = ", ".join(sorted(here.facts.source.files)[:10])
    findings = [Finding(f"spec.{step}", f"{name} is not in the source, which holds: {held}") for step, name in sorted(absent.items())]
    return _stalled(here, "SourceIncomplete", findings)


def outside_tenant(here: Pass) -> Plan | None:
    """What the Tenant forbids or neither side gives; found again at every pass, because a Tenant may change under a run."""
    assert isinstance(here.facts.binding, Bound)
    tenant = here.facts.binding
    try:
        effective = effective_of(here.spec, tenant.spec)
    except InvalidResource as error:
        return _stalled(here, "InvalidSpec", error.findings)
    findings = tenancy.findings(tenant.name, tenant.spec, wanted_of(here.spec, effective))
    return _stalled(here, "TenantPolicy", findings) if findings else None


def invalid_request(here: Pass) -> Plan | None:
    return _stalled(here, "InvalidRequest", here.facts.request_findings) if here.facts.request_findings else None


def input_missing(here: Pass) -> Plan | None:
    if not isinstance(here.facts.inputs, Missing):
        return None
    message = f"{here.facts.inputs.what}: {here.facts.inputs.message}"
    conditions = [*reconciling("InputMissing", message), Condition("InputsResolved", "False", "InputMissing", message)]
    return Plan(here.say("Pending", conditions), After(WAIT_FOR_INPUT), finalizer=here.snapshot.has_finalizer)


def suspended_by_user(here: Pass) -> Plan | None:
    """No step starts; one that runs is left to finish and its end is recorded."""
    if not here.spec.suspend:
        return None
    run = build_run(here)
    progress = walk(run, here.facts.jobs, said.recorded_steps(here.snapshot.status))
    due = progress.current or second_evaluation(here, run, progress)
    running = due is not None and isinstance(due[1], Active | Unknown)
    entries = every_entry(here, run, progress)
    leftovers = said.leftover_entries(here.facts.leftovers, here.now, here.settings.create_quarantine) or None
    status = here.say("Suspended", suspended("Suspended", "spec.suspend is true: no step is started"), steps=entries, leftovers=leftovers)
    return Plan(status, OnEvent() if running or leftovers else Done(), finalizer=here.snapshot.has_finalizer or running)


def earlier_run_active(here: Pass) -> Plan | None:
    """Jobs of an earlier spec still run: stop them, wait for them, or refuse, as concurrencyPolicy says."""
    active = {name: left for name, left in here.facts.leftovers.items() if isinstance(left.fact, Active | Unknown)}
    if not active:
        return None
    leftovers = said.leftover_entries(here.facts.leftovers, here.now, here.settings.create_quarantine)
    if set(active) == {_champion_evaluation(here)}:
        message = f"{', '.join(active)} evaluates an earlier champion to its end, then comes the present one"
        return Plan(here.say("Running", reconciling("Running", message), leftovers=leftovers), After(STOPPING_DELAY))
    policy = here.spec.concurrency_policy or DEFAULT_CONCURRENCY_POLICY
    stops = stop_actions(active) if policy == "Replace" else ()
    message = f"{', '.join(sorted(active))} of an earlier version of the spec still runs (concurrencyPolicy: {policy})"
    summary = stalled("RunActive", message) if policy == "Forbid" else reconciling("RunActive", message)
    return Plan(here.say("Pending", summary, leftovers=leftovers), After(STOPPING_DELAY), stops)


def _champion_evaluation(here: Pass) -> str:
    """The evaluation that this very run has started: stopped, it could not be had again when that champion comes back."""
    assert isinstance(here.facts.source, Source)
    wanted = spec_hash(here.spec, here.facts.source, here.nonce)
    recorded = said.recorded_steps(here.snapshot.status).get(EVALUATE_CHAMPION)
    return recorded.aws_name if recorded is not None and here.snapshot.status.get("specHash") == wanted else ""


def no_free_slot(here: Pass) -> Plan | None:
    slot = here.facts.slot
    if slot.ahead <= 0:
        return None
    message = f"{slot.ahead} ahead in the queue; Tenant allows {slot.limit} runs at a time (limits.maxConcurrentRuns)"
    status = here.say("Queued", reconciling("Queued", message), queue={"position": slot.ahead})
    return Plan(status, OnEvent(), finalizer=here.snapshot.has_finalizer)


def _stalled(here: Pass, reason: str, findings: Sequence[Finding]) -> Plan:
    message = "; ".join(str(finding) for finding in findings)
    return Plan(here.say("Invalid", stalled(reason, message)), OnEvent(), finalizer=here.snapshot.has_finalizer)


CHECKS: tuple[Check, ...] = (
    no_tenant,
    source_missing,
    source_refused,
    nothing_new,
    outside_tenant,
    champion_refused,
    file_missing,
    invalid_request,
    input_missing,
    suspended_by_user,
    earlier_run_active,
    no_free_slot,
)
