"""The one thread on the service's side that owns the sockets: hands jobs to the zygote, learns how they ended.

Others only queue a command and wake it, so nothing here needs a lock. It also starts the zygote, whose parent-death
signal is bound to the thread that forked it.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, BinaryIO

from local_aws.executor import channel
from local_aws.executor.launch import Zygote
from local_aws.executor.process import Exit, Isolation, Process

_log = logging.getLogger(__name__)
_MAX_FAILED_STARTS = 3
# Bounds what is queued in the socket of a zygote that dies, and has to be handed out again.
_MAX_UNACCEPTED = 8
_TERMINATED = Exit(code=None, signal=signal.SIGTERM)
_NOT_STARTED = Exit(code=125, signal=None)
_KILLED = Exit(code=None, signal=signal.SIGKILL)


class Job:
    """A submitted process on its way; only the reaper writes."""

    def __init__(self, process: Process, on_exit: Callable[[Exit], None], log: BinaryIO) -> None:
        self.process = process
        self.on_exit = on_exit
        self.log = log
        self.socket: socket.socket | None = None
        self.accepted = False
        self.pid: int | None = None


class Reaper:
    """See the module. `settled` is set as soon as `isolation` is known, or the zygote was given up (`broken`)."""

    def __init__(self, launch: Callable[[], Zygote]) -> None:
        self.thread = threading.Thread(target=self._run, name="executor-reaper", daemon=True)
        self.settled = threading.Event()
        self.isolation: Isolation | None = None
        self.broken = False
        self.callbacks: set[threading.Thread] = set()
        self._launch = launch
        self._zygote: Zygote | None = None
        self._zygote_ready = False
        self._failed_starts = 0
        self._selector = selectors.DefaultSelector()
        self._wake_receive, self._wake_send = socket.socketpair()
        self._wake_receive.setblocking(False)
        self._commands: deque[Callable[[], None]] = deque()
        self._pending: deque[Job] = deque()
        self._running: set[Job] = set()
        self._closing = False

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._command(lambda: self._pending.append(job))

    def stop(self, job: Job, grace: float) -> None:
        """Queue a stop; without effect on a job that has ended."""
        self._command(lambda: self._stop(job, grace))

    def close(self) -> None:
        """Queue the end: kill every job, then the zygote; the thread ends after it."""
        self._command(self._close)

    def _command(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        with contextlib.suppress(OSError):
            self._wake_send.send(b"\0")

    def _run(self) -> None:
        self._selector.register(self._wake_receive, selectors.EVENT_READ, self._on_wake)
        self._start_zygote()
        while not (self._closing and not self._running and not self._pending):
            for key, _ in self._selector.select():
                key.data()
            self._hand_out()
        self._end_zygote()
        self.settled.set()
        self._selector.close()
        self._wake_receive.close()
        self._wake_send.close()

    def _on_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_receive.recv(65536)
        while self._commands:
            self._commands.popleft()()

    def _stop(self, job: Job, grace: float) -> None:
        if job in self._pending:
            self._pending.remove(job)
            self._report(job, _TERMINATED)
        elif job.socket is not None:
            with contextlib.suppress(ConnectionError):
                channel.send(job.socket, {"stop": grace})

    def _close(self) -> None:
        self._closing = True
        for job in (*self._pending, *self._running):
            self._stop(job, 0.0)

    def _start_zygote(self) -> None:
        self._zygote_ready = False
        try:
            self._zygote = self._launch()
        except OSError:
            _log.exception("the zygote can't be started")
            self._give_up()
            return
        self._selector.register(self._zygote.socket, selectors.EVENT_READ, self._on_zygote)

    def _end_zygote(self) -> None:
        if self._zygote is not None:
            self._selector.unregister(self._zygote.socket)
            self._zygote.end()
            self._zygote = None

    def _on_zygote(self) -> None:
        assert self._zygote is not None
        received = channel.receive(self._zygote.socket)
        if received is None:
            self._on_zygote_gone()
            return
        ready = received[0]
        for name, error in ready["failed"].items():
            _log.warning("zygote: %s is not preloaded: %s", name, error)
        if ready["isolation"] == "re-rooted":
            _log.warning("jobs get no /opt/ml of their own, paths are rewritten instead: %s", ready["reason"])
        self._failed_starts = 0
        self._zygote_ready = True
        self.isolation = ready["isolation"]
        self.settled.set()

    def _on_zygote_gone(self) -> None:
        if not self._zygote_ready:
            self._failed_starts += 1
        _log.warning("the zygote ended; jobs that it started go on")
        self._end_zygote()
        if self._failed_starts < _MAX_FAILED_STARTS and not self._closing:
            self._start_zygote()
            return
        self._give_up()

    def _give_up(self) -> None:
        self.broken = not self._closing
        self.settled.set()

    def _hand_out(self) -> None:
        while self.broken and self._pending:
            self._report(self._pending.popleft(), _KILLED)
        if self._zygote is None or not self._zygote_ready:
            return
        unaccepted = sum(not job.accepted for job in self._running)
        while self._pending and unaccepted < _MAX_UNACCEPTED:
            job = self._pending.popleft()
            try:
                self._hand_to(self._zygote, job)
            except ConnectionError:
                self._pending.appendleft(job)
                return
            except OSError:
                _log.exception("%s can't be started", job.process.name)
                self._report(job, _NOT_STARTED)
                continue
            self._running.add(job)
            unaccepted += 1

    def _hand_to(self, zygote: Zygote, job: Job) -> None:
        process = job.process
        request: dict[str, Any] = {
            "argv": process.argv,
            "environment": dict(process.environment),
            "cwd": str(process.cwd),
            "root": None if process.root is None else str(process.root.resolve()),
            "execute": process.interpreter is not None,
        }
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                channel.send(zygote.socket, request, [job.log.fileno(), theirs.fileno()])
            except OSError:
                ours.close()
                raise
        job.socket = ours
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._on_job(job))

    def _on_job(self, job: Job) -> None:
        assert job.socket is not None
        received = channel.receive(job.socket)
        if received is None:
            self._on_job_gone(job)
            return
        message = received[0]
        job.accepted = True
        if "pid" in message:
            job.pid = message["pid"]
        elif "code" in message or "signal" in message:
            self._forget(job)
            self._report(job, Exit(code=message.get("code"), signal=message.get("signal")))

    def _on_job_gone(self, job: Job) -> None:
        """The supervisor was killed, or it never was; then another zygote runs the job."""
        self._forget(job)
        if job.accepted or self._closing:
            self._report(job, _KILLED)
        else:
            self._pending.appendleft(job)

    def _forget(self, job: Job) -> None:
        assert job.socket is not None
        self._selector.unregister(job.socket)
        job.socket.close()
        job.socket = None
        self._running.remove(job)

    def _report(self, job: Job, end: Exit) -> None:
        """On a thread of its own: a callback may take its time over S3 while other jobs end."""
        job.log.close()
        thread = threading.Thread(target=self._call_back, args=(job, end), name=f"exit-{job.process.name}", daemon=True)
        self.callbacks.add(thread)
        thread.start()

    def _call_back(self, job: Job, end: Exit) -> None:
        try:
            job.on_exit(end)
        except Exception:  # a service's callback must not end the loop
            _log.exception("on_exit of %s failed", job.process.name)
        finally:
            self.callbacks.discard(threading.current_thread())
