"""runtime.assembly: start order and end of a process, on a fake API server and a fake watcher."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from runtime_fakes import RUN, FakeKind, event, snapshot

from sagemaker_gitops.config import Settings
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube.credentials import Credentials
from sagemaker_gitops.kube.resources import CUSTOM, ResourceType
from sagemaker_gitops.kube.session import WatchLife
from sagemaker_gitops.runtime import assembly, crds
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


@dataclass
class Api:
    """An API server with empty collections and nothing to write. `faults` come first, one per request: a status, or "drop"; what ends with
    `gone` does not exist.
    """

    faults: list[int | str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    gone: str = "nothing"

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path))
        if request.method not in ("GET", "POST"):
            return web.Response(status=405)
        fault = self.faults.pop(0) if self.faults else 404 if request.path.endswith(self.gone) else 200
        if fault == "drop":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"items": []}, status=fault if isinstance(fault, int) else 200)


@dataclass
class Seen:
    """What a test can look at once the operator has ended."""

    operator: Operator
    context: Context
    signals: int


def operate(
    background: Callable[[Enqueue, Store, Callable[[], None]], Any],
    *,
    kind: FakeKind,
    order: list[str],
    api: Api | None = None,
    watcher: type[ScriptedWatcher] = ScriptedWatcher,
    **changes: Any,
) -> Seen:
    """Run an operator until `background`, which may call the stop, ends it. `changes` are settings."""
    served = api or Api()

    async def main() -> Seen:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", served.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stops: list[Callable[[], None]] = []
        contexts: list[Context] = []

        def factory(context: Context) -> Wiring:
            contexts.append(context)

            async def close() -> None:
                order.append("closed")

            return Wiring(
                kinds={"TrainingRun": kind},
                background=[lambda enqueue, store: background(enqueue, store, lambda: stops[-1]())],
                close=close,
            )

        def make_watcher(life: WatchLife, resources: Sequence[ResourceType], observe: Any) -> ScriptedWatcher:
            return watcher(life, observe, order)

        settings = replace(Settings(install_id="t", health_address=("127.0.0.1", 0), stop_grace=5.0), **changes)
        credentials = Credentials(f"http://127.0.0.1:{runner.addresses[0][1]}")
        try:
            async with AsyncExitStack() as stack, asyncio.timeout(20):
                operator = Operator(settings, credentials, CUSTOM, factory, make_watcher, stack)
                await operator.run(stops.append)
        finally:
            await runner.cleanup()
        return Seen(operator, contexts[0], len(stops))

    return asyncio.run(main())


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


async def stop_at_once(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
    """A background task that ends the operator as soon as it can."""
    stop()
    await asyncio.Event().wait()


def address(caplog: pytest.LogCaptureFixture) -> str:
    """Where the operator serves its health."""
    (record,) = [record for record in caplog.records if record.getMessage() == "serving"]
    return f"http://{record.address}"  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", [404, 403, 503, "drop"])
def test_the_watch_begins_when_the_crds_are_there(
    fault: int | str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A watcher that starts without them would idle for ever; the wait is said once, not every two seconds."""
    monkeypatch.setattr(crds, "PAUSE", 0.01)
    api, order, kind, seen = Api(faults=[fault] * 3), list[str](), FakeKind(), asyncio.Event()
    kind.during = seen.set

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        await seen.wait()
        order.append(f"{len(api.faults)} faults left")
        await stop_at_once(enqueue, store, stop)

    operate(background, kind=kind, order=order, api=api)
    assert order == ["watch", "0 faults left", "watch ended", "closed"]
    assert sum(record.getMessage() == "waiting_for_crds" for record in caplog.records) == 1


def test_an_operator_of_some_namespaces_asks_for_nothing_beyond_them() -> None:
    """Its role lets it list our kinds there, and nowhere else; Tenants are cluster-scoped."""
    api, kind, seen = Api(), FakeKind(), asyncio.Event()
    kind.during = seen.set

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        await seen.wait()
        await stop_at_once(enqueue, store, stop)

    operate(background, kind=kind, order=[], api=api, namespaces=("team-a", "team-b"))
    root = "/apis/sagemaker-gitops.dev/v1alpha1"
    asked = {path for method, path in api.requests if method == "GET"}
    assert {f"{root}/namespaces/{namespace}/trainingruns" for namespace in ("team-a", "team-b")} <= asked
    assert {path for path in asked if "/namespaces/" not in path} <= {f"{root}/tenants"}


def test_a_stop_while_the_crds_are_awaited_ends_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no watcher yet that could wind itself down."""
    monkeypatch.setattr(crds, "PAUSE", 0.01)
    order: list[str] = []
    operate(stop_at_once, kind=FakeKind(), order=order, api=Api(faults=[404] * 1000))
    assert order == ["closed"]


def test_an_operator_without_one_of_its_crds_works_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No restart would help, so its probes are content; the next process watches the one that came back."""
    caplog.set_level("INFO")
    for name, seconds in (("PAUSE", 0.01), ("GRACE", 0.05), ("LOOK_AGAIN", 0.01)):
        monkeypatch.setattr(crds, name, seconds)
    api, kind, seen, answers = Api(gone="/modelendpoints"), FakeKind(), asyncio.Event(), list[tuple[int, str]]()
    kind.during = seen.set

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        await seen.wait()
        async with aiohttp.ClientSession() as session, session.get(f"{address(caplog)}/healthz") as response:
            answers.append((response.status, await response.text()))
        api.gone = "nothing"
        await asyncio.Event().wait()

    with pytest.raises(crds.CrdAppeared, match="modelendpoints exists now"):
        operate(background, kind=kind, order=[], api=api)
    assert answers == [(200, "ok")]
    assert [record.path for record in caplog.records if record.getMessage() == "crds_left_out"] == [  # type: ignore[attr-defined]
        "/apis/sagemaker-gitops.dev/v1alpha1/modelendpoints"
    ]


