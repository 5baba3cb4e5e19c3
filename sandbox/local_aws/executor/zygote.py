"""The process that has numpy, pandas, scikit-learn and boto3 imported, and forks a supervisor for every job.

Started by `pool.Executor` with one BLAS thread; single-threaded, so that a fork is safe. It ends when the service does:
its socket closes. The supervisors see the same on their own sockets.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from local_aws.executor import channel, interpreter, isolation, linux, supervisor


def main() -> None:
    """Serve requests from descriptor `argv[1]` of the service `argv[2]`; `argv[3]` is the package's source root, which
    jobs do not see; the modules that follow are preloaded.
    """
    linux.die_with_parent(int(sys.argv[2]))
    service = socket.socket(fileno=int(sys.argv[1]))
    path = tuple(entry for entry in sys.path if entry not in ("", sys.argv[3]))
    failed = _preload(sys.argv[4:])
    mode, reason = isolation.probe()
    linux.adopt_orphans()
    wakeup = supervisor.watch_children()
    modules = frozenset(sys.modules) - {"__main__"}
    loaded = interpreter.Loaded(path, modules, frozenset(name.partition(".")[0] for name in modules))
    gc.collect()
    gc.freeze()
    try:
        channel.send(service, {"isolation": mode, "reason": reason, "failed": failed})
        _Zygote(service, wakeup, loaded, mode).serve()
    except ConnectionError:
        sys.exit(0)


def _preload(modules: Sequence[str]) -> dict[str, str]:
    failed = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken library must not take the others away
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


class _Zygote:
    def __init__(self, service: socket.socket, wakeup: int, loaded: interpreter.Loaded, mode: str) -> None:
        self._service = service
        self._wakeup = wakeup
        self._loaded = loaded
        self._mode = mode
        self._supervisors: set[int] = set()

    def serve(self) -> None:
        """Until the service is gone."""
        while True:
            readable, _, _ = select.select([self._service.fileno(), self._wakeup], [], [])
            if self._wakeup in readable:
                supervisor.drain(self._wakeup)
                self._reap()
            if self._service.fileno() in readable:
                received = channel.receive(self._service)
                if received is None:
                    return
                self._fork(*received)

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        log, control = descriptors
        request["isolation"] = self._mode
        service = socket.socket(fileno=control)
        try:
            pid = os.fork()
        except OSError as error:
            supervisor.refuse(service, log, error)
            return
        if pid == 0:
            signal.set_wakeup_fd(-1)
            os.close(self._wakeup)
            self._service.close()
            supervisor.supervise(request, log, service, self._loaded)
        self._supervisors.add(pid)
        os.close(log)
        service.close()

    def _reap(self) -> None:
        """Collect supervisors; what a killed one left behind has become our child and is killed."""
        orphans = False
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                self._supervisors.discard(pid)
                orphans = orphans or status != 0
        except ChildProcessError:
            return
        if orphans:
            for pid in set(linux.children()) - self._supervisors:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
