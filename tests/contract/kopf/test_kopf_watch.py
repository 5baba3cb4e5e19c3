"""What we rely on in kopf 1.45, against a real API server. Red after an upgrade means: read its changes first."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from kopf_frame import Watching, config_map, run, training_run, watching

from local_cluster import LocalCluster
from sagemaker_gitops import shell
from sagemaker_gitops.core.resource import FINALIZER
from sagemaker_gitops.kube.resources import CONFIG_MAP, CUSTOM, RESOURCES, SOURCE_LABEL, ResourceType

pytestmark = pytest.mark.system

RUNS = RESOURCES["TrainingRun"]
WIDGETS = ResourceType("Widget", "contract.example", "v1", "widgets", True)


async def held(watch: Watching, name: str) -> dict[str, Any]:
    """The object as the API server has it."""
    found: dict[str, Any] = json.loads(await watch.kubectl("get", "tr", name, "-o", "json"))
    return found


def test_a_list_comes_with_type_none_and_then_real_types(cluster: LocalCluster) -> None:
    """The priority of a restart hangs on it."""

    async def main() -> None:
        async with watching(cluster, [RUNS]) as watch:
            await watch.apply(training_run("typed"))
            await watch.until(lambda: watch.types("typed") == ["ADDED"], "ADDED")
        async with watching(cluster, [RUNS]) as watch:
            await watch.until(lambda: watch.types("typed") == [None], "the item of the list")
            await watch.apply(training_run("typed", labels={"a": "b"}))
            await watch.until(lambda: watch.types("typed") == [None, "MODIFIED"], "MODIFIED")
            await watch.kubectl("delete", "tr", "typed")
            await watch.until(lambda: watch.types("typed")[-1] == "DELETED", "DELETED")

    run(main())


def test_every_object_is_handed_over_once_and_nothing_is_written(cluster: LocalCluster) -> None:
    """More objects than a chunk of the list; null storages write no annotation, no finalizer and no status."""

    async def main() -> None:
        names = [f"many-{number}" for number in range(520)]
        async with watching(cluster, [RUNS]) as watch:
            await watch.create_many(RUNS.collection("default"), [training_run(name) for name in names])
        async with watching(cluster, [RUNS]) as watch:
            await watch.until(lambda: len(watch.events) >= len(names), "the whole list")
            assert sorted(event["object"]["metadata"]["name"] for event in watch.events) == sorted(names)
            assert all(event["type"] is None for event in watch.events)
            await watch.kubectl("label", "tr", "many-0", "a=b")
            await watch.until(lambda: "MODIFIED" in watch.types("many-0"), "MODIFIED")
            metadata = (await held(watch, "many-0"))["metadata"]
            assert "annotations" not in metadata
            assert "finalizers" not in metadata
            await watch.kubectl("delete", "--raw", RUNS.collection("default"))
        ours = [event for event in cluster.audit() if event.user_agent.startswith("sagemaker-gitops")]
        assert {event.verb for event in ours} <= {"list", "watch", "get", "create"}
        assert sum(event.verb == "create" for event in ours) == len(names)

    run(main())


def test_our_finalizer_is_not_stripped(cluster: LocalCluster) -> None:
    """kopf removes the finalizer that its settings name when no handler needs it; ours has another name."""

    async def main() -> None:
        async with watching(cluster, [RUNS]) as watch:
            await watch.apply(training_run("guarded", finalizers=[FINALIZER]))
            await watch.kubectl("delete", "tr", "guarded", "--wait=false")
            await watch.until(lambda: any("deletionTimestamp" in e["object"]["metadata"] for e in watch.of("guarded")), "the deletion")
            await watch.kubectl("label", "tr", "guarded", "a=b")
            await watch.until(lambda: len(watch.of("guarded")) >= 3, "the event after the deletion")
            assert (await held(watch, "guarded"))["metadata"]["finalizers"] == [FINALIZER]
            patch = json.dumps({"metadata": {"finalizers": []}})
            await watch.kubectl("patch", "tr", "guarded", "--type=merge", "-p", patch)
            await watch.until(lambda: watch.types("guarded")[-1] == "DELETED", "DELETED")

    run(main())


def test_the_label_filter_works_on_the_servers_side(cluster: LocalCluster) -> None:
    """Other people's ConfigMaps never reach us; one that loses the label is reported as deleted."""

    async def main() -> None:
        labelled = {SOURCE_LABEL: "true"}
        async with watching(cluster, [CONFIG_MAP]) as watch:
            await watch.apply(config_map("foreign"), config_map("code", **labelled))
            await watch.until(lambda: watch.types("code") == ["ADDED"], "the labelled one")
            await watch.apply(config_map("code", "2", **labelled))
            await watch.until(lambda: watch.types("code") == ["ADDED", "MODIFIED"], "the edit")
            await watch.kubectl("label", "configmap", "code", f"{SOURCE_LABEL}-")
            await watch.until(lambda: watch.types("code")[-1] == "DELETED", "DELETED for the lost label")
            assert watch.of("foreign") == []

    run(main())


