"""Child processes of the sandbox: started, awaited by their ready file, ended in reverse order, never left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagemaker_gitops.cli.errors import CommandError

STOP_SECONDS = 15.0
LOG_TAIL = 2000
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """One process; its output is in `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_SECONDS)

    def require_running(self) -> None:
        """CommandError with the end of the log if it has ended."""
        if self.process.poll() is not None:
            raise CommandError(f"{self.name} ended with code {self.process.returncode}; {self.log} ends:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL:]


@dataclass(slots=True)
class Children:
    """The processes of one sandbox, logs in `folder`."""

    folder: Path
    running: list[Child] = field(default_factory=list)

    def start(self, name: str, module: Sequence[str], environment: Mapping[str, str] | None = None, *, quiet: bool = True) -> Child:
        """`python -m module...` with the environment added to ours. quiet: stderr goes to the log too."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if quiet else None,
                env={**os.environ, **(environment or {})},
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        child = Child(name, process, log)
        self.running.append(child)
        return child

    def stop(self) -> None:
        while self.running:
            self.running.pop().stop()


def _die_with_parent() -> None:
    """In the child: SIGTERM when this process ends, however that is (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_for(condition: Callable[[], bool], child: Child | None, what: str, seconds: float) -> None:
    """Wait until `condition` holds; CommandError when `child` ends or the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if child is not None:
            child.require_running()
        if time.monotonic() > deadline:
            raise CommandError(f"{what} took more than {seconds:.0f} s" + (f"; {child.log} ends:\n{child.tail()}" if child else ""))
        time.sleep(0.05)
