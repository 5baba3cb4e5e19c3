"""AWS time can run fast, stand still and jump; what waits for it follows."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from local_aws.clock import Clock

DEADLINE = 10.0


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that stands still unless the test moves it."""
    stopped = Clock(speed=0.0)
    yield stopped
    stopped.close()


def test_a_stopped_clock_moves_only_when_told(clock: Clock) -> None:
    """Advance is exact while the speed is 0."""
    before = clock.time()
    clock.advance(90.0)
    assert clock.time() - before == pytest.approx(90.0)


def test_callbacks_run_in_order_when_time_jumps(clock: Clock) -> None:
    """Those that become due, and no others."""
    ran: list[str] = []
    done = threading.Event()
    clock.call_later(20, lambda: ran.append("second"))
    clock.call_later(10, lambda: ran.append("first"))
    clock.call_later(30, done.set)
    late = clock.call_later(1000, lambda: ran.append("late"))
    clock.advance(30)
    assert done.wait(DEADLINE)
    assert ran == ["first", "second"]
    assert not late.cancelled


def test_a_new_speed_reaches_callbacks_that_already_wait(clock: Clock) -> None:
    """An hour passes at once when the clock runs fast enough."""
    done = threading.Event()
    clock.call_later(3600, done.set)
    assert not done.is_set()
    clock.speed = 1_000_000.0
    assert done.wait(DEADLINE)


def test_a_cancelled_callback_does_not_run(clock: Clock) -> None:
    """A stopped job's deadline is forgotten."""
    ran: list[str] = []
    done = threading.Event()
    clock.call_later(1, lambda: ran.append("cancelled")).cancel()
    clock.call_later(2, done.set)
    clock.advance(5)
    assert done.wait(DEADLINE)
    assert ran == []


def test_a_callback_may_order_another(clock: Clock) -> None:
    """Status machines are chains of callbacks."""
    done = threading.Event()

    def order_another() -> None:
        clock.call_later(0, done.set)

    clock.call_later(1, order_another)
    clock.advance(1)
    assert done.wait(DEADLINE)


def test_an_error_in_a_callback_does_not_stop_the_clock(clock: Clock) -> None:
    """One bad job must not freeze the others."""

    def broken() -> None:
        raise RuntimeError("expected by the test")

    done = threading.Event()
    clock.call_later(1, broken)
    clock.call_later(2, done.set)
    clock.advance(5)
    assert done.wait(DEADLINE)


def test_time_is_continuous_over_a_change_of_speed() -> None:
    """It never runs backwards."""
    clock = Clock()
    times = []
    for speed in (1000.0, 0.0, 1.0):
        times.append(clock.time())
        clock.speed = speed
        times.append(clock.time())
    clock.close()
    assert times == sorted(times)


@pytest.mark.parametrize("speed", [-1.0, 1e7, float("nan")])
def test_an_impossible_speed_is_refused(clock: Clock, speed: float) -> None:
    """With the range in the message."""
    with pytest.raises(ValueError, match="give 0 "):
        clock.speed = speed


def test_time_never_goes_back(clock: Clock) -> None:
    """A negative jump is refused."""
    with pytest.raises(ValueError, match="never runs backwards"):
        clock.advance(-1)


def test_nothing_runs_after_close() -> None:
    """Pending callbacks are dropped."""
    clock = Clock(speed=0.0)
    ran: list[int] = []
    clock.call_later(1, lambda: ran.append(1))
    clock.close()
    clock.advance(10)
    assert ran == []
