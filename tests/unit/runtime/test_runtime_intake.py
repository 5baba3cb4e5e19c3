"""runtime.intake: priorities, readiness, and what a relist did not show."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from runtime_fakes import RUN, Enqueued, FakeKube, VirtualLoop, event, run_virtual, snapshot

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube.resources import CONFIG_MAP, RESOURCES, SOURCE_LABEL
from sagemaker_gitops.kube.session import WatchLife
from sagemaker_gitops.runtime.intake import Intake
from sagemaker_gitops.runtime.ports import Unavailable
from sagemaker_gitops.runtime.queue import Priority
from sagemaker_gitops.runtime.store import Store, any_of

RUNS, TENANTS = RESOURCES["TrainingRun"], RESOURCES["Tenant"]
TENANT, CODE = Key("Tenant", "", "team-a"), Key("ConfigMap", "team-a", "code")
LABELS = {SOURCE_LABEL: "true"}


class Bench:
    """An intake on a fake API server; every TrainingRun refers to any Tenant and to one ConfigMap."""

    def __init__(self) -> None:
        self.store = Store({"TrainingRun": lambda item: [any_of("Tenant"), CODE]})
        self.kube = FakeKube()
        self.enqueued = Enqueued()
        self.counted: list[str] = []
        self.intake = Intake(self.store, self.kube, {"TrainingRun"}, self.enqueued, self.counted.append, [RUNS, TENANTS, CONFIG_MAP])

    async def relist(self, path: str, *listed: dict[str, object]) -> None:
        """A list begins, shows `listed`, and its watch is established; wait for the check that follows."""
        self.intake.list_begins(path)
        for item in listed:
            self.intake.observe(item)
        self.intake.list_ends(path)
        await asyncio.sleep(5)

    def woken(self) -> set[Key]:
        return {key for key, _, _ in self.enqueued.calls}


def test_an_edit_goes_before_a_restart() -> None:
    """Items of a list are in no hurry, events of people are."""
    bench = Bench()
    bench.intake.observe(event(snapshot(), None))
    bench.intake.observe(event(snapshot(generation=2, resource_version="11")))
    assert [priority for _, _, priority in bench.enqueued.calls] == [Priority.RESTART, Priority.USER_EDIT]
    assert bench.counted == ["TrainingRun", "TrainingRun"]


def test_only_kinds_with_passes_are_enqueued() -> None:
    """A Tenant has no pass of its own; the runs under it have."""
    bench = Bench()
    bench.intake.observe(event(snapshot(TENANT), None))
    assert bench.enqueued.calls == []
    bench.intake.observe(event(snapshot(), None))
    bench.intake.observe(event(snapshot(TENANT, generation=2, spec={"n": 2}, resource_version="11")))
    assert bench.woken() == {RUN}


def test_a_tenant_deleted_during_an_outage_is_forgotten() -> None:
    """The relist reports no deletion, so the API server is asked; the runs hear of it."""

    async def main(loop: VirtualLoop) -> Bench:
        bench = Bench()
        await bench.relist(TENANTS.collection(), event(snapshot(TENANT), None))
        bench.intake.observe(event(snapshot(), None))
        bench.enqueued.calls.clear()
        await bench.relist(TENANTS.collection())
        return bench

    bench = run_virtual(main)
    assert TENANT not in bench.store
    assert bench.woken() == {RUN}
    assert bench.kube.reads == 1


def test_what_a_relist_missed_but_exists_is_kept() -> None:
    """Absence from a list is no evidence: an object written a moment later is read and stays."""

    async def main(loop: VirtualLoop) -> Bench:
        bench = Bench()
        await bench.relist(TENANTS.collection(), event(snapshot(TENANT), None))
        bench.kube.apply(snapshot(TENANT))
        await bench.relist(TENANTS.collection())
        return bench

    bench = run_virtual(main)
    assert TENANT in bench.store


def test_a_config_map_that_lost_its_label_meanwhile_is_forgotten() -> None:
    """It exists but would never be heard of again."""

    async def main(loop: VirtualLoop) -> Bench:
        bench = Bench()
        labelled = snapshot(CODE, labels=LABELS)
        await bench.relist(CONFIG_MAP.collection(), event(labelled, None))
        bench.intake.observe(event(snapshot(), None))
        bench.kube.apply(replace(labelled, labels={}))
        bench.enqueued.calls.clear()
        await bench.relist(CONFIG_MAP.collection())
        return bench

    bench = run_virtual(main)
    assert CODE not in bench.store
    assert bench.woken() == {RUN}


def test_an_unreachable_api_server_forgets_nothing() -> None:
    """Not knowing is not absence."""

    class Down(FakeKube):
        async def read(self, item: Snapshot) -> Snapshot:
            raise Unavailable("refused")

    async def main(loop: VirtualLoop) -> Bench:
        bench = Bench()
        bench.intake = Intake(bench.store, Down(), {"TrainingRun"}, bench.enqueued, bench.counted.append, [TENANTS])
        await bench.relist(TENANTS.collection(), event(snapshot(TENANT), None))
        await bench.relist(TENANTS.collection())
        return bench

    assert TENANT in run_virtual(main).store


def test_one_object_that_cannot_be_read_does_not_hide_the_others() -> None:
    """Each is asked for on its own: a Tenant that is gone is forgotten although another's answer was lost."""
    lost = Key("Tenant", "", "a-lost")

    class Partly(FakeKube):
        async def read(self, item: Snapshot) -> Snapshot:
            if item.key == lost:
                raise Unavailable("lost")
            return await super().read(item)

    async def main(loop: VirtualLoop) -> Bench:
        bench = Bench()
        bench.intake = Intake(bench.store, Partly(), {"TrainingRun"}, bench.enqueued, bench.counted.append, [TENANTS])
        await bench.relist(TENANTS.collection(), event(snapshot(lost, uid="u-2"), None), event(snapshot(TENANT), None))
        await bench.relist(TENANTS.collection())
        return bench

    bench = run_virtual(main)
    assert lost in bench.store
    assert TENANT not in bench.store


