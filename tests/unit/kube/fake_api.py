"""A small API server on loopback: objects with resourceVersions, merge patches, and faults on demand.

For what a real one cannot be told to do: lose an answer, refuse a rate, conflict every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from sagemaker_gitops.core.merge_patch import apply_merge_patch
from sagemaker_gitops.kube.client import KubeClient
from sagemaker_gitops.kube.credentials import Credentials
from sagemaker_gitops.kube.events import EventPoster
from sagemaker_gitops.kube.session import open_session
from sagemaker_gitops.runtime.clock import SystemClock

T = TypeVar("T")
RUNS = "/apis/sagemaker-gitops.dev/v1alpha1/namespaces/team-a/trainingruns"
EVENTS = "/apis/events.k8s.io/v1/namespaces/team-a/events"


def training_run(**metadata: Any) -> dict[str, Any]:
    """The JSON of a TrainingRun."""
    known = {"name": "digits", "namespace": "team-a", "uid": "u-1", "resourceVersion": "10", "generation": 1}
    return {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "TrainingRun", "metadata": {**known, **metadata}, "spec": {"n": 1}}


@dataclass
class FakeApi:
    """`faults` are taken one per request: a status to answer with, "drop" before or "lose" after the work is done."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[int | str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    most_at_once: int = 0
    pause: float = 0.0
    _running: int = 0
    _version: int = 100

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            if self.pause:
                await asyncio.sleep(self.pause)
            return await self._handle(request)
        finally:
            self._running -= 1

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self.authorizations.append(request.headers.get("Authorization", ""))
        body = await request.json() if request.can_read_body else None
        self.bodies.append(body)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            return web.json_response({"kind": "Status", "message": f"fault {fault}"}, status=fault, headers=self.headers)
        if fault == "drop":
            return self._hang_up(request)
        answer = self._work(request, body)
        return self._hang_up(request) if fault == "lose" else answer

    def _work(self, request: web.Request, body: Any) -> web.StreamResponse:
        if request.method == "POST":
            return web.json_response(body, status=201)
        path = request.path.removesuffix("/status")
        held = self.objects.get(path)
        if held is None:
            return web.json_response({"message": "not found"}, status=404)
        if request.method == "PATCH":
            if body["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
                return web.json_response({"message": "the object has been modified"}, status=409)
            held = self.objects[path] = self._patched(held, body)
        return web.json_response(held)

    def _patched(self, held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        new = apply_merge_patch(held, body)
        if new != held:
            self._version += 1
            new["metadata"] = {**new["metadata"], "resourceVersion": str(self._version)}
        return new

    @staticmethod
    def _hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@dataclass
class Counted:
    """WriteRecorder that remembers."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def kube_request(self, verb: str, kind: str, outcome: str) -> None:
        self.calls.append((verb, kind, outcome))


@asynccontextmanager
async def serving(api: FakeApi) -> AsyncIterator[str]:
    """The URL of `api` on a free port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class Bench:
    """A client on a fake API server."""

    api: FakeApi
    client: KubeClient
    events: EventPoster
    recorded: Counted
    session: aiohttp.ClientSession


def with_client(api: FakeApi, use: Callable[[Bench], Awaitable[T]], **credentials: Any) -> T:
    """Run `use` with a client that talks to `api`."""

    async def main() -> T:
        async with serving(api) as url, open_session(Credentials(url, **credentials)) as session:
            recorded = Counted()
            events = EventPoster(session, url, "pod-1", SystemClock(), recorded.kube_request)
            return await use(Bench(api, KubeClient(session, url, recorded, events), events, recorded, session))

    return asyncio.run(main())
