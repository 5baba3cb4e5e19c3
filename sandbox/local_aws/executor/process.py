"""What the executor runs and what comes of it: the types that the services of local AWS share with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Isolation = Literal["mount-namespace", "re-rooted"]


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a job.

    `interpreter` None: `argv[0]` is a Python script, or `argv[:2]` is `-m` and a module name, run by a fork of the zygote.
    Otherwise `argv` is a complete command line and is executed as given. `environment` replaces the whole environment;
    only the BLAS thread counts are 1 unless it says otherwise. `root` is the folder that the process sees as `/opt/ml`
    (None: it sees the machine's own). `cwd` may lie in `/opt/ml`. stdout and stderr are appended to `log`.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    root: Path | None
    cwd: Path
    log: Path
    interpreter: Path | None = None

    def __post_init__(self) -> None:
        if not self.argv or (self.argv[0] == "-m" and len(self.argv) < 2):
            raise ValueError(f"Process.argv of {self.name!r}: name a script, or -m and a module, or a command")


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: by an exit `code` or by a `signal` number; exactly one is set."""

    code: int | None
    signal: int | None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.signal is None):
            raise ValueError(f"Exit: set exactly one of code and signal, got {self.code} and {self.signal}")


class Running(Protocol):
    """A submitted process. `pid` is None until it has been started."""

    @property
    def pid(self) -> int | None: ...

    def stop(self, grace: float) -> None:
        """SIGTERM to the process group, SIGKILL to all that is left after `grace` seconds; returns at once."""


class ExecutorError(RuntimeError):
    """The executor can't run processes: not started, closed, or its zygote does not come up."""
