"""plan(snapshot, spec, facts, now): what a TrainingRun needs next. A chain of checks named after what they find; the first that
finds something answers.

Pure; the facts come from aws/kinds/training_run.py, the plan is carried out by runtime/reconciler.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never

from sagemaker_gitops.api.steps import Goal
from sagemaker_gitops.api.training_run import DEFAULT_CONCURRENCY_POLICY, DEFAULT_HISTORY_LIMIT, TrainingRunSpec
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import Condition, ready, reconciling, stalled, suspended, timestamp
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent, Active, Bound, Failed, FailureClass, Foreign, Missing, Source, Succeeded, TrainingRunFacts, Unbound, Unknown, Unseen, Unstarted,
)
from sagemaker_gitops.core.kinds.training_run.gates import GateResult, judge
from sagemaker_gitops.core.kinds.training_run.registration import create_package, create_package_group, package_metrics
from sagemaker_gitops.core.kinds.training_run.requests import creating_actions, start_glue_job_run, stop_actions
from sagemaker_gitops.core.kinds.training_run.run import Attempt, Progress, Run, entry_points, keys_of, spec_hash, walk
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.wanted import wanted_of
from sagemaker_gitops.core.plan import After, Done, OnEvent, Plan, Requeue
from sagemaker_gitops.core.resource import RERUN, Snapshot

TERMINAL_PHASES = ("Succeeded", "Failed", "GateRejected", "Stopped")
WAIT_FOR_INPUT = 60.0
UNKNOWN_STATE_DELAY = 300.0
STOPPING_DELAY = 30.0


@dataclass(frozen=True, slots=True)
class Pass:
    """What every check sees."""

    snapshot: Snapshot
    spec: TrainingRunSpec
    facts: TrainingRunFacts
    settings: Settings
    now: datetime

    def say(self, phase: str, conditions: Sequence[Condition], **fields: Any) -> dict[str, Any]:
        """The last status with a new phase, conditions and fields; what did not become known again stays."""
        status = {**self.snapshot.status, **fields, "phase": phase}
        return said.with_conditions(self.snapshot, {k: v for k, v in status.items() if v is not None}, conditions, self.now)


Check = Callable[[Pass], Plan | None]


def plan(snapshot: Snapshot, spec: TrainingRunSpec, facts: TrainingRunFacts, settings: Settings, now: datetime) -> Plan:
    """The decision for an object that is not being deleted (deletion.py decides for one that is). The last check always answers."""
    here = Pass(snapshot, spec, facts, settings, now)
    for check in CHECKS:
        answer = check(here)
        if answer is not None:
            return answer
    return _advance(here, build_run(here))


def build_run(here: Pass) -> Run:
    """Only after the checks that guarantee its parts. Raises InvalidResource."""
    facts = here.facts
    assert isinstance(facts.binding, Bound) and isinstance(facts.source, Source) and isinstance(facts.inputs, Mapping)
    return Run(
        install=here.settings.install,
        owner=here.snapshot.key,
        spec=here.spec,
        tenant=facts.binding,
        effective=effective_of(here.spec, facts.binding.spec),
        source=facts.source,
        inputs=facts.inputs,
        nonce=here.snapshot.annotations.get(RERUN, ""),
    )


def finished(snapshot: Snapshot, spec: TrainingRunSpec, source: Source) -> bool:
    """Whether status already tells the end of exactly what is asked for: then AWS is not called at all."""
    wanted = spec_hash(spec, source, snapshot.annotations.get(RERUN, ""))
    return snapshot.status.get("phase") in TERMINAL_PHASES and snapshot.status.get("specHash") == wanted


def no_tenant(here: Pass) -> Plan | None:
    if not isinstance(here.facts.binding, Unbound):
        return None
    namespace, candidates = here.snapshot.key.namespace, here.facts.binding.candidates
    if candidates:
        message = f"namespace {namespace} is named by more than one Tenant ({', '.join(candidates)}): no AWS call is made until one remains"
        return Plan(here.say("Pending", stalled("TenantAmbiguous", message)), OnEvent(), finalizer=here.snapshot.has_finalizer)
    message = f"no Tenant names namespace {namespace}: no AWS call is made; ask the platform team to add it to a Tenant's spec.namespaces"
    return Plan(here.say("Pending", reconciling("TenantMissing", message)), OnEvent(), finalizer=here.snapshot.has_finalizer)


def source_missing(here: Pass) -> Plan | None:
    if not isinstance(here.facts.source, Missing):
        return None
    message = f"{here.facts.source.what}: {here.facts.source.message}"
    return Plan(here.say("Pending", reconciling("SourceMissing", message)), After(WAIT_FOR_INPUT), finalizer=here.snapshot.has_finalizer)


def nothing_new(here: Pass) -> Plan | None:
    assert isinstance(here.facts.source, Source)
    if not finished(here.snapshot, here.spec, here.facts.source):
        return None
    conditions = [
        Condition(item["type"], item["status"], item["reason"], item.get("message", "")) for item in here.snapshot.status.get("conditions", ())
    ]
    return Plan(here.say(here.snapshot.status["phase"], conditions), Done(), finalizer=here.snapshot.has_finalizer)


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
    running = progress.current is not None and isinstance(progress.current[1], Active | Unknown)
    entries = said.step_entries(run, progress, here.snapshot.status, here.now) + said.tail_entries(run, None, None)
    status = here.say("Suspended", suspended("Suspended", "spec.suspend is true: no step is started"), steps=entries)
    return Plan(status, OnEvent() if running else Done(), finalizer=here.snapshot.has_finalizer or running)


def earlier_run_active(here: Pass) -> Plan | None:
    """Jobs of an earlier spec still run: stop them, wait for them, or refuse, as concurrencyPolicy says."""
    active = {name: left for name, left in here.facts.leftovers.items() if isinstance(left.fact, Active | Unknown)}
    if not active:
        return None
    policy = here.spec.concurrency_policy or DEFAULT_CONCURRENCY_POLICY
    leftovers = [{"type": str(left.type), "awsName": name, "state": "InProgress"} for name, left in sorted(active.items())]
    stops = stop_actions(active) if policy == "Replace" else ()
    message = f"{', '.join(sorted(active))} of an earlier version of the spec still runs (concurrencyPolicy: {policy})"
    summary = stalled("RunActive", message) if policy == "Forbid" else reconciling("RunActive", message)
    return Plan(here.say("Pending", summary, leftovers=leftovers), After(STOPPING_DELAY), stops)


def no_free_slot(here: Pass) -> Plan | None:
    slot = here.facts.slot
    if slot.ahead <= 0:
        return None
    message = f"{slot.ahead} ahead in the queue; Tenant allows {slot.limit} runs at a time (limits.maxConcurrentRuns)"
    status = here.say("Queued", reconciling("Queued", message), queue={"position": slot.ahead})
    return Plan(status, OnEvent(), finalizer=here.snapshot.has_finalizer)


CHECKS: tuple[Check, ...] = (
    no_tenant, source_missing, nothing_new, file_missing, outside_tenant, invalid_request, input_missing, suspended_by_user, earlier_run_active, no_free_slot,
)


def _stalled(here: Pass, reason: str, findings: Sequence[Finding]) -> Plan:
    message = "; ".join(str(finding) for finding in findings)
    return Plan(here.say("Invalid", stalled(reason, message)), OnEvent(), finalizer=here.snapshot.has_finalizer)


def _advance(here: Pass, run: Run) -> Plan:
    progress = walk(run, here.facts.jobs, said.recorded_steps(here.snapshot.status))
    if progress.current is None:
        return _conclude(here, run, progress)
    attempt, fact = progress.current
    match fact:
        case Unseen() | Absent():
            return _start(here, run, progress, attempt, creating_actions(run, progress, attempt))
        case Unstarted():
            return _start_glue_run(here, run, progress, attempt, fact)
        case Active():
            return _running(here, run, progress, OnEvent())
        case Unknown():
            return _running(here, run, progress, After(UNKNOWN_STATE_DELAY))
        case Failed():
            return _failed(here, run, progress, attempt, fact)
        case Foreign():
            message = f"{attempt.aws_name} exists and belongs to {fact.owner}: nothing is done with it"
            return Plan(_tell(here, run, progress, "Failed", stalled("NameConflict", message)), Done())
        case Succeeded():
            raise AssertionError("walk leaves no succeeded step as the current one")
        case _:
            assert_never(fact)


def _start(here: Pass, run: Run, progress: Progress, attempt: Attempt, actions: tuple[Action, ...]) -> Plan:
    message = f"{attempt.step.name}: {attempt.aws_name}"
    status = _tell(here, run, progress, "Running", reconciling("Running", message), creating=True)
    return Plan(status, OnEvent(), actions)


def _start_glue_run(here: Pass, run: Run, progress: Progress, attempt: Attempt, fact: Unstarted) -> Plan:
    """StartJobRun has no idempotency key: never again before the quarantine has passed since the last attempt and the job's creation."""
    entry: Mapping[str, Any] = next((step for step in here.snapshot.status.get("steps", ()) if step.get("awsName") == attempt.aws_name), {})
    attempted = datetime.fromisoformat(entry["attemptedAt"]) if entry.get("attemptedAt") else fact.created
    safe = max(attempted, fact.created) + timedelta(seconds=here.settings.glue_quarantine)
    if here.now < safe:
        return _running(here, run, progress, After((safe - here.now).total_seconds()))
    return _start(here, run, progress, attempt, (start_glue_job_run(run, attempt),))


