"""Keeps the control plane's processes from outliving the process that started them, even after kill -9.

Run as a program of its own by guardian.py, with nothing but the standard library. It holds the instance's
lock for as long as it lives, starts and signals the programs on request (JSON lines on stdin, answers on
stdout), and kills them all when its parent has gone: end of file on stdin, or another parent process id (a
forked child of the parent may hold the pipe open). Should the guard itself be killed, the kernel kills its
children (PR_SET_PDEATHSIG, prctl(2)); that works because this process has one thread only.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PARENT_CHECK_SECONDS = 0.5
LOCK_ATTEMPTS = 20
LOCK_INTERVAL = 0.02

Answer = dict[str, Any]


class Guard:
    """The processes of one instance, by name."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._discard: list[str] = []
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def answer(self, request: Answer) -> Answer:
        """Do what one request says; the answer is sent back as it is."""
        match request:
            case {"do": "start", "name": str(name), "argv": [*argv], "log": str(log)}:
                return {"pid": self._start(name, [str(word) for word in argv], log)}
            case {"do": "signal", "name": str(name), "signal": int(number)}:
                return {"sent": self._signal(name, number)}
            case {"do": "poll", "name": str(name)}:
                return {"pid": self._pid(name)}
            case {"do": "discard", "paths": [*paths]}:
                self._discard = [str(path) for path in paths]
                return {}
        return {"error": f"the guard does not know {request}"}

    def end(self) -> None:
        """Kill every process and remove what was to be thrown away."""
        for child in self._children.values():
            child.kill()
        for child in self._children.values():
            child.wait()
        for path in self._discard:
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _start(self, name: str, argv: list[str], log: str) -> int:
        if self._pid(name) is not None:
            raise RuntimeError(f"{name} is already running")
        with open(log, "ab") as output:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=self._die_with_me,
            )
        self._children[name] = child
        return child.pid

    def _die_with_me(self) -> None:
        if self._libc is not None:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def _signal(self, name: str, number: int) -> bool:
        child = self._children.get(name)
        if child is None or child.poll() is not None:
            return False
        child.send_signal(number)
        return True

    def _pid(self, name: str) -> int | None:
        child = self._children.get(name)
        return child.pid if child is not None and child.poll() is None else None


def serve(guard: Guard, parent: int) -> None:
    """Answer requests until the parent has gone."""
    pending = b""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], PARENT_CHECK_SECONDS)
        if not readable:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            _reply(guard, line)


def _reply(guard: Guard, line: bytes) -> None:
    try:
        answer = guard.answer(json.loads(line))
    except (OSError, RuntimeError) as error:
        answer = {"error": str(error)}
    os.write(1, json.dumps(answer).encode() + b"\n")


def take(lock: int) -> bool:
    """Lock the file; False when another guard holds it.

    Whoever asks for the status holds it for an instant, so try for a while.
    """
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_INTERVAL)
        else:
            return True
    return False


def main(lock_path: str, parent: int) -> int:
    """Take the lock, say so, and serve; exit code 1 when another guard holds the lock."""
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not take(lock):
        os.write(1, b'{"error": "locked"}\n')
        return 1
    os.ftruncate(lock, 0)
    os.write(lock, json.dumps({"guard": os.getpid(), "parent": parent}).encode())
    guard = Guard()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        os.write(1, b'{"ready": true}\n')
        serve(guard, parent)
    finally:
        guard.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
