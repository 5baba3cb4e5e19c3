"""Deleting a MonitorPolicy, decided without AWS: what is shown goes with the checks, the finalizer only after nothing of it is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveAlarm
from sagemaker_gitops.core.kinds.monitor_policy.deletion import plan_deletion
from sagemaker_gitops.core.kinds.monitor_policy.facts import PolicyFacts
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import After, Done, Plan
from sagemaker_gitops.core.resource import FINALIZER, Key, Snapshot
from sagemaker_gitops.core.tenancy import Unbound

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
SNAPSHOT = Snapshot(
    Key("MonitorPolicy", "team-a", "fees"), "u", "1", 1, deleting=True, finalizers=(FINALIZER,), status={"effective": {"x": "y"}}
)
NOTHING = PolicyFacts(Unbound())


def decided(facts: PolicyFacts, snapshot: Snapshot = SNAPSHOT, policy: str | None = None, after: float = 0.0) -> Plan:
    return plan_deletion(snapshot, policy, facts, Settings("test"), NOW + timedelta(seconds=after))


def calls(made: Plan) -> list[str]:
    return [action.operation for action in made.actions if isinstance(action, AwsRequest)]


def test_alarms_and_dashboard_are_deleted_and_looked_for_again() -> None:
    made = decided(replace(NOTHING, alarms={"b": LiveAlarm("OK"), "a": LiveAlarm("OK")}, dashboards=("fees",)))
    assert calls(made) == ["DeleteAlarms", "DeleteAlarms", "DeleteDashboards"]
    assert isinstance(made.requeue, After)
    assert made.finalizer


def test_nothing_left_lets_go() -> None:
    assert decided(NOTHING) == Plan(SNAPSHOT.status, Done(), finalizer=False)


def test_a_lost_status_waits_out_what_a_create_may_still_bring() -> None:
    """Nobody knows what was started: the quarantine counts from the first look."""
    lost = replace(SNAPSHOT, status={})
    first = decided(NOTHING, lost)
    assert isinstance(first.requeue, After)
    assert first.finalizer
    looked = replace(lost, status=first.status)
    assert decided(NOTHING, looked, after=Settings("test").create_quarantine - 1).finalizer
    assert not decided(NOTHING, looked, after=Settings("test").create_quarantine + 2).finalizer


def test_a_retained_policy_is_let_go_at_once() -> None:
    assert decided(NOTHING, policy="Retain") == Plan(SNAPSHOT.status, Done(), finalizer=False)
