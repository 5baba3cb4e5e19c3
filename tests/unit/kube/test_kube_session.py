"""kube.session: what a watch lets us see from outside."""

from __future__ import annotations

import asyncio

from aiohttp import web
from fake_api import FakeApi, serving

from sagemaker_gitops.kube.credentials import Credentials
from sagemaker_gitops.kube.session import WatchLife, open_session

PATH = "/apis/sagemaker-gitops.dev/v1alpha1/trainingruns"


class Streaming(FakeApi):
    """Answers a watch with chunks, one per permit."""

    def __init__(self) -> None:
        super().__init__()
        self.permits: asyncio.Queue[bytes] = asyncio.Queue()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        while chunk := await self.permits.get():
            await response.write(chunk)
        return response


def test_lists_and_chunks_are_signs_of_life() -> None:
    """A list, the headers of a watch and each bookmark move the stamp; other requests do not."""

    async def main() -> tuple[list[str], list[bool], list[float]]:
        now = [0.0]
        seen: list[str] = []
        life = WatchLife(lambda: now[0], on_list=lambda _: seen.append("list"), on_watch=lambda _: seen.append("watch"))
        life.expect([PATH])
        api = Streaming()
        stamps, established = [], []
        async with serving(api) as url, open_session(Credentials(url), life=life) as session:
            now[0] = 10.0
            await (await session.get(f"{url}/version")).read()
            stamps.append(life.last_activity)
            await (await session.get(f"{url}{PATH}", params={"limit": "500"})).read()
            await (await session.get(f"{url}{PATH}", params={"limit": "500", "continue": "x"})).read()
            stamps.append(life.last_activity)
            established.append(life.established)
            now[0] = 20.0
            async with session.get(f"{url}{PATH}", params={"watch": "true"}) as response:
                stamps.append(life.last_activity)
                established.append(life.established)
                now[0] = 30.0
                api.permits.put_nowait(b"bookmark\n")
                chunks = response.content.iter_chunked(1024)
                await anext(chunks)
                stamps.append(life.last_activity)
                api.permits.put_nowait(b"")
        return seen, established, stamps

    seen, established, stamps = asyncio.run(main())
    assert seen == ["list", "watch"]
    assert established == [False, True]
    assert stamps == [0.0, 10.0, 20.0, 30.0]


def test_each_silent_watch_is_named() -> None:
    """One dead watch among living ones is found."""
    now = [0.0]
    life = WatchLife(lambda: now[0])
    life.expect([PATH, "/api/v1/configmaps"])
    now[0] = 100.0
    assert life.silent(99.0) == ["/api/v1/configmaps", PATH]
    assert life.silent(100.0) == []
    assert not life.established


def test_a_refusal_is_no_sign_of_life() -> None:
    """An API server that answers every list and watch with an error tells us nothing of our objects (failure-modes.md B12)."""

    async def main() -> tuple[list[str], bool, list[str]]:
        now = [0.0]
        seen: list[str] = []
        life = WatchLife(lambda: now[0], on_watch=seen.append)
        life.expect([PATH])
        api = FakeApi(faults=[503, 403])
        async with serving(api) as url, open_session(Credentials(url), life=life) as session:
            now[0] = 100.0
            await (await session.get(f"{url}{PATH}")).read()
            await (await session.get(f"{url}{PATH}", params={"watch": "true"})).read()
        return life.silent(99.0), life.established, seen

    assert asyncio.run(main()) == ([PATH], False, [])


def test_a_write_is_no_sign_of_life() -> None:
    """Only what brings objects to us counts."""

    async def main() -> list[str]:
        now = [0.0]
        life = WatchLife(lambda: now[0])
        life.expect([PATH])
        async with serving(FakeApi()) as url, open_session(Credentials(url), life=life) as session:
            now[0] = 100.0
            await (await session.post(f"{url}{PATH}", json={})).read()
        return life.silent(99.0)

    assert asyncio.run(main()) == [PATH]


def test_a_watcher_that_expects_nothing_is_not_established() -> None:
    """Work begins on whole lists, not on none: before the CRDs are there nothing is expected yet."""
    assert not WatchLife(lambda: 0.0).established


def test_silence_counts_from_the_expectation() -> None:
    """The CRDs may come an hour after the process."""
    now = [0.0]
    life = WatchLife(lambda: now[0])
    now[0] = 3600.0
    life.expect([PATH])
    assert life.silent(10.0) == []
    assert life.last_activity == 3600.0


def test_connections_are_bounded() -> None:
    """A burst of passes queues here, not at the API server."""

    async def main() -> int:
        api = FakeApi(pause=0.05)
        async with serving(api) as url, open_session(Credentials(url), connections=2) as session:

            async def get() -> None:
                await (await session.get(f"{url}{PATH}")).read()

            await asyncio.gather(*(get() for _ in range(6)))
        return api.most_at_once

    assert asyncio.run(main()) == 2
