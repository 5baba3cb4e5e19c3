"""Deleting a ModelEndpoint: Retain (the default) touches nothing; Delete removes endpoint, configs and models in the order AWS accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.model_endpoint import DEFAULT_ENDPOINT_DELETION_POLICY
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.conditions import reconciling, replace_summary, stalled, timestamp
from sagemaker_gitops.core.kinds.model_endpoint import scaling
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointFact, EndpointState, ForeignEndpoint, LiveEndpoint, NoEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.requests import delete_config, delete_endpoint, delete_model
from sagemaker_gitops.core.kinds.model_endpoint.smoke import DELETING_DELAY
from sagemaker_gitops.core.kinds.model_endpoint.triggers import recorded_of
from sagemaker_gitops.core.kinds.training_run.facts import Absent, Active, JobFact, JobType, Unknown
from sagemaker_gitops.core.kinds.training_run.requests import stop_action
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.plan import After, Done, Plan
from sagemaker_gitops.core.resource import Snapshot

BUSY_DELAY = 30.0
ROUNDING = 1.0  # times in status are whole seconds, cut off


@dataclass(frozen=True, slots=True)
class Remains:
    """What AWS still holds of the object: found by name and proven ours by tag. `attached` undoes what hangs on the endpoint; `stand` is
    the endpoint of a smoke test under way, `stand_config` its config, which nothing retains; `adopted`: somebody else made the endpoint;
    `jobs` are batch jobs that may run.
    """

    endpoint: EndpointFact = field(default_factory=NoEndpoint)
    attached: tuple[AwsRequest, ...] = ()
    configs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    stand: EndpointFact = field(default_factory=NoEndpoint)
    stand_name: str = ""
    stand_config: str = ""
    adopted: bool = False
    jobs: Mapping[str, JobFact] = field(default_factory=dict)


def retains(policy: str | None) -> bool:
    """A spec that no longer parses is treated as the default: production is not taken down for a typing mistake."""
    return (policy or DEFAULT_ENDPOINT_DELETION_POLICY) == "Retain"


def is_at_stake(snapshot: Snapshot, found: bool) -> bool:
    """Whether a deletion takes the endpoint away: only where its spec says so."""
    return snapshot.spec.get("deletionPolicy") == "Delete"


def plan_deletion(snapshot: Snapshot, policy: str | None, remains: Remains | None, name: str, settings: Settings, now: datetime) -> Plan:
    """`remains` is None when nothing has to be looked for."""
    if not snapshot.has_finalizer or remains is None:
        return Plan(snapshot.status, Done(), finalizer=False)
    stand, endpoint = remains.stand, remains.endpoint
    if isinstance(stand, LiveEndpoint):
        taken = () if stand.state is EndpointState.BUSY else (delete_endpoint(remains.stand_name),)
        return Plan(_say(snapshot, f"deleting {remains.stand_name}, where a smoke test was made", now), After(DELETING_DELAY), taken)
    if retains(policy):
        config = (delete_config(remains.stand_config),) if remains.stand_config else ()
        return Plan(snapshot.status, Done(), config, finalizer=False)
    working = _stop_jobs(snapshot, remains.jobs, settings, now)
    if working is not None:
        return working
    if isinstance(endpoint, ForeignEndpoint):
        status = replace_summary(
            snapshot.status, stalled("NameConflict", f"{name} belongs to {endpoint.owner}: it is left alone"), snapshot.generation, now
        )
        return Plan(status, Done(), finalizer=False)
    if isinstance(endpoint, LiveEndpoint) and remains.adopted:
        # Its live config, ours or not, cannot go either.
        status = replace_summary(snapshot.status, stalled("Adopted", f"{name} was adopted: it is left serving"), snapshot.generation, now)
        return Plan(status, Done(), remains.attached, finalizer=False)
    if isinstance(endpoint, LiveEndpoint):
        if endpoint.state is EndpointState.BUSY:
            return Plan(_say(snapshot, f"waiting: AWS refuses to delete {name} while it is {endpoint.raw}", now), After(BUSY_DELAY))
        return Plan(_say(snapshot, f"deleting {name}", now), After(BUSY_DELAY), (*remains.attached, delete_endpoint(name)))
    if remains.attached or remains.configs or remains.models:
        actions = (*remains.attached, *map(delete_config, remains.configs), *map(delete_model, remains.models))
        return Plan(_say(snapshot, "deleting endpoint configs and models", now), After(settings.absence_interval), actions)
    return _looked_twice(snapshot, settings, now)


def _looked_twice(snapshot: Snapshot, settings: Settings, now: datetime) -> Plan:
    """The finalizer goes when two looks agree that nothing is left."""
    absent_since = moment((snapshot.status.get("deletion") or {}).get("absentSince"))
    if absent_since is None:
        status = {**_say(snapshot, "nothing is left; looking once more", now), "deletion": {"absentSince": timestamp(now)}}
        return Plan(status, After(settings.absence_interval))
    left = (_believed_at(snapshot, absent_since, settings) - now).total_seconds()
    return Plan(snapshot.status, After(left)) if left > 0 else Plan(snapshot.status, Done(), finalizer=False)


def _believed_at(snapshot: Snapshot, absent_since: datetime, settings: Settings) -> datetime:
    """When absence is evidence: a create that was asked for, perhaps before status was lost, may still be on its way (A7)."""
    status = snapshot.status
    texts = [(status.get("update") or {}).get("attemptedAt"), status.get("alarmsAskedAt"), *scaling.asked(status).values()]
    attempted = max((at for at in map(moment, texts) if at is not None), default=absent_since)
    arrived = attempted + timedelta(seconds=settings.create_quarantine + ROUNDING)
    return max(absent_since + timedelta(seconds=settings.absence_interval + ROUNDING), arrived)


def _stop_jobs(snapshot: Snapshot, jobs: Mapping[str, JobFact], settings: Settings, now: datetime) -> Plan | None:
    """Batch jobs end before their model goes; one that was asked for and not seen may still arrive (failure-modes.md A7)."""
    active = {name: fact for name, fact in jobs.items() if isinstance(fact, Active | Unknown)}
    if active:
        going = (name for name, fact in sorted(active.items()) if isinstance(fact, Active) and not fact.stopping)
        stops = tuple(stop_action(JobType.TRANSFORM_JOB, name, "") for name in going)
        return Plan(_say(snapshot, f"stopping {', '.join(sorted(active))}", now), After(BUSY_DELAY), stops)
    attempted = recorded_of(snapshot.status).moment("attemptedAt")
    if attempted is None or not any(isinstance(fact, Absent) for fact in jobs.values()):
        return None
    left = (attempted + timedelta(seconds=settings.create_quarantine) - now).total_seconds()
    return Plan(_say(snapshot, "waiting until a late create can no longer arrive", now), After(left)) if left > 0 else None


def _say(snapshot: Snapshot, message: str, now: datetime) -> Mapping[str, Any]:
    status = replace_summary(snapshot.status, reconciling("Deleting", message), snapshot.generation, now)
    return {**status, "phase": "Deleting", "observedGeneration": snapshot.generation, "deletion": {}}
