"""plan(snapshot, spec, facts, now): what a TrainingRun needs next. Checks first (checks.py), then the step that is due.

Pure; the facts come from aws/kinds/training_run.py, the plan is carried out by runtime/reconciler.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from sagemaker_gitops.api.status import fitted
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.budget import BUDGET_EXHAUSTED, hold, pays
from sagemaker_gitops.core.conditions import reconciling, stalled
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.checks import CHECKS
from sagemaker_gitops.core.kinds.training_run.conclusion import conclude
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    Active,
    Failed,
    FailureClass,
    Foreign,
    Succeeded,
    TrainingRunFacts,
    Unknown,
    Unseen,
    Unstarted,
)
from sagemaker_gitops.core.kinds.training_run.requests import creating_actions, start_glue_job_run
from sagemaker_gitops.core.kinds.training_run.run import Attempt, Progress, Run, spec_hash, walk
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.situation import UNKNOWN_STATE_DELAY, Pass, build_run, name_conflict, tell, with_history
from sagemaker_gitops.core.plan import After, Done, OnEvent, Plan, Requeue
from sagemaker_gitops.core.resource import Snapshot


def plan(snapshot: Snapshot, spec: TrainingRunSpec, facts: TrainingRunFacts, settings: Settings, now: datetime) -> Plan:
    """The decision for an object that is not being deleted (deletion.py decides for one that is), its status within bounds."""
    here = Pass(snapshot, spec, facts, settings, now)
    decided = _within_budget(here, _decide(here))
    # No event tells that a late create will not come any more.
    waits = decided.status.get("leftovers") and not isinstance(decided.requeue, After)
    requeue = After(settings.create_quarantine) if waits else decided.requeue
    return replace(decided, status=fitted(decided.status), requeue=requeue)


def _decide(here: Pass) -> Plan:
    for check in CHECKS:
        answer = check(here)
        if answer is not None:
            return answer
    return _advance(here, build_run(here))


def _within_budget(here: Pass, decided: Plan) -> Plan:
    """A step that costs money waits while the Tenant's month is spent; inputs of a run that has not begun are not pinned yet."""
    held = hold(here.facts.binding, here.facts.spend, here.now) if pays(decided.actions) else None
    if held is None:
        return decided
    run, summary = build_run(here), reconciling(BUDGET_EXHAUSTED, held.message)
    if here.snapshot.status.get("specHash") != spec_hash(run.spec, run.source, run.nonce):
        return Plan(here.say("Queued", summary, queue=None), After(held.seconds), finalizer=here.snapshot.has_finalizer)
    progress = walk(run, here.facts.jobs, said.recorded_steps(here.snapshot.status))
    return Plan(tell(here, run, progress, "Queued", summary), After(held.seconds))


def _advance(here: Pass, run: Run) -> Plan:
    progress = walk(run, here.facts.jobs, said.recorded_steps(here.snapshot.status))
    assert progress.needs is None, "observe has looked at every name that the walk came to"
    if progress.current is None:
        return conclude(here, run, progress)
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
            return Plan(tell(here, run, progress, "Failed", name_conflict(attempt.aws_name, fact)), Done())
        case Succeeded():
            raise AssertionError("walk leaves no succeeded step as the current one")
        case _:
            assert_never(fact)


def _start(here: Pass, run: Run, progress: Progress, attempt: Attempt, actions: tuple[Action, ...]) -> Plan:
    message = f"{attempt.step.name}: {attempt.aws_name}"
    status = tell(here, run, progress, "Running", reconciling("Running", message), creating=True)
    return Plan(status, OnEvent(), actions)


def _start_glue_run(here: Pass, run: Run, progress: Progress, attempt: Attempt, fact: Unstarted) -> Plan:
    """StartJobRun has no idempotency key: never again before the quarantine has passed since the last attempt and the job's creation."""
    entry: Mapping[str, Any] = next((step for step in here.snapshot.status.get("steps", ()) if step.get("awsName") == attempt.aws_name), {})
    attempted = said.moment(entry.get("attemptedAt")) or fact.created
    safe = max(attempted, fact.created) + timedelta(seconds=here.settings.glue_quarantine)
    if here.now < safe:
        return _running(here, run, progress, After((safe - here.now).total_seconds()))
    return _start(here, run, progress, attempt, (start_glue_job_run(run, attempt),))


def _running(here: Pass, run: Run, progress: Progress, requeue: Requeue) -> Plan:
    assert progress.current is not None
    attempt = progress.current[0]
    return Plan(tell(here, run, progress, "Running", reconciling("Running", f"{attempt.step.name}: {attempt.aws_name}")), requeue)


def _failed(here: Pass, run: Run, progress: Progress, attempt: Attempt, fact: Failed) -> Plan:
    phase = "Stopped" if fact.failure is FailureClass.STOPPED else "Failed"
    message = f"{attempt.step.name} ({attempt.aws_name}): {fact.reason}"
    status = tell(here, run, progress, phase, stalled(str(fact.failure), message), failure=said.failure_entry(attempt, fact))
    return Plan(with_history(here, run, status), Done())
