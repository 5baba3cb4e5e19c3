"""What goes wrong around a pass in a real cluster: edits while nobody watches, restored etcds, clocks that are set."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from reconciler_bench import Bench, planning
from runtime_fakes import CREATE, RUN, FakeKube, VirtualLoop, event, run_virtual, snapshot

from sagemaker_gitops.core.conditions import replace_summary, stalled
from sagemaker_gitops.core.plan import Done, OnEvent, Plan
from sagemaker_gitops.core.resource import FINALIZER, Key, Snapshot
from sagemaker_gitops.kube.resources import RESOURCES
from sagemaker_gitops.runtime.clock import BELIEVED_AFTER, SystemClock
from sagemaker_gitops.runtime.intake import RECHECK, Intake
from sagemaker_gitops.runtime.ports import Unavailable
from sagemaker_gitops.runtime.queue import Priority
from sagemaker_gitops.runtime.store import Store, any_of
from sagemaker_gitops.wiring import training_run_references

DONE = {"phase": "Succeeded", "observedGeneration": 1}
TENANT, CODE, NAMESPACE = Key("Tenant", "", "team-a"), Key("ConfigMap", "team-a", "code"), Key("Namespace", "", "team-a")
TENANTS, RUNS = RESOURCES["Tenant"], RESOURCES["TrainingRun"]


def _ignore(key: Key, delay: float = 0.0, priority: Priority = Priority.SWEEP) -> None:
    """Nobody listens."""


def test_a_finalizer_taken_during_our_own_status_write_is_noticed() -> None:
    """Otherwise the object could be deleted while its job runs."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(status={"phase": "Running", "observedGeneration": 1}))
    bench.kind.during = lambda: bench.kube.edit(RUN, finalizers=())
    bench.run()
    assert RUN in [key for key, _, _ in bench.enqueued.calls]


def test_an_answer_to_a_refresh_does_not_undo_a_newer_edit() -> None:
    """The edit's event was handled while the GET was under way; its generation must not be lost."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(CREATE, status={"phase": "Running", "observedGeneration": 1}))
    bench.kube.edit(RUN, labels={"foreign": "label"})
    read = bench.kube.read

    async def overtaken(item: Snapshot) -> Snapshot:
        answer = await read(item)
        bench.store.observe_event(event(bench.kube.edit(RUN, generation=2)))
        return answer

    bench.kube.read = overtaken  # type: ignore[method-assign]
    bench.run()
    held = bench.store.get(RUN)
    assert held is not None
    assert held.generation == 2


@pytest.mark.parametrize("first", [RUN, CODE])
def test_a_config_map_edited_while_the_operator_was_down_wakes_its_runs(first: Key) -> None:
    """Whichever of the two lists comes first."""
    store = Store({"TrainingRun": lambda item: [CODE]})
    events = [event(snapshot(status=DONE), None), event(snapshot(CODE, uid="c", spec={"data": {"train.py": "new"}}), None)]
    woken: set[Key] = set()
    for each in events if first == RUN else reversed(events):
        woken |= store.observe_event(each)
    assert RUN in woken


def test_a_rewound_history_is_believed_after_our_write_came_back() -> None:
    """etcd was restored from a backup: the lower version of the new list is the truth."""
    store = Store({})
    store.observe_event(event(snapshot(generation=5, resource_version="500")))
    ours = snapshot(generation=5, resource_version="510", status=DONE)
    store.put(ours)
    store.observe_event(event(ours))
    assert store.observe_event(event(snapshot(generation=4, resource_version="400"), None)) == {RUN}


def test_a_label_of_the_namespace_wakes_its_runs() -> None:
    """A namespaceSelector may bind it now."""
    store = Store({"TrainingRun": training_run_references})
    store.observe_event(event(snapshot(NAMESPACE, uid="n"), None))
    store.observe_event(event(snapshot(status={"phase": "Pending", "observedGeneration": 1}), None))
    assert RUN in store.observe_event(event(snapshot(NAMESPACE, uid="n", resource_version="11", labels={"ml": "yes"})))


def test_the_first_lists_are_evaluated_under_a_stream_of_events() -> None:
    """An operator that waits for silence would never start in a busy cluster."""

    async def main(loop: VirtualLoop) -> bool:
        intake = Intake(Store({}), FakeKube(), {"TrainingRun"}, _ignore, lambda kind: None, [RUNS])

        class Life:
            established = True

        async def noise() -> None:
            number = 100
            while True:
                number += 1
                intake.observe(event(snapshot(resource_version=str(number), labels={"n": str(number)})))
                await asyncio.sleep(0.05)

        task = asyncio.create_task(noise())
        await asyncio.wait_for(intake.wait_evaluated(Life()), 60)  # type: ignore[arg-type]
        task.cancel()
        return intake.evaluated

    assert run_virtual(main)


def test_a_tenant_that_is_gone_is_found_although_the_first_look_failed() -> None:
    """As long as it stayed bound, its namespace would go on spending its money."""

    class Flaky(FakeKube):
        failures = 2

        async def read(self, item: Snapshot) -> Snapshot:
            self.failures -= 1
            if self.failures >= 0:
                raise (Unavailable("503", status=503), ValueError("a web page"))[self.failures]
            return await super().read(item)

    async def main(loop: VirtualLoop) -> bool:
        store, path = Store({"TrainingRun": lambda item: [any_of("Tenant")]}), TENANTS.collection()
        intake = Intake(store, Flaky(), {"TrainingRun"}, _ignore, lambda kind: None, [TENANTS])
        intake.list_begins(path)
        intake.observe(event(snapshot(TENANT), None))
        intake.list_ends(path)
        await asyncio.sleep(1)
        intake.list_begins(path)
        intake.list_ends(path)
        await asyncio.sleep(3 * RECHECK)
        return TENANT in store

    assert not run_virtual(main)


def test_an_object_that_is_gone_is_forgotten_by_its_kind() -> None:
    """Whoever let it go: the place that it held is passed on."""
    bench = Bench()
    bench.run()
    assert bench.kind.forgotten == [RUN]


def test_a_deletion_event_wakes_the_object_itself() -> None:
    """It may have been deleted without us: then only this tells its kind."""
    store = Store({})
    store.observe_event(event(snapshot(), "ADDED"))
    assert RUN in store.observe_event(event(snapshot(resource_version="12"), "DELETED"))


def test_a_status_that_the_schema_refuses_is_not_tried_all_the_time() -> None:
    """Every try reads AWS again."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=planning(status={"phase": "x"}))
    for _ in range(8):
        bench.kube.fail = [Unavailable("422 Invalid", status=422)]
        bench.run()
    assert bench.enqueued.delays[-1] > 300


