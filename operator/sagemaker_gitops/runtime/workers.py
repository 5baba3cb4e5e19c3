"""A fixed number of tasks on the keyed queue, with a stop that lets running passes end.

One timer for the whole queue, never one per object; an `add` wakes one task, and that one wakes the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.runtime.queue import KeyedQueue, Priority

Handler = Callable[[Key], Awaitable[None]]


class WorkerPool:
    """Runs `handle` for every key that is due, at most `workers` at once.

    `handle` reports its own failures: an exception that escapes it ends the pool, and with it the operator.
    `monotonic` must be the queue's clock and advance with the event loop's.
    """

    def __init__(self, queue: KeyedQueue, handle: Handler, *, workers: int, monotonic: Callable[[], float]) -> None:
        self._queue = queue
        self._handle = handle
        self._monotonic = monotonic
        self._count = workers
        self._idle: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, key: Key, delay: float = 0.0, priority: Priority = Priority.SWEEP) -> None:
        """Enqueue and wake a worker. Ignored once the pool stops: the next start finds the work again."""
        if not self._stopping:
            self._queue.add(key, delay=delay, priority=priority)
            self._rouse()

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._work(), name=f"worker-{n}") for n in range(self._count)]

    async def join(self) -> None:
        """Return when the pool was stopped; raise what a worker raised."""
        await asyncio.gather(*self._tasks)

    async def stop(self, grace: float) -> int:
        """Take no more work, wait at most `grace` seconds for running passes, cancel the rest. Returns how many were."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        while self._idle:
            self._wake_one()
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(self._tasks, timeout=grace)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return len(late)

    async def _work(self) -> None:
        while not self._stopping:
            key = self._queue.pop()
            if key is None:
                await self._sleep()
                continue
            self._rouse()
            try:
                await self._handle(key)
            finally:
                self._queue.done(key)

    async def _sleep(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        self._rouse()
        await waiter

    def _rouse(self) -> None:
        """Wake a worker if something is due, otherwise set the timer for the moment when it will be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._queue.next_due()
        if due is None or not self._idle:
            return
        delay = due - self._monotonic()
        if delay > 0:
            self._timer = asyncio.get_running_loop().call_later(delay, self._rouse)
        else:
            self._wake_one()

    def _wake_one(self) -> None:
        waiter = self._idle.popleft()
        if not waiter.done():  # cancelled with its task
            waiter.set_result(None)
