"""runtime.reconciler: what other people and every failure do to a pass."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from reconciler_bench import STATUS, Bench, failure, planning
from runtime_fakes import CREATE, RUN, STOP, FakeKind, event, snapshot

from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.plan import Done, Plan
from sagemaker_gitops.core.resource import FINALIZER, PAUSE, RELEASE, Key, Snapshot
from sagemaker_gitops.runtime.ports import Conflict, Unavailable
from sagemaker_gitops.runtime.reconciler import Reconciler


def test_an_object_that_vanished_takes_its_back_off_along() -> None:
    """The next object of that name is not punished for it, and nothing is remembered for ever (failure-modes.md G9)."""
    bench = Bench(snapshot(), seen=failure())
    bench.run()
    bench.run()
    bench.store.forget(RUN, "u-1")
    bench.run()
    bench.store.put(bench.kube.apply(snapshot(uid="u-2")))
    bench.run()
    assert bench.enqueued.delays == [1.5, 3.0, 1.5]


def test_an_object_gone_during_a_pass_takes_its_back_off_along() -> None:
    """The same when the API server says it."""
    bench = Bench(snapshot(), seen=failure())
    bench.run()
    del bench.kube.objects[RUN]
    bench.kind.seen, bench.kind.planned = None, planning()
    assert bench.run() == "Gone"
    assert bench.reconciler._failures == {}


def test_a_failure_that_cannot_even_be_said_is_retried() -> None:
    """No exception ends a worker, whatever raises it and wherever (failure-modes.md B15)."""
    bench = Bench(snapshot(), seen=ZeroDivisionError())
    bench.kube.fail = [ValueError("not JSON"), ValueError("not JSON")]
    assert [bench.run(), bench.run()] == ["InternalError", "InternalError"]
    assert bench.enqueued.delays == [0.75, 1.5]


def test_a_pause_keeps_the_finalizer() -> None:
    """A job may run meanwhile: giving the object up would orphan it."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), annotations={PAUSE: "true"}))
    bench.run()
    assert bench.kube.objects[RUN].finalizers == (FINALIZER,)


@pytest.mark.parametrize("word", ["False", "FALSE", "false", ""])
def test_no_is_said_in_any_case(word: str) -> None:
    """As YAML has it."""
    bench = Bench(snapshot(annotations={PAUSE: word, RELEASE: word}), planned=planning(CREATE))
    bench.run()
    assert bench.kind.executed == ["CreateTrainingJob"]


def test_no_finalizer_is_added_to_an_object_that_is_being_deleted() -> None:
    """The API server would refuse it with 422, again and again."""
    bench = Bench(snapshot(finalizers=("foregroundDeletion",), deleting=True), planned=planning())
    assert bench.run() == "OnEvent"
    assert bench.kube.writes == ["status"]


def test_the_finalizers_of_others_are_kept_when_ours_is_added() -> None:
    """Argo CD's and the garbage collector's are not ours to drop."""
    bench = Bench(snapshot(finalizers=("foregroundDeletion",)), planned=planning())
    bench.run()
    assert bench.kube.objects[RUN].finalizers == ("foregroundDeletion", FINALIZER)


def test_an_annotation_since_the_snapshot_does_not_escape_a_locked_intent() -> None:
    """A pause that comes while AWS is being read is obeyed before the paid call."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(CREATE))

    def pause() -> None:
        bench.kube.edit(RUN, annotations={PAUSE: "true"})

    bench.kind.during = pause
    assert bench.run() == "Conflict"
    assert bench.kind.executed == []
    bench.kind.during = lambda: None
    bench.run()
    assert bench.condition("Ready")["reason"] == "Paused"


def test_a_status_changed_since_the_snapshot_stops_a_creation() -> None:
    """Somebody wiped or replaced it: the plan was made from what is no longer there."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS), planned=planning(CREATE))
    bench.kube.edit(RUN, status={})
    assert bench.run() == "Conflict"
    assert bench.kind.executed == []


def test_what_somebody_adds_to_a_status_under_our_write_goes_again() -> None:
    """A merge patch over a foreign status keeps what only that one has; the pass begins anew."""
    before = {**STATUS, "specHash": "k1"}
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=before), planned=planning(status={**before, "phase": "Succeeded"}))

    def wipe() -> None:
        bench.kube.edit(RUN, status={"foreign": "x"})

    bench.kind.during = wipe
    assert bench.run() == "Conflict"
    bench.kind.during = lambda: None
    assert bench.run() == "OnEvent"
    assert bench.status == {**before, "phase": "Succeeded"}


def test_an_echo_that_overtakes_its_answer_wakes_nobody() -> None:
    """Else what AWS refuses is asked for again at once, for as long as the watch is quicker than the answers."""
    at_rest = {"phase": "InService", "observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "reason": "InService"}]}
    bench = Bench(
        snapshot(finalizers=(FINALIZER,), status=at_rest), planned=planning(CREATE), results=[failure(Category.BLOCKED, "AccessDenied")]
    )
    answer, heard = bench.kube.patch_status, []

    async def overtaken(item: Snapshot, patch: Mapping[str, Any], *, locked: bool) -> Snapshot:
        written = await answer(item, patch, locked=locked)
        heard.append(bench.store.observe_event(event(written)))
        return written

    bench.kube.patch_status = overtaken  # type: ignore[method-assign]
    assert bench.run() == "AwsBlocked"
    assert heard == [set(), set()]
    assert len(bench.enqueued.calls) == 1


def test_the_echo_of_a_write_whose_answer_was_lost_is_news() -> None:
    """The next pass may want the status of before, which is what it believes to stand there."""
    at_rest = {"phase": "InService", "observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "reason": "InService"}]}
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=at_rest), planned=planning(status={**at_rest, "phase": "Updating"}))
    answer, written = bench.kube.patch_status, list[Snapshot]()

    async def lost(item: Snapshot, patch: Mapping[str, Any], *, locked: bool) -> Snapshot:
        written.append(await answer(item, patch, locked=locked))
        raise Unavailable("Read timeout")

    bench.kube.patch_status = lost  # type: ignore[method-assign]
    assert bench.run() == "Unavailable"
    assert bench.store.observe_event(event(written[0])) == {RUN}


