"""Which of our CRDs there are: awaited at start, and left out when one is gone for good while others still have objects.

A watcher that starts without a CRD idles for it for ever (failure-modes.md 2.2), so the process waits; but not for one that somebody has
deleted: the objects of the others have finalizers, and nobody but us takes them off. When it comes back the process ends, to start anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from sagemaker_gitops.kube.errors import Unavailable

log = logging.getLogger(__name__)

PAUSE = 2.0  # seconds between two looks at start
GRACE = 30.0  # seconds for which a CRD that is missing beside others may be one that is just being installed
LOOK_AGAIN = 10.0  # seconds between two looks for one that was left out
NOT_FOUND = 404


class CrdAppeared(Exception):
    """A CRD that was left out is there."""


class Crds:
    """`status` asks the API server for a collection and answers with the HTTP status; it raises Unavailable."""

    def __init__(self, status: Callable[[str], Awaitable[int]], paths: Sequence[str], monotonic: Callable[[], float]) -> None:
        self._status = status
        self._paths = tuple(paths)
        self._monotonic = monotonic
        self._known = asyncio.Event()
        self.absent: frozenset[str] = frozenset()

    @property
    def required(self) -> frozenset[str]:
        """The collections that have to be there."""
        return frozenset(self._paths) - self.absent

    async def wait(self) -> None:
        """Return when every collection can be listed, or those that cannot are gone: `absent`."""
        said, since = "", self._monotonic()
        while problems := await self._problems():
            gone = len(problems) < len(self._paths) and all(status == NOT_FOUND for status, _ in problems.values())
            if not gone:
                since = self._monotonic()
            elif self._monotonic() - since >= GRACE:
                log.warning("crds_left_out", extra={"path": ", ".join(sorted(problems))})
                break
            path, (_, problem) = next(iter(problems.items()))
            if problem != said:
                log.warning("waiting_for_crds", extra={"path": path, "error": problem})
                said = problem
            await asyncio.sleep(PAUSE)
        self.absent = frozenset(problems)
        self._known.set()

    async def reappear(self) -> None:
        """Raise CrdAppeared once one that was left out is there."""
        await self._known.wait()
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            for path in sorted(self.absent):
                if not await self._problem(path):
                    raise CrdAppeared(f"{path} exists now: the operator starts anew to watch it")

    async def _problems(self) -> dict[str, tuple[int, str]]:
        found = {path: await self._problem(path) for path in self._paths}
        return {path: problem for path, problem in found.items() if problem is not None}

    async def _problem(self, path: str) -> tuple[int, str] | None:
        """HTTP status, 0 without an answer, and what to do about it."""
        try:
            status = await self._status(path)
        except Unavailable as error:
            return 0, str(error)
        advice = "install the CRDs (kubectl apply -f crds/) and grant the operator list on them"
        return None if status == 200 else (status, f"HTTP {status}: {advice}")
