"""The operator's writes to Kubernetes, and the few quorum reads that protect them. Implements runtime.ports.KubeWriter.

Every write is safe to repeat: finalizers and intents carry a resourceVersion, a status patch states the end. A write whose
answer was lost is therefore sent again (failure-modes.md B10); under a resourceVersion the repetition is refused, and the
pass begins anew on what the API server holds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube.errors import Conflict, Gone, Unavailable
from sagemaker_gitops.kube.events import EventPoster
from sagemaker_gitops.kube.objects import snapshot_of
from sagemaker_gitops.kube.resources import RESOURCES

MERGE_PATCH = "application/merge-patch+json"
TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
ATTEMPTS = 4
FIRST_PAUSE = 0.2  # seconds; doubles. A longer outage is the queue's to wait for, not a worker's
LONGEST_PAUSE = 5.0  # a Retry-After above this goes back to the queue


class WriteRecorder(Protocol):
    """Where requests are counted. `verb` is read, create, or what is patched; `outcome` an HTTP status or Lost."""

    def kube_request(self, verb: str, kind: str, outcome: str) -> None: ...


class KubeClient:
    """`session` carries the login and bounds the connections; `server` is the API server's URL."""

    def __init__(self, session: aiohttp.ClientSession, server: str, recorder: WriteRecorder, events: EventPoster) -> None:
        self._session = session
        self._server = server.rstrip("/")
        self._recorder = recorder
        self._events = events

    async def read(self, snapshot: Snapshot) -> Snapshot:
        """A quorum GET. Raises Gone, also if the name now belongs to another object; Unavailable."""
        fresh = snapshot_of(await self._request("GET", "read", snapshot.key))
        if fresh.uid != snapshot.uid:
            raise Gone(f"{snapshot.key} was deleted and made anew")
        return fresh

    async def patch_finalizers(self, snapshot: Snapshot, finalizers: tuple[str, ...]) -> Snapshot:
        """Replace metadata.finalizers under the snapshot's resourceVersion. Raises Conflict, Gone, Unavailable."""
        metadata = {"resourceVersion": snapshot.resource_version, "finalizers": list(finalizers)}
        return snapshot_of(await self._request("PATCH", "finalizers", snapshot.key, {"metadata": metadata}))

    async def patch_status(self, snapshot: Snapshot, patch: Mapping[str, Any], *, locked: bool) -> Snapshot:
        """Merge-patch the status subresource. Raises Conflict, Gone, Unavailable.

        `locked`: somebody else's write in between is a Conflict. Otherwise the patch is repeated on the fresh
        resourceVersion as long as it is the same object: never without one, for a patch cannot name a uid that the
        status strategy would check.
        """
        for _ in range(ATTEMPTS):
            body = {"metadata": {"resourceVersion": snapshot.resource_version}, "status": patch}
            try:
                return snapshot_of(await self._request("PATCH", "status", snapshot.key, body, subresource="status"))
            except Conflict:
                if locked:
                    raise
            snapshot = await self.read(snapshot)
        raise Conflict(f"{snapshot.key}: status conflicts {ATTEMPTS} times in a row")

    def event(self, snapshot: Snapshot, *, type_: str, reason: str, message: str) -> None:
        """Post a Kubernetes Event in the background; its failure never disturbs a pass."""
        self._events.post(snapshot, type_=type_, reason=reason, message=message)

    async def get_config_map(self, namespace: str, name: str) -> Snapshot | None:
        """A ConfigMap whether labelled or not, None if there is none. Raises Unavailable."""
        try:
            return snapshot_of(await self._request("GET", "read", Key("ConfigMap", namespace, name)))
        except Gone:
            return None

    async def collection_status(self, path: str) -> int:
        """The HTTP status of a list of one item of a collection: 404 means that its CRD is absent. Raises Unavailable."""
        try:
            async with self._session.get(f"{self._server}{path}", params={"limit": "1"}, timeout=TIMEOUT) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"GET {path}: {_said(error)}") from error

    async def _request(
        self, method: str, verb: str, key: Key, body: Mapping[str, Any] | None = None, *, subresource: str = ""
    ) -> dict[str, Any]:
        """Try a few times what a moment may mend; the rest is the caller's."""
        path = RESOURCES[key.kind].path(key, subresource)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(method, verb, key, path, body)
            except Unavailable as error:
                pause = max(error.retry_after, FIRST_PAUSE * 2 ** (attempt - 1))
                if attempt == ATTEMPTS or not _passing(error) or pause > LONGEST_PAUSE:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(self, method: str, verb: str, key: Key, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = {"Content-Type": MERGE_PATCH, "Accept": "application/json"}
        data = None if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        try:
            async with self._session.request(method, f"{self._server}{path}", data=data, headers=headers, timeout=TIMEOUT) as response:
                payload = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._recorder.kube_request(verb, key.kind, "Lost")
            raise Unavailable(f"{method} {path}: {_said(error)}") from error
        self._recorder.kube_request(verb, key.kind, str(response.status))
        return _answer(response, payload, f"{method} {path}")


def _answer(response: aiohttp.ClientResponse, payload: bytes, request: str) -> dict[str, Any]:
    match response.status:
        case 200 | 201:
            try:
                answer: dict[str, Any] = json.loads(payload)
            except ValueError as error:
                raise Unavailable(f"{request}: an answer that is no JSON: {payload[:80]!r}") from error
            return answer
        case 404:
            raise Gone(request)
        case 409:
            raise Conflict(request)
        case status:
            retry_after = response.headers.get("Retry-After", "0")
            seconds = float(retry_after) if retry_after.isdigit() else 0.0
            raise Unavailable(f"{request}: {status} {_message(payload)}", status=status, retry_after=seconds)


def _message(payload: bytes) -> str:
    """The message of a Kubernetes Status, or the beginning of whatever else came."""
    try:
        return str(json.loads(payload)["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return payload[:200].decode("utf-8", "replace")


def _passing(error: Unavailable) -> bool:
    return error.status in (0, 429) or error.status >= 500


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
