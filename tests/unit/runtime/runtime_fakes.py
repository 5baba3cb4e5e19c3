"""Fakes for the runtime tests: a clock moved by hand, a loop whose time jumps, and the ports of the reconciler."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sagemaker_gitops.core.actions import Action, AwsRequest, Outcome
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.errors import InvalidResource
from sagemaker_gitops.core.merge_patch import apply_merge_patch
from sagemaker_gitops.core.plan import Done, Plan
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.runtime.ports import Conflict, Gone
from sagemaker_gitops.runtime.queue import Priority

T = TypeVar("T")
START = datetime(2026, 11, 21, tzinfo=UTC)
RUN = Key("TrainingRun", "team-a", "digits")
CREATE = AwsRequest("sagemaker", "CreateTrainingJob", "team-a-digits-train-k1", {})
STOP = AwsRequest("sagemaker", "StopTrainingJob", "team-a-digits-train-k1", {})


class HandClock:
    """ports.Clock that stands still until `advance`."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for I/O until the next timer, moves the time there."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("deadlock: every task waits and no timer is set")
        self.elapsed += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time. Only for code that waits for timers and tasks, not for I/O."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed


async def _end_all() -> None:
    """No task outlives its loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def run_virtual(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run `main` in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.run_until_complete(_end_all())
        loop.close()


def snapshot(key: Key = RUN, **changes: Any) -> Snapshot:
    """An object as it is just after `kubectl apply`."""
    values: dict[str, Any] = {"uid": "u-1", "resource_version": "10", "generation": 1, "spec": {"n": 1}}
    return Snapshot(key=key, **{**values, **changes})


def body(item: Snapshot) -> dict[str, Any]:
    """The Kubernetes JSON of a snapshot."""
    metadata: dict[str, Any] = {
        "name": item.key.name,
        "uid": item.uid,
        "resourceVersion": item.resource_version,
        "generation": item.generation,
        "finalizers": list(item.finalizers),
        "annotations": dict(item.annotations),
        "labels": dict(item.labels),
    }
    if item.key.namespace:
        metadata["namespace"] = item.key.namespace
    if item.deleting:
        metadata["deletionTimestamp"] = timestamp(item.deleted_at or START)
    content = item.spec if item.key.kind == "ConfigMap" else {"spec": item.spec, "status": item.status}
    return {"apiVersion": "v1", "kind": item.key.kind, "metadata": metadata, **content}


def event(item: Snapshot, type_: str | None = "MODIFIED") -> dict[str, Any]:
    """A watch event; type None is an item of a list."""
    return {"type": type_, "object": body(item)}


@dataclass
class FakeKube:
    """An API server with one kind of write conflict: the resourceVersion. `fail` raises before the next write."""

    objects: dict[Key, Snapshot] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    reads: int = 0
    events: list[tuple[str, str]] = field(default_factory=list)
    fail: list[Exception] = field(default_factory=list)
    version: int = 100

    def apply(self, item: Snapshot) -> Snapshot:
        self.objects[item.key] = item
        return item

    def edit(self, key: Key, **changes: Any) -> Snapshot:
        """Somebody else's write."""
        self.version += 1
        return self.apply(replace(self.objects[key], resource_version=str(self.version), **changes))

    async def read(self, item: Snapshot) -> Snapshot:
        self.reads += 1
        return self._held(item)

    async def patch_finalizers(self, item: Snapshot, finalizers: tuple[str, ...]) -> Snapshot:
        held = self._begin(item, locked=True)
        self.writes.append("finalizers")
        answer = self.edit(held.key, finalizers=finalizers)
        if answer.deleting and not finalizers:
            del self.objects[held.key]
        return answer

    async def patch_status(self, item: Snapshot, patch: Mapping[str, Any], *, locked: bool) -> Snapshot:
        held = self._begin(item, locked=locked)
        self.writes.append("status")
        return self.edit(held.key, status=apply_merge_patch(held.status, patch))

    def event(self, item: Snapshot, *, type_: str, reason: str, message: str) -> None:
        self.events.append((type_, reason))

    def _begin(self, item: Snapshot, *, locked: bool) -> Snapshot:
        if self.fail:
            raise self.fail.pop(0)
        held = self._held(item)
        if locked and held.resource_version != item.resource_version:
            raise Conflict
        return held

    def _held(self, item: Snapshot) -> Snapshot:
        held = self.objects.get(item.key)
        if held is None or held.uid != item.uid:
            raise Gone
        return held


@dataclass
class FakeKind:
    """A kind whose answers a test chooses: `planned` gives the plan, `results` what each action does."""

    planned: Callable[[Snapshot], Plan] = lambda item: Plan(status=item.status, requeue=Done())
    name: str = "TrainingRun"
    findings: InvalidResource | None = None
    seen: Exception | None = None
    results: list[Outcome | Exception] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    forgotten: list[Key] = field(default_factory=list)

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)

    def parse(self, item: Snapshot) -> Mapping[str, Any]:
        if self.findings is not None:
            raise self.findings
        return item.spec

    def invalid(self, item: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        return Plan(status={"phase": "Invalid", "observedGeneration": item.generation}, requeue=Done(), finalizer=False)

    async def observe(self, item: Snapshot, resource: Any, now: datetime) -> None:
        self.during()
        if self.seen is not None:
            raise self.seen

    def plan(self, item: Snapshot, resource: Any, facts: Any, now: datetime) -> Plan:
        return self.planned(item)

    async def execute(self, item: Snapshot, resource: Any, action: Action) -> Outcome:
        assert isinstance(action, AwsRequest)
        self.executed.append(action.operation)
        result = self.results.pop(0) if self.results else Outcome.DONE
        if isinstance(result, Exception):
            raise result
        return result


@dataclass
class Enqueued:
    """Records what was asked of the queue."""

    calls: list[tuple[Key, float, Priority]] = field(default_factory=list)

    def __call__(self, key: Key, delay: float = 0.0, priority: Priority = Priority.SWEEP) -> None:
        self.calls.append((key, delay, priority))

    @property
    def delays(self) -> list[float]:
        return [delay for _, delay, _ in self.calls]


@dataclass
class Recorded:
    """Records what was counted."""

    outcomes: list[str] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)

    def passed(self, kind: str, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)

    def stepped(self, kind: str, step: str, state: str) -> None:
        self.steps.append((step, state))
