"""runtime.reconciler: one pass, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from reconciler_bench import STATUS, Bench, failure, planning
from runtime_fakes import CREATE, RUN, STOP, snapshot

from sagemaker_gitops.core.actions import Outcome
from sagemaker_gitops.core.errors import Category, Finding, InvalidResource
from sagemaker_gitops.core.plan import After, Done
from sagemaker_gitops.core.resource import FINALIZER, PAUSE, RELEASE, Snapshot
from sagemaker_gitops.runtime.ports import Unavailable


def test_an_absent_object_is_forgotten() -> None:
    """No snapshot, no pass."""
    bench = Bench()
    assert bench.run() == ""
    assert bench.kind.executed == []


def test_a_creating_pass_writes_finalizer_then_intent_then_creates() -> None:
    """Two writes for a new object, both before the paid call."""
    bench = Bench(snapshot(), planned=planning(CREATE))
    order: list[str] = []
    bench.kind.execute = _tracing(bench, order)  # type: ignore[method-assign]
    bench.run()
    assert order == ["finalizers", "status", "CreateTrainingJob"]
    assert bench.kube.writes == ["finalizers", "status"]
    assert bench.kube.reads == 0
    assert FINALIZER in bench.kube.objects[RUN].finalizers


def _tracing(bench: Bench, order: list[str]) -> Callable[..., Any]:
    async def execute(item: Snapshot, resource: Any, action: Any) -> Outcome:
        order.extend([*bench.kube.writes, action.operation])
        return Outcome.DONE

    return execute


def test_a_pass_that_changes_nothing_writes_nothing() -> None:
    """Equal meaning is no write, though nulls and key order differ."""
    item = snapshot(finalizers=(FINALIZER,), status={"observedGeneration": 1, "phase": "Training"})
    bench = Bench(item, planned=planning(status={**STATUS, "failure": None}))
    assert bench.run() == "OnEvent"
    assert (bench.kube.writes, bench.kube.reads) == ([], 0)


def test_a_changed_status_is_one_write() -> None:
    """A state change costs one write."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning())
    bench.run()
    assert bench.kube.writes == ["status"]
    assert bench.store.get(RUN) == bench.kube.objects[RUN]


def test_a_creation_without_anything_to_write_is_preceded_by_a_fresh_read() -> None:
    """The intent stands already, so a GET proves that it is still wanted."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS), planned=planning(CREATE))
    bench.run()
    assert bench.kube.reads == 1
    assert bench.kind.executed == ["CreateTrainingJob"]


@pytest.mark.parametrize("change", [{"generation": 2}, {"deleting": True}, {"annotations": {PAUSE: "true"}}])
def test_an_edit_since_the_snapshot_stops_a_creation(change: dict[str, Any]) -> None:
    """The fresh read shows the edit: nothing is created, the pass begins anew on the fresh object."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS), planned=planning(CREATE))
    bench.kube.edit(RUN, **change)
    assert bench.run() == "Conflict"
    assert bench.kind.executed == []
    assert bench.store.get(RUN) == bench.kube.objects[RUN]
    assert bench.enqueued.delays[-1] == 0.0


def test_a_stale_intent_is_refused_by_the_api_server() -> None:
    """The conditional write is the proof: on a conflict nothing is created."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(CREATE))
    bench.kube.edit(RUN, generation=2)
    assert bench.run() == "Conflict"
    assert bench.kind.executed == []


def test_a_foreign_label_does_not_stop_a_creation() -> None:
    """Something that labels every object each second cannot keep a run from starting (failure-modes.md B1)."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS), planned=planning(CREATE))
    bench.kube.edit(RUN, labels={"seen": "1"})
    assert bench.run() == "OnEvent"
    assert bench.kind.executed == ["CreateTrainingJob"]


def test_actions_stop_at_the_first_error() -> None:
    """What comes after a failed action may depend on it."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(STOP, CREATE, CREATE), results=[Outcome.DONE, failure()])
    bench.run()
    assert bench.kind.executed == ["StopTrainingJob", "CreateTrainingJob"]


def test_a_taken_name_is_looked_at_before_anything_else() -> None:
    """EXISTS ends the pass and asks for another at once; if it comes again, with growing pauses."""
    bench = Bench(snapshot(), planned=planning(CREATE, CREATE), results=[Outcome.EXISTS] * 3)
    assert [bench.run(), bench.run(), bench.run()] == ["NameTaken"] * 3
    assert len(bench.kind.executed) == 3
    assert bench.enqueued.delays == [0.0, 0.75, 1.5]


def test_an_aws_failure_becomes_a_condition_and_a_back_off() -> None:
    """The category decides the condition; repetitions wait longer and longer."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(CREATE), results=[failure(), failure()])
    assert bench.run() == "AwsThrottled"
    assert bench.condition("Reconciling")["reason"] == "AwsThrottled"
    bench.run()
    assert bench.enqueued.delays == [1.5, 3.0]


def test_a_success_ends_the_back_off() -> None:
    """Only failures in a row count."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(CREATE), results=[failure(), failure(), Outcome.DONE, failure()])
    for _ in range(4):
        bench.run()
    assert bench.enqueued.delays == [1.5, 3.0, 1.5]


def test_an_edit_ends_the_back_off() -> None:
    """A mended spec is not punished for the old one."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(CREATE), results=[failure()] * 3)
    bench.run()
    bench.run()
    bench.store.put(bench.kube.edit(RUN, generation=2))
    bench.run()
    assert bench.enqueued.delays == [1.5, 3.0, 1.5]