def _running(here: Pass, run: Run, progress: Progress, requeue: Requeue) -> Plan:
    assert progress.current is not None
    attempt = progress.current[0]
    return Plan(_tell(here, run, progress, "Running", reconciling("Running", f"{attempt.step.name}: {attempt.aws_name}")), requeue)


def _failed(here: Pass, run: Run, progress: Progress, attempt: Attempt, fact: Failed) -> Plan:
    phase = "Stopped" if fact.failure is FailureClass.STOPPED else "Failed"
    message = f"{attempt.step.name} ({attempt.aws_name}): {fact.reason}"
    status = _tell(here, run, progress, phase, stalled(str(fact.failure), message), failure=said.failure_entry(attempt, fact))
    return Plan(_with_history(here, run, status), Done())


def _conclude(here: Pass, run: Run, progress: Progress) -> Plan:
    """All paid steps succeeded: judge, register, say so."""
    metrics = _metrics(here, progress)
    results = judge(run.spec.gates, metrics, here.facts.champion, _goals(run))
    numbers = _numbers(here, run, results, metrics)
    evaluation = here.facts.evaluation
    if run.spec.gates and not all(result.passed for result in results):
        return _rejected(here, run, progress, results, numbers, evaluation.problem if evaluation else "")
    gate = said.gate_entry(results) if run.spec.gates else None
    passed = [Condition("GatePassed", "True", "Passed", "; ".join(r.message for r in results))] if gate else []
    if run.spec.register_ is None:
        return _succeeded(here, run, progress, gate, None, passed, numbers)
    if here.facts.registered is None:
        return _register(here, run, progress, gate, passed, numbers, metrics)
    package = here.facts.registered
    registered = Condition("Registered", "True", "Registered", f"{package.group}/{package.version} ({package.approval})")
    return _succeeded(
        here, run, progress, gate, said.register_entry(package), [*passed, registered], {**numbers, "model": f"{package.group}/{package.version}"}
    )


