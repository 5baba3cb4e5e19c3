"""One pass over one object, the same for every kind (design.md section 3, decision 0001).

Written against ports.py only, so that the simulation runs this very code. A crash between any two awaits is repaired by
running the pass again: nothing here remembers anything but how often a key failed in a row.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from sagemaker_gitops.core import backoff
from sagemaker_gitops.core.actions import Outcome
from sagemaker_gitops.core.conditions import READY, Condition, failed_pass, replace_summary, suspended
from sagemaker_gitops.core.errors import AwsFailure, InvalidResource
from sagemaker_gitops.core.merge_patch import merge_patch
from sagemaker_gitops.core.plan import After, Done, OnEvent, Plan, Requeue
from sagemaker_gitops.core.resource import FINALIZER, PAUSE, RELEASE, Key, Snapshot
from sagemaker_gitops.core.transitions import step_transitions, transitions
from sagemaker_gitops.runtime.ports import Clock, Conflict, Gone, Kind, KubeWriter, Unavailable
from sagemaker_gitops.runtime.queue import Priority
from sagemaker_gitops.runtime.store import Store

log = logging.getLogger(__name__)

PAUSED = f"annotation {PAUSE} is set: nothing is read from or changed in AWS until it is removed"
RELEASED = f"annotation {RELEASE} is set: the finalizer was given up and AWS is left as it is"
FIRST_RETRY = 1.0
REFUSED_RETRY = 60.0  # a right or a schema does not mend itself in a second, and every pass reads AWS again
REFUSED = frozenset({400, 403, 413, 422})


class Enqueue(Protocol):
    def __call__(self, key: Key, delay: float = 0.0, priority: Priority = Priority.SWEEP) -> None: ...


class Recorder(Protocol):
    """Where a pass is counted. `outcome` is one of a fixed set of words, never a user's."""

    def passed(self, kind: str, outcome: str, seconds: float) -> None: ...

    def stepped(self, kind: str, step: str, state: str) -> None: ...


@dataclass(slots=True)
class _Pass:
    """A pass under way; `snapshot` is the object as the API server last answered."""

    kind: Kind
    snapshot: Snapshot

    @property
    def fields(self) -> dict[str, Any]:
        return {"key": str(self.snapshot.key), "generation": self.snapshot.generation}


