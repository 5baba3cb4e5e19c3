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
    return left(SCRIPT.format(module=module, prepare=prepare, wait=wait), seconds)


def left(script: str, seconds: float) -> int:
    """The exit code of a script that says when it waits."""
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


ELSEWHERE = """
import signal, threading
from local_aws.cli import stop_signal, wait_for

stop = stop_signal()
threading.Timer(0.5, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
print("waits", flush=True)
{wait}
"""


def test_a_signal_that_another_thread_takes_ends_the_local_aws() -> None:
    """As one does that comes the moment the wait begins: nothing wakes the main thread, which has to look for itself."""
    assert left(ELSEWHERE.format(wait="assert wait_for(stop) == signal.SIGTERM"), 30) == 0
    with pytest.raises(subprocess.TimeoutExpired):
        left(ELSEWHERE.format(wait="stop.get()"), 3)


def test_the_same_with_an_event_hangs() -> None:
    """What this test would not see is not tested: threading.Event, the usual way, never ends."""
    event = "stop = threading.Event()\nsignal.signal(signal.SIGTERM, lambda *_: stop.set())"
    with pytest.raises(subprocess.TimeoutExpired):
        ended("local_aws.cli", event, "wait", 3)
