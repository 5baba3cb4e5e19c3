"""Batch jobs of a ModelEndpoint: one at a time, never twice for the same data and model, whatever asked for them. Pure.

Their state goes beside that of the endpoint: a batch that fails says so in BatchFailed and leaves Ready to what serves. Without
variants there is nothing else, and Ready speaks of the last job. docs/decisions/0009 has the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, assert_never

from sagemaker_gitops.api.batch_status import BATCH_HISTORY_LIMIT
from sagemaker_gitops.core.actions import Action, AwsRequest, creating
from sagemaker_gitops.core.budget import BUDGET_EXHAUSTED
from sagemaker_gitops.core.conditions import Condition, bounded, merge, ready, reconciling, stalled, timestamp
from sagemaker_gitops.core.kinds.model_endpoint.effective import BATCH
from sagemaker_gitops.core.kinds.model_endpoint.facts import BatchFact, BatchJob, Due, Refusal
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_models, delete_model
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.model_endpoint.transform import create_transform_job, output_of, settings_digest
from sagemaker_gitops.core.kinds.model_endpoint.triggers import (
    CELL,
    FAILED,
    IN_PROGRESS,
    REFUSED,
    STOPPED,
    SUCCEEDED,
    asked_of,
    recorded_of,
    schedule_words,
)
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    Active,
    Failed,
    FailureClass,
    Foreign,
    JobFact,
    JobType,
    Succeeded,
    Unknown,
    Unseen,
    Unstarted,
)
from sagemaker_gitops.core.kinds.training_run.requests import stop_action
from sagemaker_gitops.core.kinds.training_run.status import ARN_PATHS, CONSOLE, LOG_LINE_LIMIT, LOG_TAIL_LINES, partition
from sagemaker_gitops.core.plan import After, OnEvent, Plan, Requeue
from sagemaker_gitops.core.resource import RERUN
from sagemaker_gitops.core.schedule import following
from sagemaker_gitops.core.tenancy import Bound

WAIT_FOR_INPUT = 300.0
UNKNOWN_STATE_DELAY = 300.0
STOPPING_DELAY = 30.0
BATCH_FAILED = "BatchFailed"
_JOB_FIELDS = (
    "jobName",
    "arn",
    "consoleUrl",
    "attempt",
    "model",
    "modelName",
    "inputDigest",
    "trigger",
    "attemptedAt",
    "startedAt",
    "finishedAt",
    "output",
    "failure",
    "message",
    "state",
)
_PAST_FIELDS = ("jobName", "model", "modelName", "state", "trigger", "startedAt", "finishedAt", "output", "message")


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of the batch in this pass: status.batch, None where there is none, calls, and when to look again."""

    entry: Mapping[str, Any] | None
    actions: tuple[Action, ...] = ()
    requeue: Requeue = field(default_factory=OnEvent)
    held: str = ""  # why a job that is due is not started: the Tenant's month is spent

    @property
    def state(self) -> str:
        return str((self.entry or {}).get("state") or "")


def advance(here: Pass) -> Step:
    """Without facts (no Tenant, or the fence holds) status stays as it is."""
    fact, before = here.facts.batch, recorded_of(here.snapshot.status)
    if here.spec.batch is None:
        return _removed(here, fact)
    if fact is None:
        return Step(before.fields or None)
    entry = _heard(here, dict(before.fields))
    if fact.running is not None and isinstance(fact.running, Active | Unknown):
        return _running(entry, fact.running)
    if fact.running is not None:
        entry = _ended(entry, fact.running)
    if fact.other:
        return _running(_entry_of(here, entry, fact.other), Active())
    if fact.problem:
        return Step(entry | {"message": bounded(fact.problem)}, requeue=After(WAIT_FOR_INPUT))
    if fact.refusal is not None and fact.job is None:
        return _refused(here, entry, fact.refusal)
    if fact.findings:
        return Step(entry | _failure("InvalidRequest", "; ".join(map(str, fact.findings))), requeue=OnEvent())
    if fact.job is None or fact.due is None or fact.found is None:
        return Step(entry, requeue=_late(here) if isinstance(fact.running, Absent) else _until_next(here))
    return _due(here, entry, fact, fact.job, fact.due, fact.found)


