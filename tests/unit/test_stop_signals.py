"""SIGTERM at any moment ends a process that waits for it, also while the wait holds a lock of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A signal at every line of Python that the wait runs, and one later: what is made of Python's own locks hangs in one of them.
SCRIPT = """
import os, signal, sys, threading
from {module} import stop_signal

{prepare}

def line(frame, event, argument):
    os.kill(os.getpid(), signal.SIGTERM)
    return line

threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
print("waits", flush=True)
sys.settrace(line)
stop.{wait}()
sys.settrace(None)
"""


def ended(module: str, prepare: str, wait: str, seconds: float) -> int:
    """The exit code; TimeoutExpired when the wait has not ended in `seconds`."""
    script = SCRIPT.format(module=module, prepare=prepare, wait=wait)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"waits\n"
        try:
            return child.wait(seconds)
        finally:
            child.kill()


@pytest.mark.parametrize("module", ["local_aws.cli", "local_cluster.__main__", "sagemaker_gitops.cli.sandbox"])
def test_a_signal_at_any_moment_ends_the_wait(module: str) -> None:
    assert ended(module, "stop = stop_signal()", "get", 60) == 0


def test_the_same_with_an_event_hangs() -> None:
    """What this test would not see is not tested: threading.Event, the usual way, never ends."""
    event = "stop = threading.Event()\nsignal.signal(signal.SIGTERM, lambda *_: stop.set())"
    with pytest.raises(subprocess.TimeoutExpired):
        ended("local_aws.cli", event, "wait", 3)