def test_a_failed_observation_is_explained_too() -> None:
    """Reading AWS may be refused: the reason is in the status, and no finalizer was needed."""
    bench = Bench(snapshot(), seen=failure(Category.BLOCKED, "AccessDeniedException"))
    assert bench.run() == "AwsBlocked"
    assert bench.condition("Stalled")["reason"] == "AccessDeniedException"
    assert bench.kube.writes == ["status"]


def test_a_bug_becomes_ready_unknown() -> None:
    """An unknown exception is said on the object, without its text, and retried with pauses."""
    bench = Bench(snapshot(), seen=ZeroDivisionError("secret"))
    assert bench.run() == "InternalError"
    ready = bench.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "InternalError")
    assert "ZeroDivisionError" in ready["message"]
    assert "secret" not in ready["message"]
    bench.run()
    assert bench.enqueued.delays == [0.75, 1.5]
    assert bench.kube.events == [("Warning", "InternalError")]


def test_an_unavailable_api_server_is_waited_for() -> None:
    """No status can be written, so nothing is created; the server's Retry-After is obeyed (failure-modes.md B9, B11)."""
    bench = Bench(snapshot(), planned=planning(CREATE))
    bench.kube.fail = [Unavailable("429", status=429, retry_after=7.0)]
    assert bench.run() == "Unavailable"
    assert bench.kind.executed == []
    assert bench.enqueued.delays == [7.0]


def test_a_deleted_object_is_forgotten() -> None:
    """404 means that there is nothing left to do."""
    bench = Bench(snapshot(), planned=planning())
    bench.kube.objects.clear()
    assert bench.run() == "Gone"
    assert bench.enqueued.calls == []
    assert RUN not in bench.store


def test_the_finalizer_is_released_last_and_without_a_last_word() -> None:
    """A deleting object needs one write: the one that lets it go."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), deleting=True), planned=planning(STOP, status={"phase": "Deleted"}, finalizer=False))
    assert bench.run() == "Gone"
    assert bench.kind.executed == ["StopTrainingJob"]
    assert bench.kube.writes == ["finalizers"]
    assert RUN not in bench.store


def test_other_finalizers_stay() -> None:
    """We give back ours only, and say what is true as long as the object lives."""
    bench = Bench(
        snapshot(finalizers=("foregroundDeletion", FINALIZER), deleting=True),
        planned=planning(status={"phase": "Deleted"}, finalizer=False, requeue=Done()),
    )
    assert bench.run() == "Done"
    assert bench.kube.objects[RUN].finalizers == ("foregroundDeletion",)
    assert bench.kube.writes == ["status", "finalizers"]


def test_nothing_is_created_for_an_object_that_is_being_deleted() -> None:
    """Such a plan is a bug, and is treated as one."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), deleting=True), planned=planning(CREATE))
    assert bench.run() == "InternalError"
    assert bench.kind.executed == []


def test_an_invalid_spec_never_reaches_observe() -> None:
    """The kind says what is wrong; AWS is not asked."""
    invalid = InvalidResource((Finding("spec.train", "is required"),))
    bench = Bench(snapshot(), findings=invalid, seen=AssertionError("observed"))
    assert bench.run() == "Done"
    assert bench.status["phase"] == "Invalid"


def test_a_paused_object_is_left_alone() -> None:
    """Said once, then nothing: no AWS call, no finalizer, no further write."""
    bench = Bench(snapshot(annotations={PAUSE: "true"}), seen=AssertionError("observed"))
    assert [bench.run(), bench.run()] == ["Done", "Done"]
    assert bench.condition("Ready")["reason"] == "Paused"
    assert bench.kube.writes == ["status"]


def test_pause_false_is_not_paused() -> None:
    """The annotation counts when it says so."""
    bench = Bench(snapshot(annotations={PAUSE: "false"}), planned=planning(CREATE))
    bench.run()
    assert bench.kind.executed == ["CreateTrainingJob"]


def test_break_glass_gives_up_the_finalizer_without_aws() -> None:
    """A deletion that AWS blocks can be ended by hand; even when paused."""
    item = snapshot(finalizers=(FINALIZER,), deleting=True, annotations={RELEASE: "true", PAUSE: "true"})
    bench = Bench(item, seen=AssertionError("observed"))
    assert bench.run() == "Gone"
    assert RUN not in bench.kube.objects
    assert bench.kube.events == [("Normal", "Released")]


def test_break_glass_on_a_living_object_says_so() -> None:
    """Without a deletion the object stays, unmanaged, and is not taken back."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), annotations={RELEASE: "true"}))
    bench.run()
    bench.run()
    assert bench.condition("Ready")["reason"] == "Released"
    assert bench.kube.objects[RUN].finalizers == ()
    assert bench.kube.writes == ["status", "finalizers"]


def test_the_plan_decides_the_next_look() -> None:
    """After means a delay; OnEvent and Done ask for nothing."""
    bench = Bench(snapshot(finalizers=(FINALIZER,), status=STATUS), planned=planning(requeue=After(30.0)))
    bench.run()
    assert bench.enqueued.delays == [30.0]


def test_an_edit_that_arrives_inside_a_write_is_not_lost() -> None:
    """The answer to our status write shows a newer generation; its watch event will be skipped as not newer."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning())

    def edit() -> None:
        bench.kube.edit(RUN, generation=2)

    bench.kind.during = edit
    bench.run()
    assert (RUN, 0.0) in [(key, delay) for key, delay, _ in bench.enqueued.calls]


def test_transitions_are_announced_once() -> None:
    """One Kubernetes Event and one count per step for a change, none for an echo."""
    status = {**STATUS, "steps": [{"name": "train", "state": "Running"}]}
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(status=status))
    bench.run()
    bench.run()
    assert bench.kube.events == [("Normal", "Training")]
    assert bench.recorded.steps == [("train", "Running")]
