"""The parent's side of guard.py: start, signal and watch the processes of one instance."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cluster.release import PACKAGE_DIR
from local_cluster.waiting import wait_until

GUARD = PACKAGE_DIR / "guard.py"
KILL_TIMEOUT = 10.0


class GuardError(RuntimeError):
    """The guard refused a request or has gone."""


class AlreadyRunningError(GuardError):
    """Another process runs an instance in this folder."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Process ids of a running instance: its guard, and the process that started it."""

    guard: int
    parent: int


class Guardian:
    """A running guard; its programs end with this process or at `close`. Safe to use from several threads."""

    def __init__(self, lock: Path) -> None:
        """Start the guard.

        Raises:
            AlreadyRunningError: the lock is held; names the process that holds it.
        """
        self._mutex = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(lock), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        greeting = self._read()
        if greeting.get("error") == "locked":
            self.close()
            owner = running_owner(lock)
            by = f" by process {owner.parent}" if owner else ""
            raise AlreadyRunningError(f"an instance is already running in {lock.parent}{by}; stop it or take another folder")

    @property
    def pid(self) -> int:
        """Process id of the guard."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the guard runs, and so may its programs."""
        return self._process.poll() is None

    def start(self, name: str, argv: Sequence[str | Path], log: Path) -> int:
        """Start a program under `name`, its output appended to `log`; returns its process id."""
        answer = self._ask({"do": "start", "name": name, "argv": [str(word) for word in argv], "log": str(log)})
        return int(answer["pid"])

    def running_pid(self, name: str) -> int | None:
        """Process id of the program, None when it was not started or has ended."""
        pid: int | None = self._ask({"do": "poll", "name": name})["pid"]
        return pid

    def is_running(self, name: str) -> bool:
        """Whether the program was started and has not ended."""
        return self.running_pid(name) is not None

    def send(self, name: str, number: signal.Signals) -> bool:
        """Send a signal; False when the program does not run."""
        return bool(self._ask({"do": "signal", "name": name, "signal": int(number)})["sent"])

    def end(self, name: str) -> None:
        """Kill the program and return when it has gone; what it wrote to files is not lost by that."""
        if self.send(name, signal.SIGKILL):
            wait_until(
                lambda: not self.is_running(name),
                timeout=KILL_TIMEOUT,
                waiting_for=f"the end of {name}",
                interval=0.01,
            )

    def discard_at_end(self, paths: Sequence[Path]) -> None:
        """Have the guard remove `paths` when it ends, also after kill -9 of this process."""
        self._ask({"do": "discard", "paths": [str(path) for path in paths]})

    def close(self) -> None:
        """End every program and the guard; may be called twice."""
        with self._mutex:
            # Closing flushes: the pipe may already be broken.
            with contextlib.suppress(BrokenPipeError):
                if self._process.stdin:
                    self._process.stdin.close()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._mutex:
            stdin = self._process.stdin
            if stdin is None or stdin.closed:
                raise GuardError("the instance has been stopped")
            try:
                stdin.write(json.dumps(request).encode() + b"\n")
                stdin.flush()
            except BrokenPipeError as error:
                raise GuardError("the guard of this instance has gone, and its processes with it") from error
            answer = self._read()
        if "error" in answer:
            raise GuardError(str(answer["error"]))
        return answer

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise GuardError("the guard of this instance has gone, and its processes with it")
        answer: dict[str, Any] = json.loads(line)
        return answer


def running_owner(lock: Path) -> Owner | None:
    """Who runs the instance of `lock`, None when nobody does."""
    try:
        handle = lock.open()
    except FileNotFoundError:
        return None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return wait_until(lambda: _owner(lock), timeout=5, waiting_for=f"the owner of {lock} to write its name")
    return None


def _owner(lock: Path) -> Owner | None:
    written = lock.read_text()
    # Empty for an instant after the guard has taken the lock.
    return Owner(**json.loads(written)) if written.endswith("}") else None
