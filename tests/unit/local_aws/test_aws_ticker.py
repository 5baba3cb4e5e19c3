"""Work that repeats on AWS time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from local_aws.clock import Clock
from local_aws.ticker import Ticker


class Counted:
    """A ticker that counts its runs; `step` None stops it."""

    def __init__(self, clock: Clock) -> None:
        self.step: float | None = 60.0
        self.runs = 0
        self.error: Exception | None = None
        self.ticker = Ticker("test", clock, lambda: self.step, self.work)

    def work(self) -> None:
        self.runs += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Standing still: only `advance` moves it."""
    clock = Clock(speed=0.0)
    yield clock
    clock.close()


@pytest.fixture
def counted(clock: Clock) -> Iterator[Counted]:
    counted = Counted(clock)
    yield counted
    counted.ticker.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_it_runs_once_for_each_step_or_jump(clock: Clock, counted: Counted) -> None:
    """At whole minutes; a jump of an hour is one run, not sixty."""
    counted.ticker.wake()
    counted.ticker.wake()
    clock.advance(60)
    until(lambda: counted.runs == 1)
    clock.advance(3600)
    until(lambda: counted.runs == 2)


def test_a_jump_while_it_runs_is_not_missed(clock: Clock, counted: Counted) -> None:
    """The work saw the time before: it runs again."""
    inside, go = threading.Event(), threading.Event()
    plain = counted.work

    def slow() -> None:
        inside.set()
        go.wait(5)
        plain()

    counted.ticker.close()
    ticker = Ticker("slow", clock, lambda: counted.step, slow)
    ticker.wake()
    clock.advance(60)
    assert inside.wait(5)
    clock.advance(60)
    go.set()
    until(lambda: counted.runs == 2)
    ticker.close()


def test_it_stops_without_a_step_and_wakes_again(clock: Clock, counted: Counted) -> None:
    """What there is to do comes and goes."""
    counted.ticker.wake()
    counted.step = None
    counted.ticker.again()
    clock.advance(120)
    counted.step = 60.0
    counted.ticker.wake()
    assert counted.runs == 0
    clock.advance(60)
    until(lambda: counted.runs == 1)


def test_an_error_ends_one_run_only(clock: Clock, counted: Counted) -> None:
    """It is logged."""
    counted.error = ValueError("broken")
    counted.ticker.wake()
    clock.advance(60)
    until(lambda: counted.runs == 1)
    clock.advance(60)
    until(lambda: counted.runs == 2)