def test_a_watch_shows_life(cluster: LocalCluster) -> None:
    """Every event moves the stamp that health goes by."""

    async def main() -> None:
        async with watching(cluster, [RUNS]) as watch:
            before = watch.life.last_activity
            await watch.apply(training_run("lively"))
            await watch.until(lambda: watch.types("lively") != [], "the event")
            assert watch.life.last_activity > before
            await watch.kubectl("delete", "tr", "lively")

    run(main())


def test_an_api_server_that_dies_and_returns_is_survived(cluster: LocalCluster) -> None:
    """The watch goes on by itself, soon (failure-modes.md B5)."""

    async def main() -> None:
        async with watching(cluster, [RUNS, CONFIG_MAP]) as watch:
            await asyncio.to_thread(cluster.kill_apiserver)
            await asyncio.to_thread(cluster.restart_apiserver)
            await watch.apply(training_run("survivor"))
            await watch.until(lambda: watch.of("survivor") != [], "an event after the outage")
            await watch.kubectl("delete", "tr", "survivor")

    run(main())


def test_a_removed_crd_ends_the_watcher(cluster: LocalCluster, tmp_path: Path) -> None:
    """Better no operator than a blind one (failure-modes.md B13)."""
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.contract.example"},
        "spec": {
            "group": "contract.example",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }
    (tmp_path / "widgets.json").write_text(json.dumps(crd))
    cluster.apply_crds(tmp_path)

    async def main() -> None:
        async with watching(cluster, [WIDGETS, *CUSTOM]) as watch:
            ours = asyncio.create_task(asyncio.Event().wait())
            await watch.kubectl("delete", "crd", "widgets.contract.example")
            with pytest.raises(Exception, match=r"404|not find|NotFound"):
                await watch.until(lambda: False, "the end")
            assert asyncio.all_tasks() == {asyncio.current_task(), ours}
            assert not ours.cancelling()

    run(main())


def test_a_watch_that_swallows_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As kopf's do that wait for a connection; whatever else runs in the loop goes on, and what never ends is given up."""
    monkeypatch.setattr(shell, "GENTLE", 0.1)
    monkeypatch.setattr(shell, "INSISTENT", 0.5)
    source = """
async def swallow(times, started):
    while times:
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            times -= 1
"""
    names: dict[str, Any] = {"asyncio": asyncio}
    exec(compile(source, str(shell.KOPF / "watching.py"), "exec"), names)

    async def main() -> None:
        ours = asyncio.create_task(asyncio.Event().wait())
        for times, left in ((1, False), (3, False), (20, True)):
            started = asyncio.Event()
            stubborn = asyncio.create_task(names["swallow"](times, started))
            await started.wait()
            await shell.end_kopf([stubborn])
            assert stubborn.done() is not left
        assert not ours.cancelling()
        while not stubborn.done():
            stubborn.cancel()
            await asyncio.sleep(0)

    run(main())


def test_all_our_kinds_can_be_watched(cluster: LocalCluster) -> None:
    """kopf resolves every resource by group, version and plural; an unresolved one would only be warned about."""

    async def main() -> None:
        async with watching(cluster, CUSTOM) as watch:
            assert watch.life.established

    run(main())


def test_an_operator_of_one_namespace_sees_no_other(cluster: LocalCluster) -> None:
    """Namespaced kinds are watched there only, cluster-scoped ones as ever."""

    async def main() -> None:
        async with watching(cluster, [RUNS, RESOURCES["Tenant"]], namespace="default") as watch:
            cluster.create_namespaces("elsewhere")
            await watch.apply(training_run("foreign", namespace="elsewhere"), training_run("local"))
            await watch.until(lambda: watch.of("local") != [], "the event")
            assert watch.of("foreign") == []
            await watch.kubectl("delete", "tr", "local")
            await watch.kubectl("delete", "tr", "foreign", "--namespace", "elsewhere")

    run(main())
