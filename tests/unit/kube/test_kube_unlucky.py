"""Answers that are none of Kubernetes': a login page, a redirect to somebody else, silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from fake_api import Counted, FakeApi, serving, training_run

from sagemaker_gitops.kube.client import KubeClient
from sagemaker_gitops.kube.credentials import Credentials
from sagemaker_gitops.kube.errors import Unavailable
from sagemaker_gitops.kube.objects import snapshot_of
from sagemaker_gitops.kube.session import WatchLife, open_session
from sagemaker_gitops.runtime.health import Health

PATH = "/apis/sagemaker-gitops.dev/v1alpha1/trainingruns"


@asynccontextmanager
async def answering(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server that answers everything with `handle`; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _read(url: str, token: str = "") -> None:
    nobody: Any = None
    async with open_session(Credentials(url, token=token)) as session:
        await KubeClient(session, url, Counted(), nobody).read(snapshot_of(training_run()))


def test_a_web_page_is_no_answer_of_the_api_server() -> None:
    """A proxy's login page with status 200: to be waited for, not a bug of ours."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>login</html>", content_type="text/html")

    async def main() -> None:
        async with answering(page) as url:
            await _read(url)

    with pytest.raises(Unavailable, match="no JSON"):
        asyncio.run(main())


def test_a_redirect_to_another_host_does_not_get_the_token() -> None:
    """It is the right to write statuses."""

    async def main() -> list[str]:
        other = FakeApi()
        async with serving(other) as elsewhere:

            async def redirect(_: web.Request) -> web.Response:
                return web.Response(status=307, headers={"Location": elsewhere.replace("127.0.0.1", "localhost") + "/steal"})

            async with answering(redirect) as url:
                with pytest.raises(Exception):  # noqa: B017 - whatever the other host says
                    await _read(url, "hush")
        return other.authorizations

    assert "Bearer hush" not in asyncio.run(main())


def test_an_api_server_that_hangs_is_no_reason_to_restart() -> None:
    """The liveness probe answers before the kubelet loses patience."""
    asked: list[str] = []

    async def hangs(path: str) -> int:
        asked.append(path)
        await asyncio.sleep(3600)
        return 200

    async def main() -> str:
        health = Health(WatchLife(lambda: 0.0), hangs, lambda: [PATH], lambda: True)
        return (await asyncio.wait_for(health.alive(), 5)).problem

    assert asyncio.run(main()) == ""
    assert asked == [PATH]
