"""One aiohttp session per purpose, logged in afresh on every request, and the watch seen from outside.

kopf says nothing about the health of its watches (its /healthz answers 200 while it is blind), so the session that it is
given counts what arrives: the headers of each list and watch, and each chunk of a watch. A bookmark is a chunk, so a quiet
watch shows life every minute. Nothing of kopf is patched: a client middleware is public API of aiohttp.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from sagemaker_gitops.kube.credentials import Credentials, TokenSource

USER_AGENT = "sagemaker-gitops"
CONNECTIONS = 32  # API Priority and Fairness gives a service account about 245 seats (performance.md 5.3)


@dataclass(slots=True)
class _Watch:
    last: float | None = None
    established: float | None = None
    headers_only: bool = False


class WatchLife:
    """When each watched collection last showed life, in monotonic seconds. Keyed by URL path.

    `on_list` is called when a list of a path begins, `on_watch` when its watch is established: the list is then complete.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        on_list: Callable[[str], None] = lambda path: None,
        on_watch: Callable[[str], None] = lambda path: None,
    ) -> None:
        self._monotonic = monotonic
        self._on_list = on_list
        self._on_watch = on_watch
        self._watches: dict[str, _Watch] = {}
        self._started = monotonic()

    def expect(self, paths: Collection[str]) -> None:
        """These collections must be watched; their silence counts from now."""
        self._started = self._monotonic()
        self._watches = {path: _Watch() for path in paths}

    @property
    def established(self) -> bool:
        """Whether every collection has been listed completely at least once."""
        return bool(self._watches) and all(watch.established is not None for watch in self._watches.values())

    @property
    def last_activity(self) -> float:
        """The most recent sign of life of any watch, in monotonic seconds."""
        return max((watch.last or self._started for watch in self._watches.values()), default=self._started)

    def silent(self, seconds: float) -> list[str]:
        """Collections without a sign of life for longer than `seconds`."""
        now = self._monotonic()
        return sorted(path for path, watch in self._watches.items() if now - (watch.last or self._started) > seconds)

    async def middleware(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Client middleware for the session that kopf is given."""
        watch = self._watches.get(request.url.path)
        if watch is None or request.method != "GET":
            return await handler(request)
        watching = "watch" in request.url.query
        if not watching and "continue" not in request.url.query:
            self._on_list(request.url.path)
        response = await handler(request)
        if response.status == 200:
            # A watch from the future (an etcd that was restored) answers, and then says nothing for ever: headers alone are no life twice.
            if not watching or not watch.headers_only:
                watch.last = self._monotonic()
            watch.headers_only = watching
            if watching:
                watch.established = watch.established or self._monotonic()
                self._on_watch(request.url.path)
                response.content = _Counted(response.content, watch, self._monotonic)  # type: ignore[assignment]
        return response


class _Counted:
    """A response body that stamps its watch on every chunk; the rest is the wrapped StreamReader's."""

    def __init__(self, content: aiohttp.StreamReader, watch: _Watch, monotonic: Callable[[], float]) -> None:
        self._content = content
        self._watch = watch
        self._monotonic = monotonic

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> Any:
        async for chunk in self._content.iter_chunked(size):
            self._watch.last = self._monotonic()
            self._watch.headers_only = False
            yield chunk


def open_session(
    credentials: Credentials,
    *,
    connections: int = CONNECTIONS,
    life: WatchLife | None = None,
) -> aiohttp.ClientSession:
    """A session with at most `connections` connections; `life` observes it."""
    tokens, server = TokenSource(credentials), URL(credentials.server).origin()

    async def authenticate(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if request.url.origin() == server and (token := tokens.current()):
            request.headers["Authorization"] = f"Bearer {token}"
        return await handler(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=credentials.ssl_context()),
        headers={"User-Agent": USER_AGENT},
        middlewares=(authenticate,) if life is None else (authenticate, life.middleware),
    )
