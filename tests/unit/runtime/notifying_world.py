"""One TrainingRun that tells of its end: the real reconciler and protocol over an SNS in memory, whose process may end at any call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from runtime_fakes import RUN, Enqueued, FakeKind, FakeKube, HandClock, Recorded, run_virtual, snapshot

from sagemaker_gitops.api.base import Model
from sagemaker_gitops.api.notify import RunNotify
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.aws.errors import failure, unanswered
from sagemaker_gitops.aws.kinds.notifying import Notifying
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core.conditions import reconciling, replace_summary, stalled
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.kinds.training_run.occurrences import occurrences
from sagemaker_gitops.core.plan import Done, OnEvent, Plan
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.runtime.reconciler import Reconciler
from sagemaker_gitops.runtime.store import Store
from tests.tenants import bound

ALERTS = "arn:aws:sns:eu-central-1:123456789012:team-a-alerts"
OTHER = "arn:aws:sns:eu-central-1:123456789012:team-a-other"
ABROAD = "arn:aws:sns:us-east-1:123456789012:team-a-alerts"
DENIED = failure("sns", "Publish", "AuthorizationError", "not authorized to perform: SNS:Publish", 403)
LOST = unanswered("sns", "Publish", TimeoutError("read timed out"))


class Crash(BaseException):
    """The process ends here."""


class Topics:
    """aws.port.Aws with SNS alone. `answers` are raised in order, after the message was taken where `taken` says so."""

    def __init__(self, boundary: Boundary) -> None:
        self.boundary = boundary
        self.sent: list[dict[str, Any]] = []
        self.asked = 0
        self.answers: list[AwsFailure | None] = []
        self.forever: AwsFailure | None = None
        self.taken = False

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        assert (service, operation, validate(service, operation, parameters)) == ("sns", "Publish", ())
        self.boundary.cross()
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else self.forever
        if answer is None or self.taken:
            self.sent.append(dict(parameters))
        if answer is not None:
            raise answer
        self.boundary.cross()
        return {"MessageId": f"m-{self.asked}"}


class Boundary:
    """Counts the sides of every call; ends the process at one of them."""

    def __init__(self) -> None:
        self.crossed = 0
        self.crash_at = 0

    def cross(self) -> None:
        self.crossed += 1
        if self.crossed == self.crash_at:
            raise Crash


class Server(FakeKube):
    """The API server, at whose calls the process may end, too."""

    boundary: Boundary

    async def read(self, item: Snapshot) -> Snapshot:
        self.boundary.cross()
        return await super().read(item)

    async def patch_status(self, item: Snapshot, patch: Mapping[str, Any], *, locked: bool) -> Snapshot:
        self.boundary.cross()
        answer = await super().patch_status(item, patch, locked=locked)
        self.boundary.cross()
        return answer


class Run(FakeKind):
    """A TrainingRun whose end a test decides; it keeps of status what it does not know, as the real ones do."""

    ends: tuple[str, str] = ("Running", "a")
    extra: Mapping[str, Any] = {}

    def parse(self, item: Snapshot) -> Any:
        return SimpleNamespace(notify=read(_Asked, {"notify": item.spec["notify"]}).notify if "notify" in item.spec else None)

    def plan(self, item: Snapshot, resource: Any, facts: Any, now: Any) -> Plan:
        phase, asked = self.ends
        summary = reconciling("Running") if phase == "Running" else stalled("AlgorithmError", "train: ExitCode 1")
        status = replace_summary({**item.status, **self.extra}, summary, item.generation, now)
        made = {**status, "phase": phase, "specHash": asked, "observedGeneration": item.generation}
        return Plan(made, OnEvent() if phase == "Running" else Done(), finalizer=False)


class _Asked(Model):
    notify: tuple[RunNotify, ...]


class World:
    """One object, the processes that look after it one after another, and the topics of AWS."""

    def __init__(self, *notify: tuple[str, list[str]], tenant: Mapping[str, Any] | None = None) -> None:
        self.boundary = Boundary()
        self.topics = Topics(self.boundary)
        self.kube = Server()
        self.kube.boundary = self.boundary
        self.clock = HandClock()
        self.run = Run()
        self.tenant = bound(**(tenant or {}))
        spec = {"notify": [{"snsTopicArn": topic, "transitions": on} for topic, on in notify]} if notify else {}
        self.kube.apply(snapshot(spec=spec))
        self.start()

    def start(self) -> None:
        """Another process: nothing is remembered."""
        references: Any = SimpleNamespace(tenants=lambda: [self.tenant], namespace_labels=lambda namespace: {})
        self.enqueued, self.recorded, self.store = Enqueued(), Recorded(), Store({})
        self.store.put(self.kube.objects[RUN])
        kind = Notifying(self.run, self.topics, references, occurrences)
        self.reconciler = Reconciler({"TrainingRun": kind}, self.store, self.kube, self.clock, self.enqueued, self.recorded)
        self.enqueued(RUN)

    def rest(self, longest: float = 0.0) -> None:
        """Passes until none is due within `longest` seconds."""
        while self.enqueued.calls:
            delay = min(self.enqueued.delays)
            if delay > longest:
                return
            self.enqueued.calls.clear()
            self.clock.advance(delay)
            run_virtual(lambda loop: self.reconciler.reconcile(RUN))

    def ends(self, phase: str = "Failed", asked: str = "a", **extra: Any) -> None:
        self.run.ends, self.run.extra = (phase, asked), extra
        self.enqueued(RUN)

    @property
    def status(self) -> Mapping[str, Any]:
        return self.kube.objects[RUN].status

    @property
    def told(self) -> list[str]:
        return [json.loads(item["Message"])["transition"] for item in self.topics.sent]

    @property
    def states(self) -> list[str]:
        return [entry["state"] for entry in self.status.get("notifications") or ()]

    def condition(self) -> tuple[str, str]:
        (found,) = [item for item in self.status["conditions"] if item["type"] == "Notified"]
        return found["status"], found["reason"]

    def wipe(self) -> None:
        self.kube.edit(RUN, status={})
        self.start()


def failed(*notify: tuple[str, list[str]], **world: Any) -> World:
    """A run that was seen to run, and has failed since."""
    made = World(*(notify or ((ALERTS, ["Failed"]),)), **world)
    made.rest()
    made.ends()
    return made