def test_a_conflict_whose_refresh_fails_is_retried() -> None:
    """The API server may go away between the two; nobody else would ask for another pass."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning())

    async def down(item: Snapshot) -> Snapshot:
        raise Unavailable("refused")

    bench.kube.fail = [Conflict()]
    bench.kube.read = down  # type: ignore[method-assign]
    assert bench.run() == "Conflict"
    assert bench.enqueued.delays == [0.0]


def test_an_object_that_is_gone_at_the_refresh_is_forgotten() -> None:
    """A conflict with a deletion ends there."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning())
    bench.kube.fail = [Conflict()]
    bench.kube.objects.clear()
    assert bench.run() == "Gone"
    assert bench.enqueued.calls == []
    assert RUN not in bench.store


def test_whoever_waits_for_an_object_hears_that_it_is_gone() -> None:
    """Its watch event finds the store empty, so the pass has to tell."""
    waiting = Key("ModelEndpoint", "team-a", "digits")
    bench = Bench(snapshot(finalizers=(FINALIZER,), deleting=True), planned=planning(finalizer=False))
    bench.store._references = {"ModelEndpoint": lambda item: [RUN]}
    bench.store.put(snapshot(waiting, uid="u-9"))
    assert bench.run() == "Gone"
    assert waiting in [key for key, _, _ in bench.enqueued.calls]


def test_stops_need_no_intent() -> None:
    """What costs nothing is not held up by a status that cannot be written (docs/decisions/0001)."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS, deleting=True), planned=planning(STOP))
    assert bench.run() == "OnEvent"
    assert bench.kind.executed == ["StopTrainingJob"]
    assert bench.kube.reads == 0


def test_the_setting_caps_the_back_off() -> None:
    """A sandbox cannot wait an hour."""
    bench = Bench(snapshot(), seen=failure(Category.BLOCKED))
    bench.reconciler = Reconciler(
        {"TrainingRun": bench.kind},
        bench.store,
        bench.kube,
        bench.clock,
        bench.enqueued,
        bench.recorded,
        fraction=lambda: 0.5,
        longest=90.0,
    )
    for _ in range(3):
        bench.run()
    assert bench.enqueued.delays == [45.0, 67.5, 67.5]


def test_the_server_may_ask_for_more_than_the_back_off_and_not_for_less() -> None:
    """The longer of the two is waited."""
    bench = Bench(snapshot(), planned=planning())
    for seconds in (5.0, 0.1, 0.1):
        bench.kube.fail = [Unavailable("429", status=429, retry_after=seconds)]
        bench.run()
    assert bench.enqueued.delays == [5.0, 1.5, 3.0]


def test_the_plan_sees_the_time_after_the_look() -> None:
    """A look may wait minutes for its turn at AWS; quarantines end later, not earlier, for it."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS))
    times: list[datetime] = []

    class Timed(FakeKind):
        def plan(self, item: Snapshot, resource: Any, facts: Any, now: datetime) -> Plan:
            times.append(now)
            return Plan(status=item.status, requeue=Done())

    bench.kind = Timed(during=lambda: bench.clock.advance(100))
    bench.reconciler._kinds = {"TrainingRun": bench.kind}
    before = bench.clock.now()
    bench.run()
    assert [(moment - before).total_seconds() for moment in times] == [100.0]


def test_a_refresh_believes_a_restored_api_server() -> None:
    """What is held is from a history that is gone; the lower version is the truth from now on (failure-modes.md B6)."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), resource_version="5000"), planned=planning())
    restored = bench.kube.apply(snapshot(finalizers=(FINALIZER,), resource_version="40", generation=3))
    bench.kube.fail = [Conflict()]
    assert bench.run() == "Conflict"
    assert bench.store.get(RUN) == restored


def test_a_given_up_object_that_lives_is_kept_in_the_store() -> None:
    """It lost its last finalizer, not its life: an edit of it must be compared with what it was."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), annotations={RELEASE: "true"}))
    assert bench.run() == "Done"
    assert bench.store.get(RUN) == bench.kube.objects[RUN]


def test_a_first_pass_costs_two_writes_and_no_read() -> None:
    """The finalizer, written under the snapshot's version, proves what a GET would, also when no status is to be said."""
    bench = Bench(snapshot(status=STATUS), planned=planning(CREATE))
    assert bench.run() == "OnEvent"
    assert (bench.kube.writes, bench.kube.reads) == (["finalizers"], 0)


def test_what_a_fresh_read_shows_is_what_the_pass_goes_on_with() -> None:
    """A foreign label moved the version: the write after the creation does not conflict with it."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS), planned=planning(CREATE), results=[failure()])
    labelled = bench.kube.edit(RUN, labels={"seen": "1"})
    versions: list[str] = []
    patch_status = bench.kube.patch_status

    async def traced(item: Snapshot, patch: Any, *, locked: bool) -> Snapshot:
        versions.append(item.resource_version)
        return await patch_status(item, patch, locked=locked)

    bench.kube.patch_status = traced  # type: ignore[method-assign]
    assert bench.run() == "AwsThrottled"
    assert versions == [labelled.resource_version]