def test_half_a_surrogate_pair_in_a_message_settles() -> None:
    """The API server stores a replacement character; what we compare with must be the same."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)))
    bench.kind.planned = lambda item: Plan(
        status=dict(replace_summary(item.status, stalled("AlgorithmError", "boom \ud83d"), 1, bench.clock.now()), phase="Failed"),
        requeue=Done(),
    )
    bench.run()
    assert bench.condition("Stalled")["message"].encode().decode() == "boom \ufffd"


def test_a_step_of_the_wall_clock_ends_no_quarantine() -> None:
    """A late create may still arrive; the new time is believed once it has held longer than every such wait."""
    seconds = {"wall": 1_000_000.0, "monotonic": 50.0}
    clock = SystemClock(lambda: seconds["wall"], lambda: seconds["monotonic"])
    before = clock.now()
    seconds["wall"] += 3600
    assert clock.now() - before < timedelta(seconds=1)
    for _ in range(2):
        seconds["wall"] += BELIEVED_AFTER
        seconds["monotonic"] += BELIEVED_AFTER
        after = clock.now()
    assert after - before == timedelta(seconds=3600 + 2 * BELIEVED_AFTER)


def test_slewing_is_followed_at_once() -> None:
    """An ordinary time service corrects by fractions."""
    seconds = {"wall": 1_000_000.0, "monotonic": 50.0}
    clock = SystemClock(lambda: seconds["wall"], lambda: seconds["monotonic"])
    before = clock.now()
    seconds["wall"] += 1
    assert clock.now() - before == timedelta(seconds=1)


def test_an_event_without_a_next_look_is_enough() -> None:
    """OnEvent schedules nothing."""
    bench = Bench(snapshot(finalizers=(FINALIZER,)), planned=lambda item: Plan(status=item.status, requeue=OnEvent()))
    bench.run()
    assert bench.enqueued.calls == []
