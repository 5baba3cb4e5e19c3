"""The requests of a MonitorPolicy as far as files tell: what only the cluster and AWS know has the name of who knows it. Pure."""

from __future__ import annotations

from sagemaker_gitops.api.monitor_engine import MODEL_MONITOR
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.kinds.monitor_policy.attribution import explaining_actions
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import STEP as MONITOR
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import wanted_of
from sagemaker_gitops.core.kinds.monitor_policy.facts import Due, Place, Planned, Sight, Watched
from sagemaker_gitops.core.kinds.monitor_policy.publish import put_alarm, wanted_alarms
from sagemaker_gitops.core.kinds.monitor_policy.requests import attribution_jobs, creating_actions, job_name
from sagemaker_gitops.core.kinds.monitor_policy.situation import ATTRIBUTION, IN_PROGRESS, STEP, Pass, as_entry
from sagemaker_gitops.core.kinds.monitor_policy.windows import window_at

ENDPOINT, VARIANT, MODEL, JOB = "the-endpoint-of", "the-largest-variant", "the-model-that-serves-then", "the-newest-transform-job"


def stand_in(here: Pass) -> Planned:
    """A check of one window, with everything that the spec asks for to read."""
    target, baseline, truth = here.spec.target, here.spec.baseline, here.spec.ground_truth
    batch = target.batch_of is not None
    name = target.endpoint_name or (target.name if batch else f"{ENDPOINT}-{target.name}")
    watched = Watched(name, "" if batch else target.variant or VARIANT, MODEL, MODEL)
    due = Due(here.now, window_at(here.spec, here.now), "offline", job=JOB if batch else "")
    made = f"s3://baseline-of-model-package/{MODEL}/baseline.json"
    place = Place(baseline.s3_uri or made) if baseline is not None else None
    sight = Sight(f"s3://data-of/{name}/", ("the-files-of-the-window",), place, Place(truth.s3_uri) if truth is not None else None)
    return Planned(due, watched, sight, job_name(here, due, watched, place))


def preview(here: Pass, planned: Planned) -> tuple[tuple[str, Action], ...]:
    """(step, call): what one check takes, or the schedule of Model Monitor, and the alarms that CloudWatch gets."""
    entry = as_entry(planned.due, planned.watched, IN_PROGRESS)
    alarms = (put_alarm(here, name, settings) for name, settings in wanted_alarms(here, entry).items())
    if here.spec.engine == MODEL_MONITOR:
        wanted = wanted_of(here, planned.watched.endpoint)
        made: tuple[tuple[str, Action], ...] = tuple((MONITOR, action) for action in (*wanted.defining, wanted.create_schedule))
    else:
        jobs = attribution_jobs(here, planned.job_name).values()
        first = explaining_actions(here, planned, planned.due.window, jobs) if jobs else ()
        checking = creating_actions(here, planned, planned.due.window)
        made = (*((ATTRIBUTION, action) for action in first), *((STEP, action) for action in checking))
    return (
        *made,
        *(("alarms", request) for request in alarms),
    )
