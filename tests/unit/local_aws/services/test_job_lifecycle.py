"""The state machine of a job, driven step by step: order of phases, stops at every point, limits, slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from service_kit import until

from local_aws.clock import Clock
from local_aws.executor import Exit, Process
from local_aws.lifecycle import Halt, JobFailedError, Lifecycle, Limits
from local_aws.services import Slots

PROCESS = Process("p", ("x.py",), {}, None, Path("/"), Path("/dev/null"))


@dataclass
class Recorder:
    """A `Work` that writes down its calls; `during` runs inside a phase."""

    calls: list[Any] = field(default_factory=list)
    during: dict[str, Callable[[], None]] = field(default_factory=dict)

    def _phase(self, *call: Any) -> None:
        self.calls.append(call if len(call) > 1 else call[0])
        self.during.get(call[0], lambda: None)()

    def prepare(self) -> Process:
        self._phase("prepare")
        return PROCESS

    def started(self) -> None:
        self._phase("started")

    def halting(self, halt: Halt) -> None:
        self._phase("halting", halt)

    def collect(self, outcome: Exit, halt: Halt | None) -> None:
        self._phase("collect", outcome, halt)

    def ended(self, reason: str | None, halt: Halt | None) -> None:
        self._phase("ended", reason, halt)


class Steps:
    """Services whose work waits until the test runs it, and whose processes end when the test says so."""

    def __init__(self) -> None:
        self.queue: list[Callable[[], None]] = []
        self.exits: list[Callable[[Exit], None]] = []
        self.stops: list[float] = []
        self.limit = 1
        self.world = SimpleNamespace(clock=Clock(speed=0.0))
        self.slots = Slots(lambda: self.limit)
        self.executor = SimpleNamespace(submit=self._submit)
        self.refuse = False

    def submit(self, work: Callable[[], None]) -> None:
        self.queue.append(work)

    def _submit(self, process: Process, on_exit: Callable[[Exit], None]) -> Any:
        if self.refuse:
            raise RuntimeError("no zygote")
        self.exits.append(on_exit)
        return SimpleNamespace(stop=self.stops.append)

    def run(self) -> None:
        """Everything that waits, and what that leads to."""
        while self.queue:
            self.queue.pop(0)()


@pytest.fixture
def steps() -> Iterator[Steps]:
    made = Steps()
    yield made
    made.world.clock.close()


@pytest.fixture
def work() -> Recorder:
    return Recorder()


def begun(steps: Steps, work: Recorder, **limits: Any) -> Lifecycle:
    lifecycle = Lifecycle(
        steps,  # type: ignore[arg-type]
        work,
        Limits(**({"provisioning": 0.0, "max_runtime": None} | limits)),
        "InternalServerError",
    )
    lifecycle.begin()
    return lifecycle


def test_a_job_goes_through_its_phases_in_order(steps: Steps, work: Recorder) -> None:
    """Prepare, started, the process, collect, ended without reason and halt."""
    begun(steps, work)
    steps.run()
    assert work.calls == ["prepare", "started"]
    steps.exits[0](Exit(0, None))
    steps.run()
    assert work.calls[2:] == [("collect", Exit(0, None), None), ("ended", None, None)]


def test_a_failure_in_prepare_ends_the_job_without_a_process(steps: Steps, work: Recorder) -> None:
    """The reason of JobFailedError is the job's."""

    def fail() -> None:
        raise JobFailedError("ClientError: no data")

    work.during["prepare"] = fail
    begun(steps, work)
    steps.run()
    assert work.calls == ["prepare", ("ended", "ClientError: no data", None)]
    assert steps.exits == []


@pytest.mark.parametrize("phase", ["prepare", "collect"])
def test_an_unexpected_error_is_an_internal_error(steps: Steps, work: Recorder, phase: str) -> None:
    """A bug of ours becomes the job's InternalServerError, not a job that never ends."""

    def fail() -> None:
        raise ZeroDivisionError

    work.during[phase] = fail
    begun(steps, work)
    steps.run()
    for on_exit in steps.exits:
        on_exit(Exit(0, None))
    steps.run()
    assert work.calls[-1] == ("ended", "InternalServerError", None)


def test_a_process_that_cannot_start_frees_its_slot(steps: Steps, work: Recorder) -> None:
    """The executor's refusal ends the job, and the next one gets the slot."""
    steps.refuse = True
    begun(steps, work)
    steps.run()
    steps.refuse = False
    begun(steps, Recorder())
    steps.run()
    assert work.calls[-1] == ("ended", "InternalServerError", None)
    assert len(steps.exits) == 1


