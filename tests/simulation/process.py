"""One operator process: the real store, queue, reconciler and kinds, wired as wiring.py wires them, on the fakes.

Everything in here is memory that a crash takes away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, cast
from unittest.mock import patch

from sagemaker_gitops.aws import approvals, drift, sweep
from sagemaker_gitops.aws.kinds.guarding import Guard
from sagemaker_gitops.aws.kinds.model_endpoint import ModelEndpointKind
from sagemaker_gitops.aws.kinds.monitor_policy import MonitorPolicyKind
from sagemaker_gitops.aws.kinds.slots import Slots
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.kinds.training_run import TrainingRunKind
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.mass_deletion import Limit
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.runtime.assembly import Context
from sagemaker_gitops.runtime.ports import Gone, Unavailable
from sagemaker_gitops.runtime.queue import KeyedQueue, Priority
from sagemaker_gitops.runtime.reconciler import Reconciler
from sagemaker_gitops.runtime.store import Store
from sagemaker_gitops.wiring import (
    AT_STAKE,
    StoreReferences,
    active_jobs,
    model_endpoint_references,
    monitor_policy_references,
    training_run_references,
    with_all,
)
from tests.simulation.aws import FakeAws
from tests.simulation.clock import VirtualClock, drive
from tests.simulation.kube import FakeKube

INSTALL = "simulation"
WATCHED = ("Tenant", "ConfigMap", "TrainingRun", "ModelEndpoint", "MonitorPolicy")
REFERENCES = {
    "TrainingRun": training_run_references,
    "ModelEndpoint": model_endpoint_references,
    "MonitorPolicy": monitor_policy_references,
}
CODE = {"check.py": b"print('checks')\n"}


class Process:
    """`reconciled` are the kinds that have passes; `settings` are the waits of the plan, `fraction` the jitter of back-offs."""

    def __init__(
        self,
        kube: FakeKube,
        aws: FakeAws,
        clock: VirtualClock,
        settings: Settings,
        fraction: Callable[[], float],
        reconciled: Collection[str],
    ) -> None:
        self._kube = kube
        self._aws = aws
        self._reconciled = reconciled
        self._pass: tuple[Key, Coroutine[Any, Any, None]] | None = None
        self.outcomes: Counter[str] = Counter()
        self.store = Store(REFERENCES)
        self.queue = KeyedQueue(clock.monotonic)
        self._now = clock.monotonic
        context = Context(cast(Any, None), self.store, cast(Any, kube), cast(Any, None), clock, self.enqueue)
        self._references = StoreReferences(context)
        spending, slots = Spending(aws, self._references, settings), Slots(self._references.enqueue, self._references.exists)
        self.runs = TrainingRunKind(aws, self._references, settings, slots, spending)
        self.endpoints = ModelEndpointKind(aws, self._references, settings, spending)
        self.policies = MonitorPolicyKind(aws, self._references, settings, CODE, spending)
        kinds = {kind.name: kind for kind in (self.runs, self.endpoints, self.policies) if kind.name in reconciled}
        guarded = with_all(cast(Any, kinds), aws, self._references, Guard(self.store, AT_STAKE, Limit()))
        self._reconciler = Reconciler(guarded, self.store, kube, clock, self.enqueue, self, fraction=fraction)

    def enqueue(self, key: Key, delay: float = 0.0, priority: Priority = Priority.SWEEP) -> None:
        self.queue.add(key, delay=delay, priority=priority)

    def passed(self, kind: str, outcome: str, seconds: float) -> None:
        self.outcomes[outcome] += 1

    def stepped(self, kind: str, step: str, state: str) -> None:
        """Step metrics are of no interest here."""

    def observe(self, event: Mapping[str, Any]) -> None:
        """As runtime/intake.py does."""
        self._wake(self.store.observe_event(event), Priority.RESTART if event["type"] is None else Priority.USER_EDIT)

    def relist(self) -> None:
        """A list of every kind, and then a GET for whatever it did not show, as runtime/intake.py does."""
        for kind in WATCHED:
            self.store.begin_list(kind)
        for body in list(self._kube.objects.values()):
            self.observe({"type": None, "object": body})
        for kind in WATCHED:
            for snapshot in self.store.unlisted(kind):
                try:
                    self._wake(self.store.put(drive(self._kube.read(snapshot))), Priority.SWEEP)
                except Gone:
                    self._wake(self.store.forget(snapshot.key, snapshot.uid), Priority.SWEEP)
                except Unavailable:
                    continue

    def aws_event(self, name: str, status: str) -> None:
        """As wiring.py does with a message of the event queue."""
        if status in sweep.ACTIVE:
            return
        run = self.runs.owner_of(name)
        owners = self.endpoints.owners_of(name) | self.policies.owners_of(name)
        for key in sorted(owners | ({run} if run is not None else set())):
            self.enqueue(key, 0.0, Priority.AWS_EVENT)

    def sweep(self) -> None:
        """One look of the safety net; a failed one is logged and forgotten, as aws/sweep.py does."""
        try:
            with patch.object(sweep, "PAUSE_BETWEEN_CALLS", 0.0):  # asyncio.sleep(0) needs no event loop
                drive(sweep.sweep_once(self._aws, list(active_jobs(self.runs, self._references, self.store, self.policies)), self.enqueue))
        except AwsFailure:
            return

    def drift(self) -> None:
        """One look for what somebody changed by hand, as wiring.py has it made."""
        with patch.object(drift, "PAUSE_BETWEEN_CALLS", 0.0):
            drive(drift.watch_once(self._aws, list(self.endpoints.seen()), self._suspect))
            drive(drift.watch_attached_once(self._aws, list(self.endpoints.seen()), self.enqueue, 0.0))
        with patch.object(approvals, "PAUSE_BETWEEN_CALLS", 0.0):
            drive(approvals.watch_once(self._aws, list(self.endpoints.seen_models()), self.enqueue))

    def _suspect(self, key: Key) -> None:
        self.endpoints.suspect(key)
        self.enqueue(key)

    def next_due(self) -> float | None:
        """When there is something to do next, in virtual seconds."""
        return self._now() if self._pass is not None else self.queue.next_due()

    def work(self) -> bool:
        """Run the next pass that is due, whole; False if there is none."""
        key = self.queue.pop()
        if key is None:
            return False
        drive(self._reconciler.reconcile(key))
        self.queue.done(key)
        return True

    def step(self) -> bool:
        """Run the present pass, or the next that is due, up to its next call; False if there is none."""
        if self._pass is None:
            key = self.queue.pop()
            if key is None:
                return False
            self._pass = key, self._reconciler.reconcile(key)
        key, work = self._pass
        try:
            work.send(None)
        except StopIteration:
            self._pass = None
            self.queue.done(key)
        return True

    def _wake(self, keys: set[Key], priority: Priority) -> None:
        for key in sorted(keys):
            if key.kind in self._reconciled:
                self.enqueue(key, 0.0, priority)