def postponed(here: Pass, made: Plan, step: Step) -> Step:
    """A job that is started announces the status of the whole plan: it waits for the next pass while that status tells of deletions that
    are still to be made, which a refusal would leave forgotten.
    """
    deletes = any(isinstance(action, AwsRequest) and action.operation.startswith("Delete") for action in made.actions)
    if not deletes or not creating(step.actions):
        return step
    return replace(step, entry=recorded_of(here.snapshot.status).fields, actions=(), requeue=After(0.0))


def joined(here: Pass, made: Plan, step: Step) -> Plan:
    """The endpoint's plan with the batch in it: the status says both, calls follow each other, the earlier look counts."""
    if step.entry is None and BATCH not in made.status:
        return made
    status = {name: value for name, value in made.status.items() if name != BATCH} | ({BATCH: step.entry} if step.entry else {})
    told = _condition(here, step)
    if told is not None:
        kept = [
            Condition(item["type"], item["status"], item["reason"], item.get("message", ""))
            for item in made.status.get("conditions", ())
            if item["type"] != BATCH_FAILED
        ]
        before = list(here.snapshot.status.get("conditions") or ())
        status["conditions"] = merge(before, [*kept, told], here.snapshot.generation, here.now)
    finalizer = made.finalizer or bool(step.actions) or step.state == IN_PROGRESS
    return Plan(status, _earlier(made.requeue, step.requeue), (*made.actions, *step.actions), finalizer)


def alone(here: Pass, step: Step) -> Plan:
    """The summary of an object without variants: Ready means that the last job ended well, or that none was due yet."""
    entry = step.entry or {}
    name, message = str(entry.get("jobName", "")), str(entry.get("message") or "")
    match step.state:
        case _ if step.held:
            phase, conditions = "Pending", reconciling(BUDGET_EXHAUSTED, step.held)
        case "InProgress":
            phase, conditions = "Transforming", reconciling("Transforming", name)
        case "Failed" | "Stopped" | "Refused":
            reason = str((entry.get("failure") or {}).get("reason", step.state))
            phase, conditions = "Failed", stalled(reason, message)
        case "Succeeded":
            phase, conditions = "Succeeded", ready("Succeeded", f"{name} has ended well")
        case _ if here.facts.batch is not None and here.facts.batch.problem:
            phase, conditions = "Pending", reconciling("InputMissing", message)
        case _:
            phase, conditions = "Scheduled", ready("Scheduled", f"the first job is due at {entry.get('nextRun', 'the next trigger')}")
    return Plan(
        here.say(phase, conditions, effective=build_serving(here).effective.as_status(here.snapshot.key)), OnEvent(), finalizer=_had(here)
    )


def in_use(here: Pass) -> frozenset[str]:
    """SageMaker models that must not be deleted: a job runs on them."""
    before, fact = recorded_of(here.snapshot.status), here.facts.batch
    over = fact is not None and isinstance(fact.running, Succeeded | Failed)
    return frozenset([str(before.fields.get("modelName"))] if before.unfinished and not over else [])


def _had(here: Pass) -> bool:
    return here.snapshot.has_finalizer


def _removed(here: Pass, fact: BatchFact | None) -> Step:
    """batch was taken out of the spec: what runs is stopped, results stay."""
    before = recorded_of(here.snapshot.status)
    if not before.unfinished or fact is None or not isinstance(fact.running, Active | Unknown):
        return Step(before.fields if fact is None and before.unfinished else None)
    stopping = isinstance(fact.running, Unknown) or fact.running.stopping
    stop = () if stopping else (stop_action(JobType.TRANSFORM_JOB, before.job_name, ""),)
    return Step(before.fields, stop, After(STOPPING_DELAY))


def _running(entry: Mapping[str, Any], fact: Active | Unknown) -> Step:
    started = fact.started if isinstance(fact, Active) else None
    fields: dict[str, Any] = {"state": IN_PROGRESS, "failure": None} | ({"startedAt": timestamp(started)} if started is not None else {})
    return Step(_kept({**entry, **fields}), requeue=OnEvent() if isinstance(fact, Active) else After(UNKNOWN_STATE_DELAY))