def _succeeded(
    here: Pass, run: Run, progress: Progress, gate: Mapping[str, Any] | None, register: Mapping[str, Any] | None,
    conditions: Sequence[Condition], fields: Mapping[str, Any],
) -> Plan:
    status = _tell(here, run, progress, "Succeeded", [*ready("Succeeded", "every step is done"), *conditions], gate=gate, register=register, fields=fields)
    return Plan(_with_history(here, run, status), Done())


def _register(
    here: Pass, run: Run, progress: Progress, gate: Mapping[str, Any] | None, passed: Sequence[Condition],
    numbers: Mapping[str, Any], metrics: Mapping[str, float],
) -> Plan:
    actions: list[Action] = [] if here.facts.group_exists else [create_package_group(run)]
    actions.append(create_package(run, progress, package_metrics(run, metrics)))
    status = _tell(
        here, run, progress, "Running", [*reconciling("Running", "register"), *passed], gate=gate, register={"state": "InProgress"}, fields=numbers
    )
    return Plan(status, After(0), tuple(actions))


def _rejected(
    here: Pass, run: Run, progress: Progress, results: Sequence[GateResult], numbers: Mapping[str, Any], problem: str
) -> Plan:
    """A rejected model with an approved champion is a result, not a failure (requirements 2.7); without one nothing can serve."""
    message = "; ".join(result.message for result in results if not result.passed) + (f" ({problem})" if problem else "")
    summary = ready("GateRejected", message) if here.facts.champion is not None else stalled("GateRejected", message)
    conditions = [*summary, Condition("GatePassed", "False", "Rejected", message)]
    status = _tell(here, run, progress, "GateRejected", conditions, gate=said.gate_entry(results), fields=numbers)
    return Plan(_with_history(here, run, status), Done())


