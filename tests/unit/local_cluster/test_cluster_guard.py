"""local_cluster.guard and guardian: no process outlives its parent. Real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster.guardian import AlreadyRunningError, GuardError, Guardian, running_owner
from local_cluster.waiting import wait_until

PARENT = """
import os, sys, time
from pathlib import Path
from local_cluster.guardian import Guardian
folder = Path(sys.argv[1])
guardian = Guardian(folder / "lock")
guardian.discard_at_end([folder / "state"])
child = guardian.start("sleeper", ["sleep", "600"], folder / "log")
if "fork" in sys.argv and os.fork() == 0:
    time.sleep(600)
print(guardian.pid, child, flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_gone(*pids: int) -> None:
    """Wait until none of the processes exists."""
    wait_until(lambda: not any(map(alive, pids)), timeout=10, waiting_for=f"the end of {pids}")


@pytest.fixture
def guardian(tmp_path: Path) -> Iterator[Guardian]:
    """A guard in this process."""
    made = Guardian(tmp_path / "lock")
    yield made
    made.close()


@pytest.fixture
def parent(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Another process with a guard and one program; with the process ids of both."""
    (tmp_path / "state").mkdir()
    extra = getattr(request, "param", [])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), *extra],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        guard, child = map(int, process.stdout.readline().split())
        yield process, guard, child
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("parent", [[], ["fork"]], indirect=True, ids=["alone", "with a forked child"])
def test_nothing_outlives_a_killed_parent(parent: tuple[subprocess.Popen[str], int, int], tmp_path: Path) -> None:
    """kill -9 of the parent ends guard and programs and throws the state away.

    Even when a forked child of the parent holds the guard's pipe open.
    """
    process, guard, child = parent
    assert alive(child)
    process.kill()
    assert_gone(guard, child)
    assert not (tmp_path / "state").exists()


def test_nothing_outlives_a_killed_guard(parent: tuple[subprocess.Popen[str], int, int]) -> None:
    """kill -9 of the guard itself ends the programs too."""
    _, guard, child = parent
    os.kill(guard, signal.SIGKILL)
    assert_gone(guard, child)


def test_the_owner_of_a_running_instance_is_known(parent: tuple[subprocess.Popen[str], int, int], tmp_path: Path) -> None:
    """Any process can tell whether an instance runs, and who runs it."""
    process, guard, _ = parent
    owner = running_owner(tmp_path / "lock")
    assert owner is not None
    assert (owner.guard, owner.parent) == (guard, process.pid)


def test_a_second_instance_in_one_folder_is_refused(guardian: Guardian, tmp_path: Path) -> None:
    """The error names the process that has the folder."""
    assert guardian.alive
    with pytest.raises(AlreadyRunningError, match=f"by process {os.getpid()}"):
        Guardian(tmp_path / "lock")


def test_a_folder_is_free_after_the_end(tmp_path: Path) -> None:
    """Closing gives the lock back."""
    Guardian(tmp_path / "lock").close()
    assert running_owner(tmp_path / "lock") is None
    Guardian(tmp_path / "lock").close()


def test_a_program_can_be_killed_and_started_again(guardian: Guardian, tmp_path: Path) -> None:
    """A killed program is gone when `end` returns, and may be started again under its name."""
    first = guardian.start("sleeper", ["sleep", "600"], tmp_path / "log")
    guardian.end("sleeper")
    assert not alive(first)
    second = guardian.start("sleeper", ["sleep", "600"], tmp_path / "log")
    assert guardian.running_pid("sleeper") == second


def test_a_program_is_not_started_twice(guardian: Guardian, tmp_path: Path) -> None:
    """A second start under a running name is an error and harms nothing."""
    first = guardian.start("sleeper", ["sleep", "600"], tmp_path / "log")
    with pytest.raises(GuardError, match="sleeper is already running"):
        guardian.start("sleeper", ["sleep", "600"], tmp_path / "log")
    assert guardian.running_pid("sleeper") == first


def test_the_end_of_a_program_is_noticed(guardian: Guardian, tmp_path: Path) -> None:
    """A program that ends by itself is not running any more; its output is in the log."""
    guardian.start("speaker", ["sh", "-c", "echo spoken; exit 3"], tmp_path / "log")
    wait_until(lambda: not guardian.is_running("speaker"), timeout=10, waiting_for="the end of the program")
    assert (tmp_path / "log").read_text() == "spoken\n"


def test_a_program_that_cannot_be_started_is_an_error(guardian: Guardian, tmp_path: Path) -> None:
    """The guard survives it."""
    with pytest.raises(GuardError, match="No such file"):
        guardian.start("nothing", [str(tmp_path / "absent")], tmp_path / "log")
    assert guardian.running_pid("nothing") is None
    assert guardian.alive


def test_a_closed_guardian_says_so(guardian: Guardian) -> None:
    """Requests after the end are errors, a second end is none."""
    guardian.close()
    guardian.close()
    assert not guardian.alive
    with pytest.raises(GuardError, match="has been stopped"):
        guardian.is_running("sleeper")