def _ended(entry: dict[str, Any], fact: JobFact) -> dict[str, Any]:
    """The recorded job is over, or was never made (then the same name is asked for again)."""
    match fact:
        case Succeeded():
            told: dict[str, Any] = {"state": SUCCEEDED, "failure": None, "message": None}
        case Failed():
            told = _failed_fields(fact)
        case Foreign():
            told = _failure("NameConflict", f"{entry.get('jobName')} exists and belongs to {fact.owner}: nothing is done with it")
        case Active() | Unknown() | Absent() | Unseen() | Unstarted():
            return entry
        case _:
            assert_never(fact)
    if isinstance(fact, Succeeded | Failed):
        times = {"startedAt": fact.started, "finishedAt": fact.finished}
        told |= {name: timestamp(value) for name, value in times.items() if value is not None}
    ended = _kept(entry | told)
    past = {name: ended[name] for name in _PAST_FIELDS if name in ended}
    older = [item for item in entry.get("history") or () if isinstance(item, Mapping) and item.get("jobName") != past.get("jobName")]
    return ended | {"history": [past, *older][:BATCH_HISTORY_LIMIT]}


def _due(here: Pass, entry: dict[str, Any], fact: BatchFact, job: BatchJob, due: Due, found: JobFact) -> Step:
    heeded = _heeded(here, entry, job, due)
    if isinstance(found, Absent | Unseen | Unstarted):
        if fact.refusal is not None:
            return _refused(here, _entry_of(here, heeded, job.name, job, due), fact.refusal, REFUSED)
        started = _entry_of(here, heeded, job.name, job, due) | {"attemptedAt": timestamp(here.now)}
        return Step(_kept(started | {"state": IN_PROGRESS, "message": due.missed}), _creating(here, entry, job))
    if job.name == entry.get("jobName") and isinstance(found, Succeeded | Failed):
        again = "not tried again" if isinstance(found, Failed) else "nothing new since"
        why = f": {(entry.get('failure') or {}).get('message', '')}" if isinstance(found, Failed) else ""
        kept = _ended(heeded, found) | {"message": bounded(f"{due.trigger}: {again} {job.name}, the same data and model{why}")}
        return Step(kept, requeue=_until_next(here))
    taken = _entry_of(here, heeded, job.name, job, due)
    if isinstance(found, Active | Unknown):
        return _running(taken, found)
    kept = _ended(taken, found)
    return Step(kept, requeue=_until_next(here))


def _refused(here: Pass, entry: dict[str, Any], refusal: Refusal, state: str | None = None) -> Step:
    """AWS does not let it start, or be prepared; an intent that was recorded stays one."""
    unfinished = REFUSED if recorded_of(here.snapshot.status).unfinished else FAILED
    told = _failure(refusal.code, refusal.message) | {"state": state or unfinished}
    return Step(entry | told, requeue=After(max(0.0, (refusal.until - here.now).total_seconds())))


def _creating(here: Pass, entry: Mapping[str, Any], job: BatchJob) -> tuple[Action, ...]:
    """Without variants the model is made for the job, and the one before it is no longer needed."""
    create = create_transform_job(here, job)
    if here.spec.variants:
        return (create,)
    before = entry.get("modelName")
    outdated = (delete_model(str(before)),) if before and before != job.asked.aws_name else ()
    return (*create_models(build_serving(here)), create, *outdated)


def _entry_of(here: Pass, entry: Mapping[str, Any], name: str, job: BatchJob | None = None, due: Due | None = None) -> dict[str, Any]:
    """status.batch for another job: what was heeded stays, the job before it goes into history when it ended."""
    assert isinstance(here.facts.binding, Bound)
    tenant, before = here.facts.binding.spec, entry if entry.get("jobName") == name else {}
    made: dict[str, Any] = {field: value for field, value in entry.items() if field not in _JOB_FIELDS}
    place = f"arn:{partition(tenant.region)}:sagemaker:{tenant.region}:{tenant.account}:{ARN_PATHS[JobType.TRANSFORM_JOB]}/{name}"
    made |= {
        "jobName": name,
        "arn": place,
        "consoleUrl": f"https://{tenant.region}.console.aws.amazon.com/" + CONSOLE[JobType.TRANSFORM_JOB].format(r=tenant.region, n=name),
        "output": output_of(here, name),
        "trigger": due.trigger if due else before.get("trigger"),
        "attemptedAt": before.get("attemptedAt"),
    }
    if job is not None:
        asked = job.asked
        made |= {"attempt": job.attempt, "model": asked.label, "modelName": asked.aws_name, "inputDigest": job.input_digest}
    return _kept(made)