class Reconciler:
    """`enqueue` asks for another pass; `fraction` in [0, 1) is the jitter; `longest` caps the back-off, in seconds."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        store: Store,
        kube: KubeWriter,
        clock: Clock,
        enqueue: Enqueue,
        recorder: Recorder,
        *,
        fraction: Callable[[], float] = random.random,
        longest: float = backoff.LONGEST,
    ) -> None:
        self._kinds = kinds
        self._store = store
        self._kube = kube
        self._clock = clock
        self._enqueue = enqueue
        self._recorder = recorder
        self._fraction = fraction
        self._longest = longest
        self._failures: dict[Key, tuple[int, int]] = {}

    async def reconcile(self, key: Key) -> None:
        """Run a pass over `key` and schedule the next. Never raises but for cancellation."""
        kind, snapshot = self._kinds.get(key.kind), self._store.get(key)
        if kind is None or snapshot is None:
            self._failures.pop(key, None)
            if kind is not None:
                kind.forget(key)
            return
        started = self._clock.monotonic()
        outcome = await self._survive(_Pass(kind, snapshot))
        self._recorder.passed(key.kind, outcome, self._clock.monotonic() - started)

    async def _survive(self, run: _Pass) -> str:
        try:
            return await self._explain(run)
        except Gone:
            return self._forget(run)
        except Conflict:
            return await self._refresh(run)
        except Unavailable as error:
            log.warning("kubernetes_unavailable", extra={**run.fields, "error": str(error)})
            self._retry(run, REFUSED_RETRY if error.status in REFUSED else FIRST_RETRY, at_least=error.retry_after)
            return "Unavailable"
        except Exception:
            log.exception("pass_failed", extra=run.fields)
            self._retry(run, FIRST_RETRY)
            return "InternalError"

    async def _explain(self, run: _Pass) -> str:
        """A pass whose failure, if it has one, becomes a condition of the object."""
        try:
            requeue = await self._pass(run)
        except (Conflict, Gone, Unavailable):
            raise
        except AwsFailure as error:
            log.warning("aws_call_failed", extra={**run.fields, "error": str(error), "aws_request_id": error.request_id})
            status, after = failed_pass(run.snapshot, run.snapshot.status, error, self._clock.now())
            await self._say(run, status)
            self._retry(run, after.seconds)
            return f"Aws{error.category}"
        except Exception as error:
            log.exception("pass_failed", extra=run.fields)
            summary = Condition(READY, "Unknown", "InternalError", f"{type(error).__name__}; the operator's log has the traceback")
            await self._say(run, replace_summary(run.snapshot.status, [summary], run.snapshot.generation, self._clock.now()))
            self._retry(run, FIRST_RETRY)
            return "InternalError"
        if requeue is None:
            self._retry(run, 0.0)
            return "NameTaken"
        self._failures.pop(run.snapshot.key, None)
        self._schedule(run.snapshot.key, requeue)
        return type(requeue).__name__

    async def _pass(self, run: _Pass) -> Requeue | None:
        """None: an action found its name taken; look before doing anything else."""
        snapshot, now = run.snapshot, self._clock.now()
        if _is_set(snapshot, RELEASE):
            if snapshot.has_finalizer:
                log.warning("released", extra=run.fields)  # a namespace that is being deleted takes no Event
            return await self._carry_out(run, None, self._hands_off(snapshot, "Released", RELEASED, finalizer=False))
        if _is_set(snapshot, PAUSE):
            return await self._carry_out(run, None, self._hands_off(snapshot, "Paused", PAUSED, finalizer=snapshot.has_finalizer))
        try:
            resource = run.kind.parse(snapshot)
        except InvalidResource as error:
            return await self._carry_out(run, None, run.kind.invalid(snapshot, error, now))
        facts = await run.kind.observe(snapshot, resource, now)
        return await self._carry_out(run, resource, run.kind.plan(snapshot, resource, facts, self._clock.now()))

    def _hands_off(self, snapshot: Snapshot, reason: str, message: str, *, finalizer: bool) -> Plan:
        status = replace_summary(snapshot.status, suspended(reason, message), snapshot.generation, self._clock.now())
        return Plan(status={**status, "observedGeneration": snapshot.generation}, requeue=Done(), finalizer=finalizer)

    async def _carry_out(self, run: _Pass, resource: Any, plan: Plan) -> Requeue | None:
        proven = False
        if plan.finalizer and not run.snapshot.has_finalizer and not run.snapshot.deleting:
            await self._hold(run)
            proven = True
        if plan.creates:
            await self._record_intent(run, plan, proven=proven)
        elif plan.actions and not run.snapshot.deleting:
            await self._confirm(run)
        for action in plan.actions:
            if await run.kind.execute(run.snapshot, resource, action) is Outcome.EXISTS:
                return None
        if not plan.finalizer and run.snapshot.has_finalizer:
            await self._release(run, plan)
        else:
            await self._say(run, plan.status, locked=plan.locked)
        return plan.requeue

    async def _record_intent(self, run: _Pass, plan: Plan, *, proven: bool) -> None:
        """Make sure, with the API server's word for it, that the plan is still wanted, and leave a trace of it."""
        if run.snapshot.deleting:
            raise RuntimeError(f"{run.snapshot.key}: the plan creates something although the object is being deleted")
        if not await self._say(run, plan.status, locked=True) and not proven:
            await self._confirm(run)

    async def _confirm(self, run: _Pass) -> None:
        """The API server's word that the plan was made from what it holds: a stale watch stops or deletes nothing that is wanted."""
        fresh = await self._kube.read(run.snapshot)
        if _basis(fresh) != _basis(run.snapshot):
            raise Conflict(f"{run.snapshot.key} changed since the pass began")
        self._keep(run, fresh)

    async def _say(self, run: _Pass, status: Mapping[str, Any], *, locked: bool = False) -> bool:
        """Write the status if it differs in meaning, and announce what changed. Returns whether it was written."""
        before = run.snapshot.status
        patch = merge_patch(before, status)
        if not patch:
            return False
        self._store.writes(run.snapshot.key, status)
        try:
            answer = await self._kube.patch_status(run.snapshot, patch, locked=locked)
        except Unavailable:
            self._store.unanswered(run.snapshot.key)
            raise
        self._keep(run, answer)
        if merge_patch(run.snapshot.status, status):
            raise Conflict(f"{run.snapshot.key}: somebody else changed the status meanwhile, so what was written is not whole")
        self._announce(run, before, status)
        for step in step_transitions(before, status):
            self._recorder.stepped(run.kind.name, step.step, step.state)
        return True

    def _announce(self, run: _Pass, before: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        for event in transitions(before, status):
            self._kube.event(run.snapshot, type_=event.type, reason=event.reason, message=event.message)

    async def _hold(self, run: _Pass) -> None:
        finalizers = (*run.snapshot.finalizers, FINALIZER)
        self._keep(run, await self._kube.patch_finalizers(run.snapshot, finalizers))

    async def _release(self, run: _Pass, plan: Plan) -> None:
        """Say the last word, then give the finalizer back. Of an object that is going away only its Events outlive it."""
        remaining = tuple(name for name in run.snapshot.finalizers if name != FINALIZER)
        if not run.snapshot.deleting or remaining:
            await self._say(run, plan.status)
        else:
            self._announce(run, run.snapshot.status, plan.status)
        released = await self._kube.patch_finalizers(run.snapshot, remaining)
        if released.deleting and not released.finalizers:
            raise Gone
        self._keep(run, released)

    async def _refresh(self, run: _Pass) -> str:
        """After a conflict: take what the API server holds, and start over."""
        try:
            version = run.snapshot.resource_version
            self._wake(self._store.replace(await self._kube.read(run.snapshot), version))
        except Gone:
            return self._forget(run)
        except (Conflict, Unavailable) as error:
            log.warning("kubernetes_unavailable", extra={**run.fields, "error": str(error)})
        self._retry(run, 0.0)
        return "Conflict"

    def _forget(self, run: _Pass) -> str:
        key = run.snapshot.key
        self._failures.pop(key, None)
        run.kind.forget(key)
        self._wake(self._store.forget(key, run.snapshot.uid))
        return "Gone"

    def _keep(self, run: _Pass, answer: Snapshot) -> None:
        run.snapshot = answer
        self._wake(self._store.put(answer))

    def _wake(self, keys: set[Key]) -> None:
        for key in keys:
            self._enqueue(key, 0.0, Priority.AWS_EVENT)

    def _retry(self, run: _Pass, first: float, *, at_least: float = 0.0) -> None:
        """Enqueue after a failure; `first` 0 means at once the first time. An edit starts the count anew."""
        generation, before = self._failures.get(run.snapshot.key, (0, 0))
        failures = 1 + (before if generation == run.snapshot.generation else 0)
        self._failures[run.snapshot.key] = (run.snapshot.generation, failures)
        if first == 0.0:
            delay = 0.0 if failures == 1 else backoff.delay(FIRST_RETRY, failures - 1, self._fraction(), self._longest)
        else:
            delay = backoff.delay(first, failures, self._fraction(), self._longest)
        self._enqueue(run.snapshot.key, max(delay, at_least), Priority.SWEEP)

    def _schedule(self, key: Key, requeue: Requeue) -> None:
        match requeue:
            case After(seconds):
                self._enqueue(key, seconds, Priority.SWEEP)
            case OnEvent() | Done():
                pass
            case _:
                assert_never(requeue)


def _is_set(snapshot: Snapshot, annotation: str) -> bool:
    return snapshot.annotations.get(annotation, "").lower() not in ("", "false")


def _basis(snapshot: Snapshot) -> tuple[object, ...]:
    """What a plan was made from; a foreign label does not void it, an edit does."""
    return snapshot.uid, snapshot.generation, snapshot.deleting, snapshot.annotations, snapshot.status
