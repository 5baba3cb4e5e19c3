"""A watcher on a real API server: start it, wait for what it hands over, stop it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from local_cluster import LocalCluster
from sagemaker_gitops.kube.credentials import from_kubeconfig
from sagemaker_gitops.kube.resources import ResourceType
from sagemaker_gitops.kube.session import WatchLife, open_session
from sagemaker_gitops.runtime.clock import SystemClock
from sagemaker_gitops.shell import Watcher

DEADLINE = 30.0  # seconds; a busy machine
Event = Mapping[str, Any]


@dataclass
class Watching:
    """What a watcher has handed over so far."""

    cluster: LocalCluster
    life: WatchLife
    task: asyncio.Task[None]
    events: list[Event] = field(default_factory=list)

    def of(self, name: str) -> list[Event]:
        return [event for event in self.events if event["object"]["metadata"]["name"] == name]

    def types(self, name: str) -> list[str | None]:
        return [event["type"] for event in self.of(name)]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for `condition`; fail with `what` after the deadline."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                if self.task.done():
                    self.task.result()
                    raise AssertionError(f"the watcher ended while waiting for {what}")
                await asyncio.sleep(0.02)

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        done = await asyncio.to_thread(self.cluster.kubectl, *arguments, stdin=stdin)
        return done.stdout

    async def create_many(self, path: str, objects: Sequence[Mapping[str, Any]]) -> None:
        """Without kubectl, which sends five a second."""
        credentials = from_kubeconfig(self.cluster.kubeconfig)
        async with open_session(credentials, connections=8) as session:
            answers = await asyncio.gather(*(session.post(f"{credentials.server}{path}", json=item) for item in objects))
        assert {answer.status for answer in answers} == {201}

    async def apply(self, *objects: Mapping[str, Any]) -> None:
        await self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


@asynccontextmanager
async def watching(cluster: LocalCluster, resources: Sequence[ResourceType], namespace: str = "") -> AsyncIterator[Watching]:
    """A watcher whose lists are complete; of one namespace if given."""
    life = WatchLife(SystemClock().monotonic)
    life.expect([item.collection(namespace if item.namespaced else "") for item in resources])
    seen: list[Event] = []
    watcher = Watcher(from_kubeconfig(cluster.kubeconfig), life, resources, seen.append, namespaces=(namespace,) if namespace else ())
    task = asyncio.create_task(watcher.run(lambda: None))
    found = Watching(cluster, life, task, seen)
    try:
        await found.until(lambda: life.established, "the first lists")
        yield found
    finally:
        watcher.stop()
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(task, return_exceptions=True)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def training_run(name: str, **metadata: Any) -> dict[str, Any]:
    """A valid TrainingRun."""
    return {
        "apiVersion": "sagemaker-gitops.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {
            "source": {"configMapRef": {"name": "code"}},
            "inputs": [{"name": "raw", "s3Uri": "s3://team-a-ml/raw/"}],
            "train": {"framework": {"name": "sklearn", "version": "1.4-2"}, "entryPoint": "train.py", "channels": ["raw"]},
        },
    }


def config_map(name: str, data: str = "1", **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"train.py": data}}