def test_a_stop_while_provisioning_ends_the_job_at_once(steps: Steps, work: Recorder) -> None:
    """Nothing was prepared, nothing runs, and the timer that comes later does nothing."""
    lifecycle = begun(steps, work, provisioning=60.0)
    assert lifecycle.halt(Halt.STOP)
    steps.run()
    assert work.calls == [("halting", Halt.STOP), ("ended", None, Halt.STOP)]


def test_a_stop_while_preparing_prevents_the_process(steps: Steps, work: Recorder) -> None:
    """What is being prepared is finished, then the job ends stopped."""
    lifecycle: list[Lifecycle] = []
    work.during["prepare"] = lambda: [each.halt(Halt.STOP) for each in lifecycle] and None
    made = Lifecycle(steps, work, Limits(0.0, None), "InternalServerError")  # type: ignore[arg-type]
    lifecycle.append(made)
    made.begin()
    steps.run()
    assert work.calls == ["prepare", ("halting", Halt.STOP), ("ended", None, Halt.STOP)]
    assert steps.exits == []


def test_a_stop_while_waiting_for_a_slot_ends_the_job_at_once(steps: Steps, work: Recorder) -> None:
    """It does not wait for the jobs before it."""
    begun(steps, Recorder())
    steps.run()
    lifecycle = begun(steps, work)
    steps.run()
    lifecycle.halt(Halt.STOP)
    steps.run()
    assert work.calls == ["prepare", ("halting", Halt.STOP), ("ended", None, Halt.STOP)]


def test_a_stop_while_running_stops_the_process_with_the_grace(steps: Steps, work: Recorder) -> None:
    """SIGTERM now, SIGKILL after the grace; the job ends when the process has."""
    lifecycle = begun(steps, work, grace=7.0)
    steps.run()
    lifecycle.halt(Halt.STOP)
    steps.run()
    assert steps.stops == [7.0]
    steps.exits[0](Exit(None, 15))
    steps.run()
    assert work.calls[-2:] == [("collect", Exit(None, 15), Halt.STOP), ("ended", None, Halt.STOP)]


def test_the_grace_is_aws_time(steps: Steps, work: Recorder) -> None:
    """With a clock that runs 60 times as fast, 120 seconds are two of the wall."""
    steps.world.clock.speed = 60.0
    lifecycle = begun(steps, work)
    steps.run()
    lifecycle.halt(Halt.STOP)
    steps.run()
    assert steps.stops == [2.0]


def test_only_the_first_halt_counts(steps: Steps, work: Recorder) -> None:
    """A second stop says so, and so does one after the end."""
    lifecycle = begun(steps, work)
    steps.run()
    assert lifecycle.halt(Halt.MAX_RUNTIME)
    assert not lifecycle.halt(Halt.STOP)
    steps.run()
    steps.exits[0](Exit(0, None))
    steps.run()
    assert not lifecycle.halt(Halt.STOP)
    assert work.calls[-1] == ("ended", None, Halt.MAX_RUNTIME)


def test_a_stop_during_collect_ends_stopped_with_what_was_collected(steps: Steps, work: Recorder) -> None:
    """The upload goes on."""
    lifecycle = begun(steps, work)
    steps.run()
    work.during["collect"] = lambda: lifecycle.halt(Halt.STOP) and None
    steps.exits[0](Exit(0, None))
    steps.run()
    assert work.calls[-1] == ("ended", None, Halt.STOP)


def test_jobs_beyond_the_limit_start_in_order(steps: Steps) -> None:
    """One slot: the second process starts when the first has ended, the third after that."""
    works = [Recorder() for _ in range(3)]
    for each in works:
        begun(steps, each)
    steps.run()
    assert ["started" in each.calls for each in works] == [True, False, False]
    steps.exits[0](Exit(0, None))
    steps.run()
    assert ["started" in each.calls for each in works] == [True, True, False]


def test_max_runtime_is_counted_from_the_start_of_the_process(steps: Steps, work: Recorder) -> None:
    """The limit passes in AWS time."""
    begun(steps, work, max_runtime=100.0)
    steps.run()
    steps.world.clock.advance(99.0)
    assert steps.queue == []
    steps.world.clock.advance(2.0)
    until(lambda: steps.queue != [], "the limit")
    steps.run()
    assert work.calls[-1] == ("halting", Halt.MAX_RUNTIME)
