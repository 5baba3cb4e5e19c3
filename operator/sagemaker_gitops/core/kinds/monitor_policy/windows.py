"""Which check of a MonitorPolicy is due, and which window it is about. Pure; both the observer and the plan go by it.

What was heeded stands in status. A status that was lost checks nothing twice: the name of the job says what was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.api.schedule import DEFAULT_TIME_ZONE, Schedule
from sagemaker_gitops.core.conditions import bounded, timestamp
from sagemaker_gitops.core.kinds.monitor_policy.facts import Completion, Due, Window
from sagemaker_gitops.core.kinds.monitor_policy.situation import AFTER_WORD, CELL, CHECK_NOW_WORD, Pass
from sagemaker_gitops.core.plan import After, OnEvent, Requeue
from sagemaker_gitops.core.resource import CHECK_NOW, Snapshot
from sagemaker_gitops.core.schedule import following, newest

DAY = 86_400  # seconds
SECOND = timedelta(seconds=1)
REMEMBERED = timedelta(days=31)  # a check that is older was one of another time


def schedule_words(spec: MonitorPolicySpec) -> str | None:
    """The schedule in one line: another one starts counting anew."""
    clock = clock_of(spec)
    return f"{clock.cron} {clock.time_zone or DEFAULT_TIME_ZONE}" if clock is not None else None


def clock_of(spec: MonitorPolicySpec) -> Schedule | None:
    """The moments of the schedule; None where there is none, or where something else decides."""
    return spec.schedule.clock if spec.schedule is not None else None


def nonce_of(snapshot: Snapshot) -> str:
    """What the annotation check-now says."""
    return bounded(snapshot.annotations.get(CHECK_NOW, ""), CELL - len(CHECK_NOW_WORD))


def window_at(spec: MonitorPolicySpec, moment: datetime) -> Window:
    """What is looked at then: records whose truth has had the time that it takes to come."""
    delay = (spec.ground_truth.max_delay or 0) if spec.ground_truth is not None else 0
    end = moment.replace(microsecond=0) - timedelta(seconds=delay)
    return Window(end - timedelta(seconds=spec.window or DAY), end)


def window_of(job: Completion) -> Window:
    """When a transform job ran, whose whole output is looked at."""
    return Window(min(job.started or job.moment, job.moment - SECOND), job.moment)


def due_of(here: Pass) -> Due | None:
    """The check that is to be made now, besides the one that runs. Of the moments that have passed, the newest."""
    spec, nonce = here.spec, nonce_of(here.snapshot)
    newest_job = newest_of(here) if spec.target.batch_of is not None else None
    if nonce and here.snapshot.status.get("lastHandledCheckNow") != nonce:
        if newest_job is not None:
            return Due(here.now, window_of(newest_job), f"{CHECK_NOW_WORD}{nonce}", nonce, job=newest_job.job)
        return Due(here.now, _not_again(here, window_at(spec, here.now)), f"{CHECK_NOW_WORD}{nonce}", nonce)
    if (completion := unheeded(here)) is not None:
        if newest_job is not None:
            window = window_of(completion)
            return Due(completion.moment, window, f"{AFTER_WORD}{completion.name}", after=completion.name, job=completion.job)
        moment = min(completion.moment, here.now)
        return Due(moment, window_at(spec, moment), f"{AFTER_WORD}{completion.name}", after=completion.name)
    clock = clock_of(spec)
    if clock is None:
        return None
    since = counted_from(here)
    passed = newest(clock, since, here.now)
    if passed is None:
        return None
    trigger = f"schedule {timestamp(passed.moment)}"
    return Due(passed.moment, window_at(spec, passed.moment), trigger, missed=passed.words, heeds=passed.moment)


def _not_again(here: Pass, window: Window) -> Window:
    """Who asks several times within a second gets the windows of the next ones: none is checked twice."""
    found = (item.get("window") for item in (here.recorded.last, *here.recorded.checks))
    ended = {item.get("end") for item in found if isinstance(item, Mapping)}
    while timestamp(window.end) in ended:
        window = Window(window.start + SECOND, window.end + SECOND)
    return window


def newest_of(here: Pass) -> Completion | None:
    found = here.facts.completions
    return found[0] if isinstance(found, tuple) and found else None


def unheeded(here: Pass) -> Completion | None:
    """The completion that is checked next: the one after that which was heeded last, or the newest where none was or it is forgotten.
    A status that was lost takes the newest, whose check has its name.
    """
    found = here.facts.completions
    if not isinstance(found, tuple) or here.spec.schedule is None or here.spec.schedule.after is None:
        return None
    names = [item.name for item in found]
    heeded = str(here.snapshot.status.get("lastAfter") or "")
    newer = names.index(heeded) if heeded in names else min(1, len(names))
    return found[newer - 1] if newer else None


def counted_from(here: Pass) -> datetime:
    """Moments of the schedule later than this are due. A schedule that is new counts from now on; after a lost status its newest moment
    is due again, so that its check is found.
    """
    clock, spec, status, recorded = clock_of(here.spec), here.spec, here.snapshot.status, here.recorded.moment("lastScheduled")
    if recorded is not None and status.get("schedule") == schedule_words(spec):
        return recorded
    lost = here.snapshot.has_finalizer and "schedule" not in status and "lastCheck" not in status
    passed = newest(clock, here.now - REMEMBERED, here.now) if lost and clock is not None else None
    return passed.moment - SECOND if passed is not None else here.now


def next_run(here: Pass) -> datetime | None:
    clock = clock_of(here.spec)
    return following(clock, here.now) if clock is not None else None


def until_next(here: Pass) -> Requeue:
    moment = next_run(here)
    return After((moment - here.now) / timedelta(seconds=1)) if moment is not None else OnEvent()
