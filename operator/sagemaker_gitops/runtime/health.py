"""/healthz, /readyz and /metrics on one port. Health is the watch's: a process that no longer hears of changes is not alive.

Alive: every watched collection showed life within `silence` seconds, or the API server does not answer either (a restart
would not help), and the CRDs are there that were there at start. Ready: the first lists were evaluated and the watches are not late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from aiohttp import web

from sagemaker_gitops.kube.errors import Unavailable
from sagemaker_gitops.kube.session import WatchLife
from sagemaker_gitops.runtime.metrics import CONTENT_TYPE, Metrics

READY_SILENCE = 90.0  # seconds; the API server sends a bookmark about every 60
PATIENCE = 0.8  # seconds; kubelet gives a probe one, and an API server that hangs is no reason to restart
ALIVE_SILENCE = 150.0  # kopf reconnects a silent watch after 70: twice that has failed


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problem` is empty when all is well."""

    problem: str = ""

    @property
    def status(self) -> int:
        return 503 if self.problem else 200


class Health:
    """`probe` asks the API server for a collection and answers with the HTTP status; it raises Unavailable. `required` must exist."""

    def __init__(
        self,
        life: WatchLife,
        probe: Callable[[str], Awaitable[int]],
        required: Callable[[], Collection[str]],
        evaluated: Callable[[], bool],
    ) -> None:
        self._life = life
        self._probe = probe
        self._required = required
        self._evaluated = evaluated

    async def alive(self) -> Verdict:
        """Whether a restart would not help."""
        silent = self._life.silent(ALIVE_SILENCE)
        for path in sorted({*silent, *self._required()}):
            try:
                status = await asyncio.wait_for(self._probe(path), PATIENCE)
            except (Unavailable, TimeoutError):
                return Verdict()
            if status == 404:
                return Verdict(f"{path} does not exist: install the CRDs (kubectl apply -f crds/)")
            if path in silent and status == 200:
                return Verdict(f"no sign of life from the watch of {path} for {ALIVE_SILENCE:.0f} s, and the API server answers")
        return Verdict()

    async def ready(self) -> Verdict:
        """Whether changes are heard of and acted upon."""
        if not self._evaluated():
            return Verdict("the first lists are not evaluated yet")
        if silent := self._life.silent(READY_SILENCE):
            return Verdict(f"no sign of life from the watch of {', '.join(silent)} for {READY_SILENCE:.0f} s")
        return Verdict()


async def serve(host: str, port: int, health: Health, metrics: Metrics) -> tuple[web.AppRunner, int]:
    """Start the server; port 0 takes a free one. Returns the runner, to be cleaned up, and the port."""

    def answer(check: Callable[[], Awaitable[Verdict]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(_: web.Request) -> web.Response:
            verdict = await check()
            return web.Response(status=verdict.status, text=verdict.problem or "ok")

        return handle

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.scrape(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes([web.get("/healthz", answer(health.alive)), web.get("/readyz", answer(health.ready)), web.get("/metrics", scrape)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, runner.addresses[0][1]
