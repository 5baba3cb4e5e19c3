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


def test_keys_due_at_one_moment_are_handled_together() -> None:
    """The timer wakes one worker; that one wakes the next before its own pass."""

    async def main(loop: VirtualLoop) -> list[tuple[str, float]]:
        started: list[tuple[str, float]] = []

        async def handle(key: Key) -> None:
            started.append((key.name, loop.time()))
            await asyncio.sleep(10)

        pool = pool_on(loop, handle)
        pool.start()
        pool.add(A, 5.0)
        pool.add(B, 5.0)
        await asyncio.sleep(30)
        await pool.stop(1)
        return started

    assert run_virtual(main) == [("a", 5.0), ("b", 5.0)]


def test_a_delay_from_before_the_start_is_kept() -> None:
    """Whoever goes to sleep sets the timer, also when nobody adds anything any more."""

    async def main(loop: VirtualLoop) -> list[float]:
        handled: list[float] = []

        async def handle(key: Key) -> None:
            handled.append(loop.time())

        pool = pool_on(loop, handle)
        pool.add(A, 10.0)
        pool.start()
        await asyncio.sleep(60)
        await pool.stop(1)
        return handled

    assert run_virtual(main) == [10.0]


def test_there_is_one_timer_for_the_whole_queue() -> None:
    """A thousand waiting objects are not a thousand timers (failure-modes.md G9)."""

    async def main(loop: VirtualLoop) -> int:
        async def handle(key: Key) -> None: ...

        pool = pool_on(loop, handle)
        pool.start()
        await asyncio.sleep(0)
        for number in range(1000):
            pool.add(Key("TrainingRun", "team-a", str(number)), 1000.0 - number / 2)
        timers = sum(not timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
        await pool.stop(1)
        return timers

    assert run_virtual(main) == 1


def test_a_stopped_pool_takes_no_work() -> None:
    """What arrives after the stop is left to the next start, so that the end is one."""

    async def main(loop: VirtualLoop) -> tuple[int, list[str]]:
        handled: list[str] = []

        async def handle(key: Key) -> None:
            handled.append(key.name)

        queue = KeyedQueue(loop.time)
        pool = WorkerPool(queue, handle, workers=2, monotonic=loop.time)
        pool.start()
        await asyncio.sleep(1)
        await pool.stop(1)
        pool.add(A)
        await asyncio.sleep(1)
        return queue.scheduled, handled

    assert run_virtual(main) == (0, [])


def test_a_pass_that_is_cut_off_ends_before_the_stop_does() -> None:
    """Its clean-up is awaited, and its key is nobody's any more: sessions are closed only after that."""

    async def main(loop: VirtualLoop) -> tuple[int, list[str], int]:
        cleaned: list[str] = []

        async def handle(key: Key) -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(3)
                cleaned.append(key.name)

        queue = KeyedQueue(loop.time)
        pool = WorkerPool(queue, handle, workers=1, monotonic=loop.time)
        pool.start()
        pool.add(A)
        await asyncio.sleep(1)
        return await pool.stop(5), cleaned, queue.active

    assert run_virtual(main) == (1, ["a"], 0)


def test_work_for_a_pool_whose_task_was_cancelled_is_no_error() -> None:
    """At the end of a process producers may add while the workers are being cancelled."""

    async def main(loop: VirtualLoop) -> None:
        async def handle(key: Key) -> None: ...

        pool = pool_on(loop, handle, workers=1)
        pool.start()
        joined = asyncio.create_task(pool.join())
        await asyncio.sleep(1)
        joined.cancel()
        await asyncio.sleep(1)
        pool.add(A)

    run_virtual(main)