class Hanging(FakeKube):
    """An API server that takes requests and answers none."""

    cancelled = 0

    async def read(self, item: Snapshot) -> Snapshot:
        try:
            await asyncio.sleep(10_000)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError("waited to the end")


def test_a_watch_that_resumes_asks_nothing() -> None:
    """kopf reconnects every few minutes without a list: nothing can have been missed, so nobody is asked."""

    async def main(loop: VirtualLoop) -> list[int]:
        bench, path, checks = Bench(), TENANTS.collection(), []
        for begin in (False, True, False):
            if begin:
                bench.intake.list_begins(path)
            bench.intake.list_ends(path)
            checks.append(len(bench.intake._checks))
        await asyncio.sleep(5)
        return [*checks, len(bench.intake._checks)]

    assert run_virtual(main) == [0, 1, 1, 0]


def test_items_that_are_still_being_handed_over_are_not_asked_for() -> None:
    """The watch is established before kopf has told us of the last item: ten thousand objects are not read one by one."""

    async def main(loop: VirtualLoop) -> Bench:
        bench, path = Bench(), TENANTS.collection()
        await bench.relist(path, event(snapshot(TENANT), None))
        bench.intake.list_begins(path)
        bench.intake.list_ends(path)
        await asyncio.sleep(0.05)
        bench.intake.observe(event(snapshot(TENANT), None))
        await asyncio.sleep(5)
        return bench

    bench = run_virtual(main)
    assert bench.kube.reads == 0
    assert TENANT in bench.store


def test_closing_ends_the_checks_under_way() -> None:
    """An operator that stops does not wait for an API server that hangs."""

    async def main(loop: VirtualLoop) -> tuple[float, int]:
        bench, kube, path = Bench(), Hanging(), TENANTS.collection()
        bench.intake = Intake(bench.store, kube, {"TrainingRun"}, bench.enqueued, bench.counted.append, [TENANTS])
        await bench.relist(path, event(snapshot(TENANT), None))
        await bench.relist(path)
        before = loop.time()
        await bench.intake.close()
        return loop.time() - before, kube.cancelled

    took, cancelled = run_virtual(main)
    assert took < 1
    assert cancelled == 1


def test_an_edit_that_a_relist_missed_is_acted_upon() -> None:
    """The object was written after the list was read; its GET brings the edit, and no event will."""

    async def main(loop: VirtualLoop) -> Bench:
        bench, path = Bench(), RUNS.collection()
        await bench.relist(path, event(snapshot(), None))
        bench.kube.apply(snapshot(generation=2, resource_version="11"))
        bench.enqueued.calls.clear()
        await bench.relist(path)
        return bench

    assert run_virtual(main).woken() == {RUN}


def test_an_operator_of_some_namespaces_lists_those() -> None:
    """One collection for each; what belongs to the cluster is watched whole."""
    bench = Bench()
    intake = Intake(bench.store, bench.kube, {"TrainingRun"}, bench.enqueued, bench.counted.append, [RUNS, TENANTS], ("team-a", "team-b"))
    assert set(intake.paths) == {RUNS.collection("team-a"), RUNS.collection("team-b"), TENANTS.collection()}
    assert set(bench.intake.paths) == {RUNS.collection(), TENANTS.collection(), CONFIG_MAP.collection()}


class ListedLife(WatchLife):
    """A WatchLife whose lists are complete when a test says so."""

    listed = False

    @property
    def established(self) -> bool:
        return self.listed


def test_evaluated_only_after_lists_are_complete_and_handed_over() -> None:
    """Work begins on whole lists: the watches stand, and no item has come for a while."""

    async def main(loop: VirtualLoop) -> tuple[bool, bool, bool, float]:
        bench, life = Bench(), ListedLife(loop.time)
        waiting = asyncio.create_task(bench.intake.wait_evaluated(life))
        await asyncio.sleep(1)
        early = waiting.done()
        life.listed = True
        for number in range(20):
            bench.intake.observe(event(snapshot(Key("TrainingRun", "team-a", str(number)), uid=str(number)), None))
            await asyncio.sleep(0.05)
        during = bench.intake.evaluated
        last = loop.time()
        await waiting
        return early, during, bench.intake.evaluated, loop.time() - last

    early, during, after, settled = run_virtual(main)
    assert (early, during, after) == (False, False, True)
    assert settled < 1