def _metrics(here: Pass, progress: Progress) -> dict[str, float]:
    """Training's own final metrics, then the evaluation's, which win."""
    trained = progress.succeeded("train")
    evaluated = here.facts.evaluation.metrics if here.facts.evaluation else {}
    return {**(trained.metrics if trained else {}), **evaluated}


def _goals(run: Run) -> dict[str, Goal]:
    return {metric.name: metric.goal for metric in run.spec.train.metrics if metric.goal}


def _numbers(here: Pass, run: Run, results: Sequence[GateResult], metrics: Mapping[str, float]) -> dict[str, Any]:
    """The METRIC, CHAMPION and GATE columns: the first gate's metric, else the first training metric."""
    name = results[0].metric if results else next((m.name for m in run.spec.train.metrics), "")
    champions = [result.champion for result in results if result.champion is not None]
    champion = champions[0] if champions else (here.facts.champion.metrics.get(name) if here.facts.champion else None)
    return {
        "metric": f"{name}={metrics[name]:.4g}" if name in metrics else None,
        "champion": f"{champion:.4g}" if champion is not None else None,
        "gate": ("Passed" if all(result.passed for result in results) else "Rejected") if results else None,
        "model": None,
    }


def _tell(
    here: Pass, run: Run, progress: Progress, phase: str, conditions: Sequence[Condition], *, creating: bool = False,
    gate: Mapping[str, Any] | None = None, register: Mapping[str, Any] | None = None, fields: Mapping[str, Any] | None = None,
    failure: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    entries = said.step_entries(run, progress, here.snapshot.status, here.now, creating) + said.tail_entries(run, gate, register)
    same_run = here.snapshot.status.get("specHash") == spec_hash(run.spec, run.source, run.nonce)
    numbers = {"metric": None, "champion": None, "gate": None, "model": None} | dict(fields or {})
    kept = {name: here.snapshot.status.get(name) if same_run and value is None else value for name, value in numbers.items()}
    return here.say(
        phase,
        [*said.step_conditions(run, progress), *conditions],
        specHash=spec_hash(run.spec, run.source, run.nonce),
        runKey=keys_of(run, progress).run if progress.current is None else None,
        step=said.current_step(entries),
        steps=entries,
        effective=run.effective.as_status(),
        provenance=said.provenance(run, progress, _trigger(here)),
        revision=run.source.revision[:7] or None,
        failure=failure,
        queue=None,
        leftovers=None,
        startedAt=(here.snapshot.status.get("startedAt") if same_run else None) or timestamp(here.now),
        **kept,
    )


def _trigger(here: Pass) -> str:
    nonce = here.snapshot.annotations.get(RERUN, "")
    return f"rerun {nonce}" if nonce else "spec"


def _with_history(here: Pass, run: Run, status: dict[str, Any]) -> dict[str, Any]:
    """status.history: one entry per ended run, newest first, at most historyLimit."""
    limit = DEFAULT_HISTORY_LIMIT if run.spec.history_limit is None else run.spec.history_limit
    entry = {
        name: status[name] for name in ("specHash", "phase", "startedAt", "metric", "gate", "model", "revision") if status.get(name) is not None
    } | {"finishedAt": timestamp(here.now)}
    older = [item for item in here.snapshot.status.get("history") or () if item.get("specHash") != entry["specHash"]]
    already = next((item for item in here.snapshot.status.get("history") or () if item.get("specHash") == entry["specHash"]), None)
    if already is not None and {**already, "finishedAt": ""} == {**entry, "finishedAt": ""}:
        entry = dict(already)
    return {**status, "history": [entry, *older][:limit]}
