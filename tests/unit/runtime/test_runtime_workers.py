"""runtime.workers: a fixed number of tasks, waking on time, stopping with grace. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from runtime_fakes import VirtualLoop, run_virtual

from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.runtime.queue import KeyedQueue
from sagemaker_gitops.runtime.workers import WorkerPool

A, B = Key("TrainingRun", "team-a", "a"), Key("TrainingRun", "team-a", "b")


def pool_on(loop: VirtualLoop, handle: Callable[[Key], Awaitable[None]], workers: int = 2) -> WorkerPool:
    return WorkerPool(KeyedQueue(loop.time), handle, workers=workers, monotonic=loop.time)


def test_a_delayed_key_is_handled_when_due() -> None:
    """The one timer wakes a worker at the due time, and an earlier wish moves it."""

    async def main(loop: VirtualLoop) -> list[tuple[str, float]]:
        handled: list[tuple[str, float]] = []

        async def handle(key: Key) -> None:
            handled.append((key.name, loop.time()))

        pool = pool_on(loop, handle)
        pool.start()
        pool.add(A, 60.0)
        pool.add(B, 10.0)
        await asyncio.sleep(1)
        pool.add(A, 4.0)
        await asyncio.sleep(100)
        await pool.stop(1)
        return handled

    assert run_virtual(main) == [("a", 5.0), ("b", 10.0)]


def test_work_added_before_the_start_is_done() -> None:
    """The queue fills while the first lists are read."""

    async def main(loop: VirtualLoop) -> list[str]:
        handled: list[str] = []

        async def handle(key: Key) -> None:
            handled.append(key.name)

        pool = pool_on(loop, handle)
        pool.add(A)
        pool.add(B)
        pool.start()
        await asyncio.sleep(1)
        await pool.stop(1)
        return sorted(handled)

    assert run_virtual(main) == ["a", "b"]


def test_never_more_passes_than_workers() -> None:
    """Fifty keys and four workers: four at once, all done."""

    async def main(loop: VirtualLoop) -> tuple[int, int, float]:
        running = most = done = 0

        async def handle(key: Key) -> None:
            nonlocal running, most, done
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1
            done += 1

        pool = pool_on(loop, handle, workers=4)
        pool.start()
        for number in range(48):
            pool.add(Key("TrainingRun", "team-a", str(number)))
        started = loop.time()
        while done < 48:
            await asyncio.sleep(1)
        elapsed = loop.time() - started
        await pool.stop(1)
        return most, done, elapsed

    most, done, elapsed = run_virtual(main)
    assert (most, done) == (4, 48)
    assert elapsed <= 13


def test_stop_waits_for_running_passes_and_takes_no_more() -> None:
    """A pass that ends within the grace is not cut off; queued keys stay undone."""

    async def main(loop: VirtualLoop) -> tuple[list[str], int]:
        finished: list[str] = []

        async def handle(key: Key) -> None:
            await asyncio.sleep(5)
            finished.append(key.name)

        pool = pool_on(loop, handle, workers=1)
        pool.start()
        pool.add(A)
        pool.add(B)
        await asyncio.sleep(1)
        return finished, await pool.stop(10)

    assert run_virtual(main) == (["a"], 0)


def test_stop_cuts_off_what_outlives_the_grace() -> None:
    """A hung pass is cancelled after the grace and reported."""

    async def main(loop: VirtualLoop) -> tuple[int, float]:
        async def handle(key: Key) -> None:
            await asyncio.sleep(1000)

        pool = pool_on(loop, handle)
        pool.start()
        pool.add(A)
        await asyncio.sleep(1)
        return await pool.stop(10), loop.time()

    late, ended = run_virtual(main)
    assert late == 1
    assert ended < 12


def test_an_escaped_exception_ends_the_pool() -> None:
    """A bug in the reconciler's own error handling must not leave a silent operator with fewer workers."""

    async def main(loop: VirtualLoop) -> None:
        async def handle(key: Key) -> None:
            raise LookupError(key.name)

        pool = pool_on(loop, handle)
        pool.start()
        pool.add(A)
        try:
            await pool.join()
        finally:
            await pool.stop(1)

    with pytest.raises(LookupError, match="a"):
        run_virtual(main)
