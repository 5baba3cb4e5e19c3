"""One operator process: the real store, queue, reconciler and kind, wired as wiring.py wires them, on the fakes.

Everything in here is memory that a crash takes away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast
from unittest.mock import patch

from sagemaker_gitops.aws import sweep
from sagemaker_gitops.aws.kinds.slots import Slots
from sagemaker_gitops.aws.kinds.training_run import TrainingRunKind
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.runtime.assembly import Context
from sagemaker_gitops.runtime.ports import Gone, Unavailable
from sagemaker_gitops.runtime.queue import KeyedQueue, Priority
from sagemaker_gitops.runtime.reconciler import Reconciler
from sagemaker_gitops.runtime.store import Store
from sagemaker_gitops.wiring import StoreReferences, active_jobs, training_run_references
from tests.simulation.aws import FakeAws
from tests.simulation.clock import VirtualClock, drive
from tests.simulation.kube import FakeKube
from tests.simulation.scenarios import INSTALL as INSTALL

WATCHED = ("Tenant", "ConfigMap", "ModelEndpoint", "TrainingRun")


class Process:
    """`settings` are the waits of the plan, `fraction` the jitter of back-offs."""

    def __init__(self, kube: FakeKube, aws: FakeAws, clock: VirtualClock, settings: Settings, fraction: Callable[[], float]) -> None:
        self._kube = kube
        self._aws = aws
        self.outcomes: Counter[str] = Counter()
        self.store = Store({"TrainingRun": training_run_references})
        self.queue = KeyedQueue(clock.monotonic)
        context = Context(cast(Any, None), self.store, cast(Any, kube), cast(Any, None), clock, self.enqueue)
        self._references = StoreReferences(context)
        self.kind = TrainingRunKind(aws, self._references, settings, Slots(self._references.enqueue, self._references.exists))
        kinds = {self.kind.name: self.kind}
        self._reconciler = Reconciler(kinds, self.store, kube, clock, self.enqueue, self, fraction=fraction)

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
        key = None if status in sweep.ACTIVE else self.kind.owner_of(name)
        if key is not None:
            self.enqueue(key, 0.0, Priority.AWS_EVENT)

    def sweep(self) -> None:
        """One look of the safety net; a failed one is logged and forgotten, as aws/sweep.py does."""
        try:
            with patch.object(sweep, "PAUSE_BETWEEN_CALLS", 0.0):  # asyncio.sleep(0) needs no event loop
                drive(sweep.sweep_once(self._aws, list(active_jobs(self.kind, self._references, self.store)), self.enqueue))
        except AwsFailure:
            return

    def work(self) -> bool:
        """Run the next pass that is due; False if there is none."""
        key = self.queue.pop()
        if key is None:
            return False
        drive(self._reconciler.reconcile(key))
        self.queue.done(key)
        return True

    def _wake(self, keys: set[Key], priority: Priority) -> None:
        for key in sorted(keys):
            if key.kind == self.kind.name:
                self.enqueue(key, 0.0, priority)