def _heard(here: Pass, entry: dict[str, Any]) -> dict[str, Any]:
    """What this pass learned whatever comes of it: the model that serves, and the schedule, which counts from when it was first seen."""
    batch, asked = here.spec.batch, asked_of(here)
    assert batch is not None
    if asked is not None and here.spec.variants:
        seen = {"model": asked.label, "awsName": asked.aws_name, "digest": asked.digest, "variant": batch.variant}
        entry["serving"] = _kept(seen)
    words = schedule_words(batch)
    if words is None:
        return _kept(entry | {"schedule": None, "lastScheduled": None, "nextRun": None})
    if words != entry.get("schedule") or "lastScheduled" not in entry:
        entry |= {"schedule": words, "lastScheduled": timestamp(here.now)}
    return entry | {"nextRun": _next_run(here)}


def _heeded(here: Pass, entry: Mapping[str, Any], job: BatchJob, due: Due) -> dict[str, Any]:
    """Everything that has happened up to now is answered by this one job."""
    heeded = {
        "lastModel": job.asked.digest,
        "lastSettings": settings_digest(here),
        "lastHandledRerun": bounded(here.snapshot.annotations.get(RERUN, ""), CELL) or None,
        "lastScheduled": timestamp(due.moment) if due.moment is not None else entry.get("lastScheduled"),
    }
    return _kept({**entry, **heeded})


def _failed_fields(fact: Failed) -> dict[str, Any]:
    state = STOPPED if fact.failure is FailureClass.STOPPED else FAILED
    tail = [line[:LOG_LINE_LIMIT] for line in fact.log_tail[-LOG_TAIL_LINES:]]
    told = _failure(str(fact.failure), fact.reason)
    return told | {"state": state, "failure": told["failure"] | ({"logTail": tail} if tail else {})}


def _failure(reason: str, message: str) -> dict[str, Any]:
    return {"state": FAILED, "message": bounded(message), "failure": {"reason": reason, "message": bounded(message)}}


def _condition(here: Pass, step: Step) -> Condition | None:
    """BatchFailed: of the last job that ended; while the next one runs it stays as it was."""
    entry = step.entry or {}
    if here.spec.batch is None:
        return None
    if step.state in (FAILED, STOPPED, REFUSED):
        failure = entry.get("failure") or {}
        reason = str(failure.get("reason", step.state))
        return Condition(BATCH_FAILED, "True", reason, f"{entry.get('jobName', '')}: {failure.get('message', '')}")
    if step.state == SUCCEEDED:
        return Condition(BATCH_FAILED, "False", SUCCEEDED, str(entry.get("jobName", "")))
    before = next((item for item in here.snapshot.status.get("conditions") or () if item.get("type") == BATCH_FAILED), None)
    return Condition(BATCH_FAILED, before["status"], before["reason"], before.get("message", "")) if before is not None else None


def _next_run(here: Pass) -> str | None:
    assert here.spec.batch is not None
    moment = following(here.spec.batch.schedule, here.now) if here.spec.batch.schedule is not None else None
    return timestamp(moment) if moment is not None else None


def _late(here: Pass) -> Requeue:
    """A create whose answer was lost may still arrive: until then no other job takes its place."""
    attempted = recorded_of(here.snapshot.status).moment("attemptedAt")
    if attempted is None:
        return OnEvent()
    left = attempted + timedelta(seconds=here.settings.create_quarantine) - here.now
    return After(max(1.0, left / timedelta(seconds=1)))


def _until_next(here: Pass) -> Requeue:
    assert here.spec.batch is not None
    moment = following(here.spec.batch.schedule, here.now) if here.spec.batch.schedule is not None else None
    return After((moment - here.now) / timedelta(seconds=1)) if moment is not None else OnEvent()


def _earlier(first: Requeue, second: Requeue) -> Requeue:
    delays = [requeue for requeue in (first, second) if isinstance(requeue, After)]
    return min(delays, key=lambda requeue: requeue.seconds) if delays else OnEvent()


def _kept(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value is not None}
