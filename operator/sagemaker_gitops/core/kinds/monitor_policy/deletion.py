"""Deleting a MonitorPolicy: stop the check that runs and take away the alarms and the dashboard, prove that nothing is left, let go.

Reports and metrics are history and stay. What stops a job and how long is waited is as for a TrainingRun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import reconciling, replace_summary
from sagemaker_gitops.core.kinds.model_endpoint.alarms import delete_alarm
from sagemaker_gitops.core.kinds.monitor_policy.dashboard import delete_dashboard
from sagemaker_gitops.core.kinds.monitor_policy.engine_plan import taking_away
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import schedule_name
from sagemaker_gitops.core.kinds.monitor_policy.facts import PolicyFacts
from sagemaker_gitops.core.kinds.monitor_policy.situation import CHANGING, Recorded
from sagemaker_gitops.core.kinds.training_run.deletion import plan_deletion as plan_jobs_deletion
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import After, Plan
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.core.tenancy import Bound


def is_at_stake(snapshot: Snapshot, found: bool) -> bool:
    """Whether a deletion stops a check, or takes alarms and a dashboard away."""
    return snapshot.spec.get("deletionPolicy") != "Retain"


def plan_deletion(snapshot: Snapshot, policy: str | None, facts: PolicyFacts, settings: Settings, now: datetime) -> Plan:
    """`facts.alarms` and `facts.dashboards` are those that AWS still has and that are ours."""
    lost = "effective" not in snapshot.status or _unrecorded(snapshot) or facts.engine is not None
    made = plan_jobs_deletion(snapshot, policy, facts.leftovers, settings, now, lost=lost)
    monitored, wait = _monitored(snapshot, facts, settings)
    shown = (*map(delete_alarm, sorted(facts.alarms or ())), *map(delete_dashboard, facts.dashboards))
    if not shown and not wait:
        return made
    waits = made.requeue if isinstance(made.requeue, After) else After(settings.absence_interval)
    if not wait:
        return replace(made, actions=(*made.actions, *shown), requeue=waits, finalizer=True)
    words = "deleting the schedule of SageMaker Model Monitor, then its job definitions; an execution under way is waited for"
    status = replace_summary(made.status, reconciling("Deleting", words), snapshot.generation, now)
    status |= {"phase": "Deleting", "observedGeneration": snapshot.generation, "deletion": {}}
    return replace(made, status=status, actions=(*made.actions, *shown, *monitored), requeue=After(wait), finalizer=True)


def _monitored(snapshot: Snapshot, facts: PolicyFacts, settings: Settings) -> tuple[tuple[Action, ...], float]:
    if facts.engine is None or not isinstance(facts.binding, Bound):
        return (), 0.0
    return taking_away(schedule_name(settings.install, facts.binding, snapshot.key), facts.engine)


def _unrecorded(snapshot: Snapshot) -> bool:
    """Whether the last thing that was asked of CloudWatch may still be on its way: its answer would stand in status."""
    spec, status, recorded = snapshot.spec, snapshot.status, Recorded(snapshot.status)
    asked = any(isinstance(alarm, Mapping) and alarm.get("createCloudWatchAlarm") is True for alarm in spec.get("alarms") or ())
    if CHANGING in (status.get("cloudWatchAlarms"), status.get("dashboard")):
        return True
    alarms = asked and bool(recorded.last) and not status.get("cloudWatchAlarms")
    shown = spec.get("dashboard") is True and any(item.get("metrics") for item in (recorded.last, *recorded.checks))
    return alarms or (shown and not status.get("dashboard"))
