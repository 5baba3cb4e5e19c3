"""Which AWS adapters serve which kinds: the registry of the running operator. A new kind adds its line in `Kinds`, `kinds_of` and `wire`.

Knows AWS and the runtime, not kopf; the command line hands it to the shell.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sagemaker_gitops.aws import approvals, idle
from sagemaker_gitops.aws.clients import Clients
from sagemaker_gitops.aws.drift import watch, watch_attached
from sagemaker_gitops.aws.events import AwsEvent, poll
from sagemaker_gitops.aws.kinds.bindings import binding_of, tenant_of
from sagemaker_gitops.aws.kinds.guarding import Guard, Guarding
from sagemaker_gitops.aws.kinds.model_endpoint import ModelEndpointKind
from sagemaker_gitops.aws.kinds.monitor_code import job_code
from sagemaker_gitops.aws.kinds.monitor_policy import MonitorPolicyKind
from sagemaker_gitops.aws.kinds.notifying import Notifying
from sagemaker_gitops.aws.kinds.references import ConfigMap, References
from sagemaker_gitops.aws.kinds.slots import Slots
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.kinds.training_run import TrainingRunKind, scope_of
from sagemaker_gitops.aws.limits import START_RATES, UNLIMITED, Limits
from sagemaker_gitops.aws.port import Aws
from sagemaker_gitops.aws.sweep import ACTIVE, ActiveJob, sweep
from sagemaker_gitops.config import Settings
from sagemaker_gitops.core.kinds.model_endpoint import deletion as endpoint_deletion
from sagemaker_gitops.core.kinds.model_endpoint.facts import Quiet
from sagemaker_gitops.core.kinds.model_endpoint.occurrences import occurrences as endpoint_occurrences
from sagemaker_gitops.core.kinds.monitor_policy import deletion as policy_deletion
from sagemaker_gitops.core.kinds.monitor_policy.occurrences import occurrences as policy_occurrences
from sagemaker_gitops.core.kinds.training_run import deletion as run_deletion
from sagemaker_gitops.core.kinds.training_run.occurrences import occurrences as run_occurrences
from sagemaker_gitops.core.kinds.training_run.settings import Settings as PlanSettings
from sagemaker_gitops.core.kinds.training_run.status import recorded_active
from sagemaker_gitops.core.mass_deletion import AtStake, Limit
from sagemaker_gitops.core.notifications import Occurrences
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound
from sagemaker_gitops.runtime.assembly import Context, Wiring
from sagemaker_gitops.runtime.ports import Kind
from sagemaker_gitops.runtime.queue import Priority
from sagemaker_gitops.runtime.reconciler import Enqueue
from sagemaker_gitops.runtime.store import Store, any_of

Background = Callable[[Enqueue, Store], Coroutine[Any, Any, None]]
ACTIVE_PHASES = ("Running", "Deleting")
OCCURRENCES: Mapping[str, Occurrences] = {
    "TrainingRun": run_occurrences,
    "ModelEndpoint": endpoint_occurrences,
    "MonitorPolicy": policy_occurrences,
}
AT_STAKE: Mapping[str, AtStake] = {
    "TrainingRun": run_deletion.is_at_stake,
    "ModelEndpoint": endpoint_deletion.is_at_stake,
    "MonitorPolicy": policy_deletion.is_at_stake,
}


class StoreReferences:
    """aws.kinds.references.References over the watch cache; an unlabelled ConfigMap is read from the API server."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._kube = context.kube
        self._enqueue = context.enqueue
        self._tenants: dict[str, tuple[tuple[str, ...], Bound | None]] = {}

    def tenants(self) -> list[Bound]:
        return [bound for snapshot in self._store.of_kind("Tenant") if (bound := self._parsed(snapshot)) is not None]

    def _parsed(self, snapshot: Snapshot) -> Bound | None:
        """Parsed once per version: every pass asks."""
        identity = (snapshot.uid, snapshot.resource_version)
        if self._tenants.get(snapshot.key.name, ((), None))[0] != identity:
            self._tenants[snapshot.key.name] = (identity, tenant_of(snapshot))
        return self._tenants[snapshot.key.name][1]

    def namespaces(self) -> list[str]:
        return [snapshot.key.name for snapshot in self._store.of_kind("Namespace")]

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        found = self._store.get(Key("Namespace", "", namespace))
        return found.labels if found else {}

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        found = self._store.get(Key("ConfigMap", namespace, name)) or await self._kube.get_config_map(namespace, name)
        if found is None:
            return None
        files = {key: text.encode() for key, text in (found.spec.get("data") or {}).items()}
        files |= {key: base64.b64decode(text) for key, text in (found.spec.get("binaryData") or {}).items()}
        return ConfigMap(files, found.annotations)

    def running(self, kind: str) -> list[Key]:
        return [key for key, phase in self._store.phases(kind) if phase in ACTIVE_PHASES]

    def object(self, key: Key) -> Snapshot | None:
        return self._store.get(key)

    def referrers(self, key: Key) -> set[Key]:
        return self._store.referrers(key)

    def exists(self, key: Key) -> bool:
        return key in self._store

    def enqueue(self, key: Key) -> None:
        self._enqueue(key, 0.0, Priority.AWS_EVENT)


