"""The executor as the services of local AWS use it: submit a process, be told how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from local_aws.executor.launch import DEFAULT_PRELOAD, Zygote
from local_aws.executor.process import ExecutorError, Exit, Isolation, Process, Running
from local_aws.executor.reaper import Job, Reaper

_CLOSE_SECONDS = 10.0


class _Running:
    def __init__(self, reaper: Reaper, job: Job) -> None:
        self._reaper = reaper
        self._job = job

    @property
    def pid(self) -> int | None:
        return self._job.pid

    def stop(self, grace: float) -> None:
        if grace < 0:
            raise ValueError(f"Running.stop: grace is {grace}, must be 0 seconds or more")
        self._reaper.stop(self._job, grace)


class Executor:
    """Runs the processes of jobs: Python scripts as forks of a warm zygote, anything else as a plain process.

    `folder` receives the zygote's own log. `preload` are modules imported ahead; one that can't be imported is logged
    and left out. Nothing survives the service: not on `close`, not on kill -9.
    """

    def __init__(self, folder: Path, preload: Sequence[str] = DEFAULT_PRELOAD) -> None:
        self._folder = folder
        self._reaper = Reaper(lambda: Zygote(folder, preload))
        self._started = False
        self._closed = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Warm up in the background (about 2 s); processes submitted meanwhile wait. ExecutorError when called twice."""
        with self._lock:
            if self._started:
                raise ExecutorError("Executor.start: already started")
            self._started = True
            self._folder.mkdir(parents=True, exist_ok=True)
            self._reaper.thread.start()

    @property
    def isolation(self) -> Isolation:
        """How jobs see `/opt/ml`; waits for the warm-up. Re-rooted paths do not help a script that hard-codes them."""
        self._check()
        self._reaper.settled.wait()
        if self._reaper.isolation is None:
            raise ExecutorError(self._broken())
        return self._reaper.isolation

    def submit(self, process: Process, on_exit: Callable[[Exit], None]) -> Running:
        """Queue `process` and return at once. `on_exit` is called exactly once, on a thread of the executor.

        Raises ExecutorError when the executor is not started, closed, or its zygote does not come up, and OSError when
        the log can't be opened.
        """
        with self._lock:
            self._check()
            if self._reaper.broken:
                raise ExecutorError(self._broken())
            job = Job(process, on_exit, process.log.open("ab"))
            self._reaper.submit(job)
        return _Running(self._reaper, job)

    def close(self) -> None:
        """Kill every process, report their exits, end the zygote. Without effect when called again."""
        with self._lock:
            if self._closed or not self._started:
                self._closed = True
                return
            self._closed = True
            self._reaper.close()
        self._reaper.thread.join(_CLOSE_SECONDS)
        for callback in tuple(self._reaper.callbacks):
            if callback is not threading.current_thread():
                callback.join(_CLOSE_SECONDS)

    def _check(self) -> None:
        if not self._started or self._closed:
            raise ExecutorError("the executor is not running: call start() before, and nothing after close()")

    def _broken(self) -> str:
        return f"the executor's zygote does not come up; see {self._folder / 'zygote.log'}"
