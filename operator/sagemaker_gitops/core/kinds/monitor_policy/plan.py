"""plan(here): what a MonitorPolicy needs next. Checks first (checks.py), then the check under way, then the one that is due.

Pure; the facts come from aws/kinds/monitor_policy.py, the plan is carried out by runtime/reconciler.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never

from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.budget import BUDGET_EXHAUSTED, hold, pays
from sagemaker_gitops.core.conditions import bounded, moment, reconciling, stalled, suspended, timestamp
from sagemaker_gitops.core.kinds.monitor_policy.alarms import is_edited, judged
from sagemaker_gitops.core.kinds.monitor_policy.attribution import explaining_actions
from sagemaker_gitops.core.kinds.monitor_policy.baseline import used_baseline
from sagemaker_gitops.core.kinds.monitor_policy.checks import CHECKS
from sagemaker_gitops.core.kinds.monitor_policy.cloudwatch import in_line
from sagemaker_gitops.core.kinds.monitor_policy.dashboard import dashboard
from sagemaker_gitops.core.kinds.monitor_policy.engine_plan import leaving, looking, owns, still_there, told, upkeep, uses_model_monitor
from sagemaker_gitops.core.kinds.monitor_policy.engine_report import heeded
from sagemaker_gitops.core.kinds.monitor_policy.facts import Due, NotReady, Planned, Unfit, Watched, Window
from sagemaker_gitops.core.kinds.monitor_policy.outcome import columns, ended, failed, nothing_captured, refused, summary
from sagemaker_gitops.core.kinds.monitor_policy.publish import put_metric_data
from sagemaker_gitops.core.kinds.monitor_policy.requests import creating_actions, output_of
from sagemaker_gitops.core.kinds.monitor_policy.retrain import UNHEEDED_DELAY, decide, followed, pursued, retrains_cell, unheeded, unpursued
from sagemaker_gitops.core.kinds.monitor_policy.situation import (
    ATTRIBUTION_JOBS,
    CHANGING,
    IN_PROGRESS,
    NO_DATA,
    SUCCEEDED,
    Pass,
    as_entry,
    kept,
)
from sagemaker_gitops.core.kinds.monitor_policy.windows import counted_from, next_run, schedule_words, until_next
from sagemaker_gitops.core.kinds.training_run.facts import Absent, Active, Failed, Foreign, JobType, Succeeded, Unknown, Unseen, Unstarted
from sagemaker_gitops.core.kinds.training_run.status import ARN_PATHS, CONSOLE, partition
from sagemaker_gitops.core.plan import After, OnEvent, Plan, Requeue

JUDGED = (SUCCEEDED, NO_DATA)  # a check that failed says nothing, as a period without data does
NOT_READY_DELAY = 60.0
UNFIT_DELAY = 300.0  # nobody tells of an endpoint that is not ours
UNKNOWN_STATE_DELAY = 300.0
AT_ONCE = 1.0
SECOND = timedelta(seconds=1)

Fields = dict[str, Any]


def plan(here: Pass) -> Plan:
    """The decision for an object that is not being deleted (training_run/deletion.py decides for one that is)."""
    decided = _decide(here)
    held = hold(here.facts.binding, here.facts.spend, here.now) if pays(decided.actions) else None
    if held is None:
        return decided
    # The moment stays due: nothing of it is recorded as heeded.
    said = here.keeping(*reconciling(BUDGET_EXHAUSTED, held.message))
    return _idle(here, here.say("Pending", said, **_heard(here)), After(held.seconds))


def _decide(here: Pass) -> Plan:
    for check in CHECKS:
        answer = check(here)
        if answer is not None:
            return answer
    recorded, facts = here.recorded, here.facts
    if recorded.running:
        return _under_way(here)
    held = _by_model_monitor(here) if uses_model_monitor(here) else leaving(here, _heard(here))
    if held is not None:
        return held
    if here.spec.suspend:
        said = suspended("Suspended", "spec.suspend is true: no check is started")
        wait = UNHEEDED_DELAY if unheeded(here) else None
        return _idle(here, here.say("Suspended", here.keeping(*said), **_heard(here)), _earlier(OnEvent(), wait))
    if isinstance(facts.target, Unfit):
        message = f"{facts.target.path}: {facts.target.message}"
        requeue: Requeue = After(UNFIT_DELAY) if here.spec.target.endpoint_name is not None else OnEvent()
        return _idle(here, here.say("Invalid", here.keeping(*stalled("InvalidTarget", message)), **_heard(here)), requeue)
    if isinstance(facts.target, NotReady):
        said = reconciling("DependencyNotReady", facts.target.message)
        return _idle(here, here.say("Pending", here.keeping(*said), **_heard(here)), After(NOT_READY_DELAY))
    if isinstance(facts.completions, NotReady) and facts.planned is None:
        said = reconciling("DependencyNotReady", facts.completions.message)
        return _idle(here, here.say("Pending", here.keeping(*said), **_heard(here)), After(NOT_READY_DELAY))
    if facts.planned is None:
        return _waiting(here, _heard(here))
    return _due(here, facts.planned)


def _by_model_monitor(here: Pass) -> Plan | None:
    """The schedule first, then its executions, oldest first; None when there is nothing to do about either."""
    heard = _heard(here)
    held = upkeep(here, heard)
    target, seen = here.facts.target, here.facts.engine
    if held is not None or seen is None or seen.execution is None or not isinstance(target, Watched):
        return held
    made = _over(here, heard | {"lastScheduled": timestamp(seen.execution.scheduled)}, heeded(here, target, seen.execution))
    return replace(made, finalizer=True)


def _waiting(here: Pass, fields: Mapping[str, Any]) -> Plan:
    """No check is due: an open breach is followed up, and CloudWatch's alarms and dashboard are brought in line. By a threshold that was
    edited the last check is judged again, first of all.
    """
    last = here.recorded.last
    if is_edited(here) and last.get("state") in JUDGED:
        whole = {**fields, **_verdict(here, last, judged(here, last))}
        phase, conditions = summary(here, whole)
        return _idle(here, here.say(phase, here.keeping(*conditions), **whole), After(AT_ONCE))
    episode = pursued(here)
    made = decide(here, episode) if episode is not None else unpursued(here)
    whole = {**fields, **made.fields}
    actions = list[Action]()
    for bring in (in_line, dashboard):
        calls, told = bring(here)
        actions += calls
        whole |= told
    wait = AT_ONCE if CHANGING in (whole.get("cloudWatchAlarms"), whole.get("dashboard")) else made.wait
    if here.facts.retrains is not None and episode is not None:
        whole["retrains"] = retrains_cell(here, made.fields.get("episode") or episode)
    phase, conditions = summary(here, whole)
    return Plan(
        here.say(phase, here.keeping(*conditions), **whole),
        _earlier(_earlier(until_next(here), wait), looking(here)),
        (*made.actions, *actions),
        finalizer=here.snapshot.has_finalizer or bool(actions) or owns(here),
    )


def _earlier(requeue: Requeue, wait: float | None) -> Requeue:
    if wait is None:
        return requeue
    return After(min(wait, requeue.seconds)) if isinstance(requeue, After) else After(wait)


def _idle(here: Pass, status: Mapping[str, Any], requeue: Requeue) -> Plan:
    return Plan(status, requeue, finalizer=here.snapshot.has_finalizer or owns(here))


def _under_way(here: Pass) -> Plan:
    """The job that status calls in progress: what has become of it."""
    entry, fact, heard = dict(here.recorded.running), here.facts.running, _heard(here)
    match fact:
        case Active() | Unknown() | None:
            started = {"startedAt": timestamp(fact.started)} if isinstance(fact, Active) and fact.started is not None else {}
            requeue: Requeue = After(UNKNOWN_STATE_DELAY) if isinstance(fact, Unknown) else OnEvent()
            return _told(here, heard | {"running": entry | started}, requeue)
        case Absent() | Unseen() | Unstarted():
            return _again(here, heard, entry)
        case Succeeded():
            return _over(here, heard, ended(here, entry, fact))
        case Failed():
            return _over(here, heard, failed(here, entry, fact))
        case Foreign():
            message = f"{entry.get('jobName')} exists and belongs to {fact.owner}: nothing is done with it"
            return _over(here, heard, refused(here, entry, "NameConflict", message))
        case _:
            assert_never(fact)


def _again(here: Pass, heard: Fields, entry: Fields) -> Plan:
    """The intent was recorded and nothing came of it: the same name is asked for again, which nobody can pay for twice."""
    if here.facts.refusal is not None:
        return _over(here, heard, refused(here, entry, here.facts.refusal.code, here.facts.refusal.message))
    if here.facts.planned is None:
        if (left := _may_appear(here, entry)) > 0:
            return _told(here, heard | {"running": entry}, After(min(left, NOT_READY_DELAY)))
        message = f"{entry.get('jobName')} was never made, and what it would have looked at is gone"
        return _over(here, heard, refused(here, entry, "Superseded", message))
    if not here.facts.planned.sight.capture:
        return _over(here, heard, nothing_captured(here, entry))
    return _create(here, heard, entry, here.facts.planned)


def _may_appear(here: Pass, entry: Fields) -> float:
    """Seconds for which AWS may not show a job that it has accepted; 0 when only jobs that explain were asked for."""
    attempted = moment(entry.get("attemptedAt"))
    if attempted is None or entry.get(ATTRIBUTION_JOBS):
        return 0.0
    return (attempted + timedelta(seconds=here.settings.create_quarantine) - here.now).total_seconds()


def _due(here: Pass, planned: Planned) -> Plan:
    """A check is to be made, unless AWS has its job already."""
    heard = _heard(here) | _heeded(here, planned.due) | {"baseline": used_baseline(here, planned)}
    entry = as_entry(planned.due, planned.watched, IN_PROGRESS) | ({"message": planned.due.missed} if planned.due.missed else {})
    found = here.facts.found
    if here.facts.refusal is not None:
        return _over(here, heard, refused(here, entry | _job(here, planned), here.facts.refusal.code, here.facts.refusal.message))
    if isinstance(found, Absent | Unseen | Unstarted | None):
        if not planned.sight.capture:
            return _over(here, heard, nothing_captured(here, entry))
        return _create(here, heard, entry | _job(here, planned), planned)
    adopted = replace(here, snapshot=replace(here.snapshot, status={**here.snapshot.status, "running": entry | _job(here, planned)}))
    return _with(heard, _under_way(replace(adopted, facts=replace(here.facts, running=found))))


def _with(heard: Mapping[str, Any], made: Plan) -> Plan:
    status = kept({**made.status, **{name: value for name, value in heard.items() if name.startswith("last") or name == "baseline"}})
    return replace(made, status=status)


def _create(here: Pass, heard: Fields, entry: Fields, planned: Planned) -> Plan:
    """Where a check has an image, the jobs that explain the window go first; the job of the check reads what they wrote."""
    entry = {name: value for name, value in entry.items() if name != ATTRIBUTION_JOBS}
    for item in planned.explaining:
        if isinstance(item.fact, Failed):
            reason = f"{item.job}, which explains {item.check}: {item.fact.reason}"
            return _over(here, heard, failed(here, entry, replace(item.fact, reason=reason)))
        if isinstance(item.fact, Foreign):
            message = f"{item.job} exists and belongs to {item.fact.owner}: nothing is done with it"
            return _over(here, heard, refused(here, entry, "NameConflict", message))
    waits = [item for item in planned.explaining if not isinstance(item.fact, Succeeded)]
    absent = [item.job for item in waits if isinstance(item.fact, Absent | Unseen | Unstarted)]
    seen, actions = _seen(here, planned), tuple[Action, ...]()
    if absent or not waits:
        actions = explaining_actions(here, planned, seen, absent) if absent else creating_actions(here, planned, seen)
        entry |= {"attemptedAt": timestamp(here.now)}
    entry |= {ATTRIBUTION_JOBS: [item.job for item in waits]} if waits else {}
    unknown = any(isinstance(item.fact, Unknown) for item in waits)
    return replace(_told(here, heard | {"running": entry}, After(UNKNOWN_STATE_DELAY) if unknown else OnEvent()), actions=actions)


def _told(here: Pass, fields: Mapping[str, Any], requeue: Requeue) -> Plan:
    """A check runs: until it has ended, what the last one found stays true."""
    phase, conditions = summary(here, fields)
    return Plan(here.say(phase, here.keeping(*conditions), **fields), requeue)


def _over(here: Pass, heard: Mapping[str, Any], fields: Mapping[str, Any]) -> Plan:
    """A check has ended; the next pass sees whether another one is due."""
    last: Mapping[str, Any] = fields["lastCheck"]
    alarms = judged(here, last) if last.get("state") in JUDGED else []
    whole = {**heard, **fields, **(_verdict(here, last, alarms) if last.get("state") in JUDGED else {}), "running": None}
    phase, conditions = summary(here, whole)
    actions = put_metric_data(here, last, alarms)
    return Plan(here.say(phase, here.keeping(*conditions), **whole), After(AT_ONCE), actions, finalizer=here.snapshot.has_finalizer)


def _verdict(here: Pass, last: Mapping[str, Any], alarms: list[dict[str, Any]]) -> Fields:
    return {"alarms": alarms or None, **columns(here, alarms), **followed(here, last, alarms)}


def _seen(here: Pass, planned: Planned) -> Window:
    """The window without what an earlier model answered, if it is known when the present one came."""
    window, since = planned.due.window, here.recorded.moment("modelSince")
    if planned.due.job:
        return window
    same = here.snapshot.status.get("modelKey") == planned.watched.key
    if not same and here.recorded.last and planned.watched.since is not None:
        return Window(min(max(window.start, planned.watched.since), window.end - SECOND), window.end)
    return Window(min(max(window.start, since), window.end - SECOND), window.end) if since and same else window


def _job(here: Pass, planned: Planned) -> Fields:
    tenant, name = here.bound.spec, planned.job_name
    type_ = JobType.PROCESSING_JOB
    return {
        "jobName": name,
        "arn": f"arn:{partition(tenant.region)}:sagemaker:{tenant.region}:{tenant.account}:{ARN_PATHS[type_]}/{name}",
        "consoleUrl": f"https://{tenant.region}.console.aws.amazon.com/" + CONSOLE[type_].format(r=tenant.region, n=name),
        "output": output_of(here, name),
    }


def _heeded(here: Pass, due: Due) -> Fields:
    nonce = {"lastHandledCheckNow": due.nonce} if due.nonce else {}
    nonce |= {"lastAfter": due.after} if due.after else {}
    return nonce | ({"lastScheduled": timestamp(due.heeds)} if due.heeds is not None else {})


def _heard(here: Pass) -> Fields:
    """What this pass learned whatever comes of it: what serves, and the schedule, which counts from when it was first seen."""
    status, target, spec = here.snapshot.status, here.facts.target, here.spec
    variant = spec.target.variant or (target.variant if isinstance(target, Watched) else None)
    fields: Fields = {
        "target": bounded("/".join(part for part in (spec.target.name, variant) if part), 128),
        "effective": here.effective.as_status(),
    }
    if uses_model_monitor(here):
        fields |= told(here)
    elif not still_there(here):
        fields |= {"monitoringSchedule": None, "jobDefinition": None}
    if isinstance(target, Watched):
        fields |= {"model": target.model, "modelKey": target.key}
        if status.get("modelKey") not in (None, target.key):
            # Within this second the model before may have answered, too.
            fields["modelSince"] = timestamp(target.since or here.now + SECOND)
    if spec.schedule is None or spec.schedule.after is None:
        fields["lastAfter"] = None
    words = schedule_words(spec)
    if words is None:
        return fields | {"schedule": None, "lastScheduled": None, "nextCheck": None}
    if words != status.get("schedule"):
        fields |= {"schedule": words, "lastScheduled": timestamp(counted_from(here))}
    moment = next_run(here) if not spec.suspend else None
    return fields | {"nextCheck": timestamp(moment) if moment is not None else None}