def training_run_references(snapshot: Snapshot) -> set[Key]:
    """What wakes a TrainingRun: its source, the ModelEndpoint whose live model it has to beat, and every Tenant."""
    found = {any_of("Tenant"), Key("Namespace", "", snapshot.key.namespace)}
    name = ((snapshot.spec.get("source") or {}).get("configMapRef") or {}).get("name")
    if isinstance(name, str):
        found.add(Key("ConfigMap", snapshot.key.namespace, name))
    for gate in snapshot.spec.get("gates") or ():
        champion = gate.get("champion") if isinstance(gate, Mapping) else None
        endpoint = ((champion or {}).get("endpointRef") or {}).get("name")
        if isinstance(endpoint, str):
            found.add(Key("ModelEndpoint", snapshot.key.namespace, endpoint))
    return found


def model_endpoint_references(snapshot: Snapshot) -> set[Key]:
    """What wakes a ModelEndpoint: the TrainingRuns it serves models of, the payload of its smoke test, and every Tenant."""
    found = {any_of("Tenant"), Key("Namespace", "", snapshot.key.namespace)}
    payload = (snapshot.spec.get("smokeTest") or {}).get("payload") or {}
    sample = (payload.get("configMapRef") or {}).get("name")
    if isinstance(sample, str):
        found.add(Key("ConfigMap", snapshot.key.namespace, sample))
    for asks in (*(snapshot.spec.get("variants") or ()), snapshot.spec.get("batch")):
        name = ((asks.get("model") or {}).get("trainingRunRef") or {}).get("name") if isinstance(asks, Mapping) else None
        if isinstance(name, str):
            found.add(Key("TrainingRun", snapshot.key.namespace, name))
    return found


def monitor_policy_references(snapshot: Snapshot) -> set[Key]:
    """What wakes a MonitorPolicy: the ModelEndpoint that it watches, the TrainingRun that it asks to train again, the source of its
    scripts, and every Tenant.
    """
    found = {any_of("Tenant"), Key("Namespace", "", snapshot.key.namespace)}
    endpoint = ((snapshot.spec.get("target") or {}).get("endpointRef") or {}).get("name")
    if isinstance(endpoint, str):
        found.add(Key("ModelEndpoint", snapshot.key.namespace, endpoint))
    source = ((snapshot.spec.get("source") or {}).get("configMapRef") or {}).get("name")
    if isinstance(source, str):
        found.add(Key("ConfigMap", snapshot.key.namespace, source))
    asked = (((snapshot.spec.get("onBreach") or {}).get("retrain") or {}).get("trainingRunRef") or {}).get("name")
    if isinstance(asked, str):
        found.add(Key("TrainingRun", snapshot.key.namespace, asked))
    return found | _followed(snapshot)


def _followed(snapshot: Snapshot) -> set[Key]:
    """What schedule.after and target.batchOf of a MonitorPolicy name."""
    target, after = snapshot.spec.get("target") or {}, (snapshot.spec.get("schedule") or {}).get("after") or {}
    places = (("TrainingRun", after.get("trainingRunRef")), ("MonitorPolicy", after.get("monitorPolicyRef")))
    named = (*places, *(("ModelEndpoint", (where.get("batchOf") or {}).get("endpointRef")) for where in (after, target)))
    found = ((kind, (reference or {}).get("name")) for kind, reference in named)
    return {Key(kind, snapshot.key.namespace, name) for kind, name in found if isinstance(name, str)}


@dataclass(frozen=True, slots=True)
class Kinds:
    """Every kind that something is done for at AWS; a new one adds its line here and in `kinds_of`."""

    runs: TrainingRunKind
    endpoints: ModelEndpointKind
    policies: MonitorPolicyKind

    def by_name(self) -> dict[str, Kind]:
        return {self.runs.name: self.runs, self.endpoints.name: self.endpoints, self.policies.name: self.policies}


def kinds_of(aws: Clients, references: References, settings: Settings) -> Kinds:
    """The kinds of the operator, and of the commands that look with its eyes."""
    plan_settings = PlanSettings(
        settings.install_id,
        settings.absence_interval,
        settings.glue_quarantine,
        settings.create_quarantine,
        settings.spending_interval,
        settings.prices,
    )
    spending = Spending(aws, references, plan_settings)
    return Kinds(
        TrainingRunKind(aws, references, plan_settings, Slots(references.enqueue, references.exists), spending),
        ModelEndpointKind(aws, references, plan_settings, spending),
        MonitorPolicyKind(aws, references, plan_settings, job_code(settings.monitoring_code), spending),
    )


def with_all(kinds: Mapping[str, Kind], aws: Aws, references: References, guard: Guard) -> dict[str, Kind]:
    """What every kind has besides itself: notifications, and the guard against mass deletion."""
    return {name: Guarding(Notifying(kind, aws, references, OCCURRENCES[name]), guard) for name, kind in kinds.items()}


