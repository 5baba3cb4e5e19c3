"""SIGTERM at any moment ends a process that waits for it, also while the wait holds a lock of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A signal at every line of Python that `get` runs; a wait made of Python's own locks hangs in one of them.
SCRIPT = """
import os, signal, sys
from {module} import stop_signal

stop = stop_signal()

def line(frame, event, argument):
    os.kill(os.getpid(), signal.SIGTERM)
    return line

sys.settrace(line)
try:
    stop.{wait}()
finally:
    sys.settrace(None)
"""


def ended(module: str, prepare: str = "", wait: str = "get", timeout: float = 60) -> int:
    script = SCRIPT.format(module=module, wait=wait).replace("stop = stop_signal()", prepare or "stop = stop_signal()")
    script += "\nprint('ended')\n"
    signalled = f"import os, signal, threading\nthreading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()\n{script}"
    return subprocess.run([sys.executable, "-c", signalled], check=False, timeout=timeout, capture_output=True).returncode


@pytest.mark.parametrize("module", ["local_aws.cli", "local_cluster.__main__", "sagemaker_gitops.cli.sandbox"])
def test_a_signal_at_any_moment_ends_the_wait(module: str) -> None:
    assert ended(module) == 0


def test_the_same_with_an_event_hangs() -> None:
    """What this test would not see is not tested: threading.Event, the usual way, never ends."""
    event = "import threading\nstop = threading.Event()\nsignal.signal(signal.SIGTERM, lambda *_: stop.set())"
    with pytest.raises(subprocess.TimeoutExpired):
        ended("local_aws.cli", event, "wait", timeout=4)
