"""One per job, forked by the zygote: starts the job, stops it on demand, leaves nothing of it behind, reports its exit.

It lives as long as its job and talks to the service directly, so a lost zygote does not disturb a running job, and a
lost service (its end of the socket closes, whatever killed it) ends the job at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from local_aws.executor import channel, interpreter, isolation, linux
from local_aws.executor.launch import ONE_THREAD

NOT_STARTED = 125
_KILL_SECONDS = 5.0


def supervise(request: dict[str, Any], log: int, service: socket.socket, loaded: interpreter.Loaded) -> NoReturn:
    """Run the request to its end and report over `service`; `loaded` is what the zygote has."""
    status = 1
    try:
        linux.adopt_orphans()
        wakeup = watch_children()
        channel.send(service, {"accepted": True})
        parent = os.getpid()
        pid = _fork(service, log)
        if pid == 0:
            _become_job(request, log, loaded, parent)
        os.close(log)
        channel.send(service, {"pid": pid})
        code = os.waitstatus_to_exitcode(_wait(pid, service, wakeup))
        kill_children()
        channel.send(service, {"code": code} if code >= 0 else {"signal": -code})
        status = 0
    except ConnectionError:
        kill_children()
    except Exception:  # into the zygote's log; the job dies with its supervisor
        traceback.print_exc()
    finally:
        os._exit(status)


def _fork(service: socket.socket, log: int) -> int:
    try:
        return os.fork()
    except OSError as error:
        refuse(service, log, error)
        os._exit(0)


def refuse(service: socket.socket, log: int, error: OSError) -> None:
    """End a job that can't even be forked (no memory, no processes left)."""
    os.write(log, f"cannot start a process: {error.strerror}\n".encode())
    os.close(log)
    with service, contextlib.suppress(ConnectionError):
        channel.send(service, {"code": NOT_STARTED})


def watch_children() -> int:
    """A descriptor that becomes readable when a child of this process ends."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def drain(wakeup: int) -> None:
    """Forget the wake-ups seen so far."""
    with contextlib.suppress(BlockingIOError):
        os.read(wakeup, 4096)


def kill_children() -> None:
    """SIGKILL for every descendant: a killed one's children become ours, until there are none."""
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        for pid in linux.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        select.select([], [], [], 0.002)


def _wait(pid: int, service: socket.socket, wakeup: int) -> int:
    """The wait status of `pid`; obeys stop messages meanwhile."""
    deadline: float | None = None
    while True:
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        readable, _, _ = select.select([service.fileno(), wakeup], [], [], timeout)
        if wakeup in readable:
            drain(wakeup)
            status = _reap(pid)
            if status is not None:
                _signal_group(pid, signal.SIGKILL)
                return status
        if service.fileno() in readable:
            message = channel.receive(service)
            if message is None:
                _signal_group(pid, signal.SIGKILL)
                raise ConnectionResetError("the service is gone")
            _signal_group(pid, signal.SIGTERM)
            wanted = time.monotonic() + float(message[0]["stop"])
            deadline = wanted if deadline is None else min(deadline, wanted)
        elif deadline is not None and time.monotonic() >= deadline:
            _signal_group(pid, signal.SIGKILL)
            deadline = None


def _reap(pid: int) -> int | None:
    found: int | None = None
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == 0:
                break
            if ended == pid:
                found = status
    return found


def _signal_group(pid: int, number: signal.Signals) -> None:
    """To the group, or to the process alone as long as it has not made its group."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _become_job(request: dict[str, Any], log: int, loaded: interpreter.Loaded, parent: int) -> NoReturn:
    try:
        os.setsid()
        argv, environment = _enter(request, log, parent)
        if not request["execute"]:
            if _needs_own_interpreter(argv, environment, loaded):
                argv = [sys.executable, *argv]
            else:
                interpreter.run(argv, environment, loaded)
        _execute(argv, environment)
    except BaseException as error:  # whatever it is, it belongs in the job's log
        os.write(log, f"cannot start {request['argv'][0]}: {error}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _enter(request: dict[str, Any], log: int, parent: int) -> tuple[list[str], dict[str, str]]:
    """Streams, `/opt/ml` and working directory of the job; returns its arguments and environment."""
    argv, environment, cwd = request["argv"], request["environment"], request["cwd"]
    if request["root"] is not None:
        if request["isolation"] == "mount-namespace":
            isolation.mount(request["root"])
        else:
            argv, environment, cwd = isolation.re_rooted(argv, environment, cwd, request["root"])
    linux.die_with_parent(parent)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, log)
    os.closerange(log + 1, os.sysconf("SC_OPEN_MAX"))
    os.set_inheritable(log, False)
    os.chdir(cwd)
    return argv, {**ONE_THREAD, **environment}


_HARMLESS_PYTHON = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING"})


def _needs_own_interpreter(argv: Sequence[str], environment: dict[str, str], loaded: interpreter.Loaded) -> bool:
    """Whether a fork would differ from a fresh interpreter.

    It would when the environment holds what is read only at start (`PYTHONHASHSEED`, `LD_PRELOAD`, BLAS threads), or when
    the job brings its own version of a module that the zygote has loaded.
    """
    if any(environment[name] != value for name, value in ONE_THREAD.items()):
        return True
    if any(name.startswith(("LD_", "PYTHON")) and name not in _HARMLESS_PYTHON for name in environment):
        return True
    folders = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    folders.append(os.getcwd() if argv[0] == "-m" else os.path.dirname(os.path.realpath(argv[0])))
    return any(_brings(folder, loaded.top_level) for folder in folders)


def _brings(folder: str, modules: frozenset[str]) -> bool:
    try:
        return any(name.partition(".")[0] in modules for name in os.listdir(folder))
    except OSError:
        return False


def _execute(argv: list[str], environment: dict[str, str]) -> NoReturn:
    """Exit codes as a shell's: 127 for a missing program, 126 for one that can't be executed."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        os.write(2, f"exec {argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