def wire(context: Context) -> Wiring:
    """Every kind with its adapters, and the two ways in which AWS wakes them."""
    settings = context.settings
    clients = clients_of(settings, context)
    references = StoreReferences(context)
    kinds = kinds_of(clients, references, settings)
    kind, endpoints, policies = kinds.runs, kinds.endpoints, kinds.policies

    guard = Guard(context.store, AT_STAKE, Limit(settings.deletion_limit, timedelta(seconds=settings.deletion_window)))
    context.metrics.gauge("deletions_held", "Objects whose deletion waits for somebody to agree.", lambda: len(guard.waiting))

    def owners_of(aws_name: str) -> set[Key]:
        run = kind.owner_of(aws_name)
        return endpoints.owners_of(aws_name) | policies.owners_of(aws_name) | ({run} if run is not None else set())

    async def listen(enqueue: Enqueue, store: Store) -> None:
        region = _region_of(settings)
        await poll(partial(clients.base_call, region), settings.event_queue_url, lambda event: _wake(event, owners_of, enqueue))

    async def look(enqueue: Enqueue, store: Store) -> None:
        await sweep(
            clients,
            lambda: active_jobs(kind, references, store, policies),
            lambda key: enqueue(key, 0.0, Priority.SWEEP),
            settings.sweep_interval,
        )

    async def close() -> None:
        clients.close()

    return Wiring(
        kinds=with_all(kinds.by_name(), clients, references, guard),
        references={
            kind.name: training_run_references,
            endpoints.name: model_endpoint_references,
            policies.name: monitor_policy_references,
        },
        background=(*((listen,) if settings.event_queue_url else ()), look, *watches(clients, endpoints, context)),
        close=close,
    )


def watches(clients: Clients, endpoints: ModelEndpointKind, context: Context) -> tuple[Background, ...]:
    """What is found of endpoints without events: changes by hand, of what hangs on them too, approvals, and that nobody asks them."""
    interval = context.settings.drift_interval

    async def compare(enqueue: Enqueue, store: Store) -> None:
        def wake(key: Key) -> None:
            endpoints.suspect(key)
            enqueue(key, 0.0, Priority.SWEEP)

        await watch(clients, endpoints.seen, wake, interval)

    async def compare_approvals(enqueue: Enqueue, store: Store) -> None:
        await approvals.watch(clients, endpoints.seen_models, lambda key: enqueue(key, 0.0, Priority.SWEEP), interval)

    async def compare_attached(enqueue: Enqueue, store: Store) -> None:
        await watch_attached(clients, endpoints.seen, lambda key: enqueue(key, 0.0, Priority.SWEEP), interval)

    async def listen_for_silence(enqueue: Enqueue, store: Store) -> None:
        def note(key: Key, quiet: Quiet) -> None:
            if endpoints.hear(key, quiet):
                enqueue(key, 0.0, Priority.SWEEP)

        await idle.watch(clients, endpoints.idle, note, context.clock.now, interval)

    return compare, compare_approvals, compare_attached, listen_for_silence


def clients_of(settings: Settings, context: Context) -> Clients:
    """The AWS door. A local AWS has the rate limits that a test gives it, so none are assumed for it."""
    limits = Limits(UNLIMITED if settings.aws_is_local else START_RATES, monotonic=context.clock.monotonic)
    return Clients(settings.aws_endpoint_url, limits, context.metrics, context.clock.now, context.clock.monotonic)


def active_jobs(
    kind: TrainingRunKind, references: StoreReferences, store: Store, policies: MonitorPolicyKind | None = None
) -> Iterator[ActiveJob]:
    """Every job that a status calls in progress, or that this process remembers."""
    remembered = (*kind.remembered(), *(policies.remembered() if policies is not None else ()))
    found = {(key, name): (type_, since) for key, type_, name, since in remembered}
    for key in references.running(kind.name):
        snapshot = store.get(key)
        active = recorded_active(snapshot.status) if snapshot is not None else {}
        found |= {(key, name): (type_, since) for name, (type_, _, since) in active.items()}
    for (key, name), (type_, since) in found.items():
        binding = binding_of(references, key.namespace)
        if isinstance(binding, Bound) and references.exists(key):
            yield ActiveJob(key, scope_of(binding.spec, key), type_, name, since)


def _wake(event: AwsEvent, owners_of: Callable[[str], Iterable[Key]], enqueue: Enqueue) -> None:
    """A job that goes on is no news; its end is, and so is a status that nobody here has heard of."""
    for key in () if event.status in ACTIVE else owners_of(event.name):
        enqueue(key, 0.0, Priority.AWS_EVENT)


def _region_of(settings: Settings) -> str:
    """sqs.<region>.amazonaws.com, or the default where the URL is somebody's own."""
    parts = (urlsplit(settings.event_queue_url).hostname or "").split(".")
    return parts[1] if parts[0] == "sqs" and len(parts) > 2 else settings.aws_region
