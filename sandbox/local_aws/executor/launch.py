"""Starts the zygote process and holds the service's end of its socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SOURCE_ROOT = str(Path(__file__).resolve().parents[2])
DEFAULT_PRELOAD = ("numpy", "pandas", "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline", "boto3")
# For the zygote (before numpy is imported: a fork needs a single thread) and for every job, unless it asks for more:
# with two BLAS threads a small fit was 30 times slower.
ONE_THREAD: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_BOOT = "from local_aws.executor.zygote import main; main()"


class Zygote:
    """A started zygote process; call from the thread that lives as long as the zygote shall."""

    def __init__(self, folder: Path, preload: Sequence[str]) -> None:
        self.socket, theirs = socket.socketpair()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": SOURCE_ROOT,
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            **ONE_THREAD,
        }
        with theirs, (folder / "zygote.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), str(os.getpid()), SOURCE_ROOT, *preload],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def end(self) -> None:
        """Kill it and wait; running jobs do not depend on it."""
        self.socket.close()
        self.process.kill()
        self.process.wait()
