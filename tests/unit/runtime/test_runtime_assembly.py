"""runtime.assembly: start order and end of a process, on a fake API server and a fake watcher."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from runtime_fakes import FakeKind, event, snapshot

from sagemaker_gitops.config import Settings
from sagemaker_gitops.kube.credentials import Credentials
from sagemaker_gitops.kube.resources import CUSTOM, ResourceType
from sagemaker_gitops.kube.session import WatchLife
from sagemaker_gitops.runtime.assembly import Context, Operator, Wiring
from sagemaker_gitops.runtime.reconciler import Enqueue
from sagemaker_gitops.runtime.store import Store


class ScriptedWatcher:
    """Hands over one list, says that the watches stand, and waits for the stop."""

    def __init__(self, life: WatchLife, observe: Callable[[Mapping[str, Any]], None], order: list[str]) -> None:
        self._life = life
        self._observe = observe
        self._order = order
        self._stop = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> None:
        self._order.append("watch")
        started()
        self._observe(event(snapshot(), None))
        for watch in self._life._watches.values():
            watch.established = 1.0
        await self._stop.wait()
        self._order.append("watch ended")

    def stop(self) -> None:
        self._stop.set()


def operate(background: Callable[[Enqueue, Store, Callable[[], None]], Any], *, kind: FakeKind, order: list[str]) -> None:
    """Run an operator until `background`, which may call the stop, ends it."""

    async def main() -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.json_response({"items": []})

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stops: list[Callable[[], None]] = []

        def factory(context: Context) -> Wiring:
            async def close() -> None:
                order.append("closed")

            return Wiring(
                kinds={"TrainingRun": kind},
                background=[lambda enqueue, store: background(enqueue, store, lambda: stops[-1]())],
                close=close,
            )

        def make_watcher(life: WatchLife, resources: Sequence[ResourceType], observe: Any) -> ScriptedWatcher:
            return ScriptedWatcher(life, observe, order)

        settings = Settings(install_id="t", health_address=("127.0.0.1", 0), stop_grace=5.0)
        credentials = Credentials(f"http://127.0.0.1:{runner.addresses[0][1]}")
        try:
            async with AsyncExitStack() as stack, asyncio.timeout(20):
                operator = Operator(settings, credentials, CUSTOM, factory, make_watcher, stack)
                await operator.run(stops.append)
        finally:
            await runner.cleanup()

    asyncio.run(main())


def test_a_stop_ends_everything_in_order() -> None:
    """Passes first, then the watch, then what the kinds opened."""
    order: list[str] = []
    kind = FakeKind()
    seen = asyncio.Event()

    def observed() -> None:
        order.append("pass")
        seen.set()

    kind.during = observed

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        await seen.wait()
        stop()
        await asyncio.Event().wait()

    operate(background, kind=kind, order=order)
    assert order == ["watch", "pass", "watch ended", "closed"]


def test_a_broken_background_task_ends_the_operator() -> None:
    """An operator without its event intake must not look healthy: it stops in order and raises what broke."""
    order: list[str] = []

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        raise LookupError("queue does not exist")

    with pytest.raises(LookupError, match="queue does not exist"):
        operate(background, kind=FakeKind(), order=order)
    assert order[-1] == "closed"


def test_a_background_task_that_just_ends_is_a_failure_too() -> None:
    """Silence is not success."""

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        return None

    with pytest.raises(RuntimeError, match="background-0 ended by itself"):
        operate(background, kind=FakeKind(), order=[])
