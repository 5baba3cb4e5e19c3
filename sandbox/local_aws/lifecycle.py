"""The life of one job, whatever its kind: provision, prepare, run a process, collect, end; stopped from
outside at any time.

`Lifecycle` owns the order, the timers and the races (a stop while downloading, a limit that passes while the
process ends); what a phase does and how a state is called is the business of its `Work` (SageMaker training
and processing, Glue job runs).
"""

from __future__ import annotations

import enum
import logging
import threading
from dataclasses import dataclass
from typing import Protocol

from local_aws.clock import Timer
from local_aws.executor import Exit, Process, Running
from local_aws.services import Services

_log = logging.getLogger(__name__)


class Halt(enum.Enum):
    """Why a job is ended before its process ends by itself."""

    STOP = "Stop"
    MAX_RUNTIME = "MaxRuntime"
    MAX_WAIT = "MaxWait"
    INTERRUPTION = "Interruption"


class JobFailedError(Exception):
    """The job fails with this reason; raised by `Work` in any phase."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """AWS seconds; None where there is no limit. `grace` lies between SIGTERM and SIGKILL."""

    provisioning: float
    max_runtime: float | None
    max_wait: float | None = None
    grace: float = 120.0


class Work(Protocol):
    """What one kind of job does in each phase; called on worker threads, one phase at a time."""

    def prepare(self) -> Process:
        """Make inputs and the command ready; JobFailedError ends the job as failed."""

    def started(self) -> None:
        """The process is about to run."""

    def halting(self, halt: Halt) -> None:
        """The job is being ended from outside; may be called while another phase is at work."""

    def collect(self, outcome: Exit, halt: Halt | None) -> None:
        """The process is gone: save what it left. JobFailedError ends the job as failed."""

    def ended(self, reason: str | None, halt: Halt | None) -> None:
        """Final state: failed with `reason`, ended by `halt`, or (both None) completed."""


class Lifecycle:
    """Drives one `Work`; `begin` once, `halt` at any time from any thread."""

    def __init__(self, services: Services, work: Work, limits: Limits, internal_error: str) -> None:
        self._services = services
        self._work = work
        self._limits = limits
        self._internal_error = internal_error
        self._lock = threading.Lock()
        self._timers: list[Timer] = []
        self._halt: Halt | None = None
        self._running: Running | None = None
        self._process: Process | None = None
        self._phase = "new"

    def begin(self) -> None:
        """Start provisioning; every later phase follows by itself."""
        clock = self._services.world.clock
        with self._lock:
            self._phase = "provisioning"
            if self._limits.max_wait is not None:
                self._timers.append(clock.call_later(self._limits.max_wait, lambda: self._expire(Halt.MAX_WAIT)))
            if self._limits.provisioning > 0:
                self._timers.append(clock.call_later(self._limits.provisioning, self._provisioned))
                return
        self._provisioned()

    def halt(self, halt: Halt) -> bool:
        """End the job; False when it has ended or is being ended already."""
        with self._lock:
            if self._halt is not None or self._phase == "ended":
                return False
            self._halt = halt
            phase, running = self._phase, self._running
            if phase == "provisioning":
                self._phase = "preparing"
        self._work.halting(halt)
        if running is not None:
            self._services.submit(lambda: running.stop(self._wall_grace()))
        elif phase == "provisioning" or (phase == "waiting" and self._services.slots.cancel(self._start)):
            self._services.submit(lambda: self._end(None))
        return True

    def _expire(self, halt: Halt) -> None:
        def act() -> None:
            self.halt(halt)

        self._services.submit(act)

    def _wall_grace(self) -> float:
        speed = self._services.world.clock.speed
        return self._limits.grace / speed if speed > 0 else self._limits.grace

    def _provisioned(self) -> None:
        with self._lock:
            if self._phase != "provisioning":
                return
            self._phase = "preparing"
        self._services.submit(self._prepare)

    def _prepare(self) -> None:
        reason = None
        try:
            self._process = self._work.prepare()
        except JobFailedError as failure:
            reason = failure.reason
        except Exception:
            _log.exception("preparing a job failed")
            reason = self._internal_error
        with self._lock:
            halted = self._halt is not None
            if not halted and reason is None:
                self._phase = "waiting"
        if halted or reason is not None:
            self._end(reason)
        else:
            self._services.slots.run(self._start)

    def _start(self) -> None:
        reason = None
        try:
            if self._launched():
                return
        except Exception:
            _log.exception("a job's process could not be started")
            reason = self._internal_error
        self._services.slots.free()
        self._services.submit(lambda: self._end(reason))

    def _launched(self) -> bool:
        """Run the process unless the job was ended meanwhile."""
        with self._lock:
            if self._halt is not None or self._process is None:
                return False
            self._work.started()
            self._phase = "running"
            self._running = self._services.executor.submit(self._process, self._exited)
            if self._limits.max_runtime is not None:
                clock = self._services.world.clock
                limit = clock.call_later(self._limits.max_runtime, lambda: self._expire(Halt.MAX_RUNTIME))
                self._timers.append(limit)
            return True

    def _exited(self, outcome: Exit) -> None:
        self._services.submit(lambda: self._collect(outcome))

    def _collect(self, outcome: Exit) -> None:
        with self._lock:
            self._phase = "collecting"
            self._running = None
            halt = self._halt
        self._services.slots.free()
        reason = None
        try:
            self._work.collect(outcome, halt)
        except JobFailedError as failure:
            reason = failure.reason
        except Exception:
            _log.exception("collecting a job's results failed")
            reason = self._internal_error
        self._end(reason)

    def _end(self, reason: str | None) -> None:
        with self._lock:
            self._phase = "ended"
            halt = self._halt
            timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()
        self._work.ended(reason, halt)