def test_an_operator_without_crds_says_so_and_is_not_ready(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The first thing that people look at: the probes of its pod. Its port is closed when it ends."""
    caplog.set_level("INFO")
    monkeypatch.setattr(crds, "PAUSE", 0.01)
    answers: list[tuple[int, str]] = []

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        async with aiohttp.ClientSession() as session:
            for path in ("healthz", "readyz"):
                async with session.get(f"{address(caplog)}/{path}") as response:
                    answers.append((response.status, await response.text()))
        await stop_at_once(enqueue, store, stop)

    operate(background, kind=FakeKind(), order=[], api=Api(faults=[404] * 1000))
    (alive, why), (ready, _) = answers
    assert (alive, ready) == (503, 503)
    assert "install the CRDs" in why

    async def call() -> None:
        async with aiohttp.ClientSession() as session:
            await session.get(f"{address(caplog)}/healthz")

    with pytest.raises(aiohttp.ClientConnectorError):
        asyncio.run(call())


def test_no_pass_begins_before_the_first_lists_are_whole() -> None:
    """A Tenant that is listed last would be missing in the first passes."""
    order: list[str] = []
    kind, listed, seen = FakeKind(), asyncio.Event(), asyncio.Event()

    class Slow(ScriptedWatcher):
        async def run(self, started: Callable[[], None]) -> None:
            self._observe(event(snapshot(), None))
            await listed.wait()
            order.append("listed")
            await super().run(started)

    def observed() -> None:
        order.append("pass")
        seen.set()

    kind.during = observed

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        await asyncio.sleep(0.3)
        listed.set()
        await seen.wait()
        await stop_at_once(enqueue, store, stop)

    operate(background, kind=kind, order=order, watcher=Slow)
    assert order[:3] == ["listed", "watch", "pass"]


def test_a_pass_under_way_ends_before_anything_is_closed() -> None:
    """SIGTERM in the middle of an AWS call: its answer is still written down (failure-modes.md B17)."""
    order: list[str] = []

    class Slow(FakeKind):
        async def observe(self, item: Snapshot, resource: Any, now: Any) -> None:
            order.append("begins")
            began.set()
            await asyncio.sleep(0.2)
            order.append("ends")

    began = asyncio.Event()

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        await began.wait()
        await stop_at_once(enqueue, store, stop)

    seen = operate(background, kind=Slow(), order=order)
    assert order == ["watch", "begins", "ends", "watch ended", "closed"]
    assert seen.context.kube._session.closed
    assert seen.signals == 2, "kopf takes the signals for itself when it starts: they are taken back then"


def test_one_namespace_cannot_hang_the_operator() -> None:
    """Three quarters of the workers are all that a tenant whose calls hang can hold (failure-modes.md B16)."""
    other = Key("TrainingRun", "team-b", "digits")
    done = asyncio.Event()
    hung: list[Key] = []

    class Many(ScriptedWatcher):
        async def run(self, started: Callable[[], None]) -> None:
            for number in range(8):
                self._observe(event(snapshot(replace(RUN, name=str(number)), uid=str(number)), None))
            self._observe(event(snapshot(other, uid="other"), None))
            await super().run(started)

    class Partly(FakeKind):
        async def observe(self, item: Snapshot, resource: Any, now: Any) -> None:
            if item.key == other:
                done.set()
                return
            hung.append(item.key)
            await asyncio.Event().wait()

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        await done.wait()
        await asyncio.sleep(0.1)
        await stop_at_once(enqueue, store, stop)

    seen = operate(background, kind=Partly(), order=[], watcher=Many, workers=4, stop_grace=0.1, longest_backoff=7.0)
    assert len(hung) == 3
    assert seen.operator._reconciler._longest == 7.0


def test_kubernetes_events_are_posted() -> None:
    """The poster runs as long as the operator does."""
    api = Api()

    async def background(enqueue: Enqueue, store: Store, stop: Callable[[], None]) -> None:
        contexts[0].kube.event(snapshot(), type_="Normal", reason="Training", message="m")
        while not any(method == "POST" for method, _ in api.requests):
            await asyncio.sleep(0.01)
        await stop_at_once(enqueue, store, stop)

    contexts: list[Context] = []
    original = assembly.Context

    def remembering(*parts: Any) -> Context:
        contexts.append(original(*parts))
        return contexts[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "Context", remembering)
        operate(background, kind=FakeKind(), order=[], api=api)
    assert ("POST", "/apis/events.k8s.io/v1/namespaces/team-a/events") in api.requests
