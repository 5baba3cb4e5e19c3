"""Stopping, dying and cleaning up: nothing survives, every exit is reported once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from executor_bench import Bench, wait_until

from local_aws.executor import Executor, ExecutorError, Exit, Process, Running

# Starts a process in a session of its own, tells its pid, then waits for ever.
FAMILY = """
import os, subprocess, sys, threading
escaped = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"], start_new_session=True)
print("pids", os.getpid(), escaped.pid)
print("up")
threading.Event().wait()
"""
STUBBORN = "import signal, threading\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\nthreading.Event().wait()"
POLITE = (
    "import signal, sys, threading\n"
    "done = threading.Event()\n"
    "signal.signal(signal.SIGTERM, lambda *_: done.set())\n"
    "print('up')\n"
    "done.wait()\n"
    "print('checkpoint saved')\n"
)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Bench]:
    """An executor of the test's own, to break."""
    executor = Executor(tmp_path / "executor", preload=())
    executor.start()
    yield Bench(executor, tmp_path)
    executor.close()


def pid_of(running: Running) -> int:
    """The job may be up before the pool has read its pid."""
    wait_until(lambda: running.pid is not None, "the job's pid")
    assert running.pid is not None
    return running.pid


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descendants(pid: int) -> set[int]:
    """All processes below `pid`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = parent_of(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, size = {pid}, 0
    while size != len(found):
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def family(bench: Bench) -> list[int]:
    """The pids that FAMILY printed."""
    bench.wait_for("up")
    return [int(word) for word in bench.text().split("pids ")[1].splitlines()[0].split()]


def test_stop_lets_a_process_save_its_work(bench: Bench) -> None:
    """SIGTERM comes first; what the process answers is its exit."""
    running, outcome = bench.submit(str(bench.write(POLITE)))
    bench.wait_for("up")
    running.stop(60)
    assert outcome.wait() == Exit(code=0, signal=None)
    assert bench.text().endswith("checkpoint saved\n")


def test_stop_kills_after_the_grace(bench: Bench) -> None:
    """A process that ignores SIGTERM is killed."""
    running, outcome = bench.submit(str(bench.write(STUBBORN)))
    bench.wait_for("up")
    running.stop(0.05)
    assert outcome.wait() == Exit(code=None, signal=signal.SIGKILL)


def test_second_stop_shortens_the_grace(bench: Bench) -> None:
    """The earlier end counts."""
    running, outcome = bench.submit(str(bench.write(STUBBORN)))
    bench.wait_for("up")
    running.stop(3600)
    running.stop(0)
    assert outcome.wait() == Exit(code=None, signal=signal.SIGKILL)


def test_stop_reaches_the_whole_group(bench: Bench) -> None:
    """A shell's child is stopped with the shell."""
    command = "sleep 1000 & echo child $!; echo up; wait"
    running, outcome = bench.submit("/bin/sh", "-c", command, environment={"PATH": os.defpath}, interpreter=Path("/bin/sh"))
    bench.wait_for("up")
    child = int(bench.text().split()[1])
    running.stop(60)
    assert outcome.wait() == Exit(code=None, signal=signal.SIGTERM)
    assert not alive(child)


def test_stop_of_a_finished_process_does_nothing(bench: Bench) -> None:
    """The exit is reported once, whatever comes later."""
    running, outcome = bench.submit(str(bench.write("pass")))
    outcome.wait()
    running.stop(0)
    assert bench.script("pass").code == 0
    assert outcome.exits == [Exit(code=0, signal=None)]


def test_negative_grace_is_refused(bench: Bench) -> None:
    """The message names the field."""
    running, outcome = bench.submit(str(bench.write("pass")))
    with pytest.raises(ValueError, match="grace is -1"):
        running.stop(-1)
    outcome.wait()


def test_what_a_process_leaves_behind_is_killed(bench: Bench) -> None:
    """The end of the main process ends the container: a daemon in a session of its own too."""
    _, outcome = bench.submit(str(bench.write(FAMILY.replace("threading.Event().wait()", "os._exit(0)"))))
    assert outcome.wait().code == 0
    assert not any(alive(pid) for pid in family(bench))


def test_pid_is_that_of_the_job(bench: Bench) -> None:
    """`Running.pid` leads the job's own process group."""
    running, outcome = bench.submit(str(bench.write(STUBBORN)))
    bench.wait_for("up")
    pid = pid_of(running)
    assert os.getpgid(pid) == os.getsid(pid) == pid
    running.stop(0)
    outcome.wait()


def test_lost_zygote_is_replaced_and_running_jobs_go_on(alone: Bench) -> None:
    """A job that runs ends by itself and its exit is reported; new jobs run under a new zygote."""
    running, outcome = alone.submit(str(alone.write(POLITE)))
    alone.wait_for("up")
    zygote = parent_of(parent_of(pid_of(running)))
    os.kill(zygote, signal.SIGKILL)
    wait_until(lambda: not alive(zygote), "the zygote's death")
    assert alone.script("pass").code == 0
    running.stop(60)
    assert outcome.wait() == Exit(code=0, signal=None)
    assert len(outcome.exits) == 1


def test_lost_supervisor_takes_its_job_along(alone: Bench) -> None:
    """The job and what it started are killed, and reported as killed."""
    running, outcome = alone.submit(str(alone.write(FAMILY)))
    pids = family(alone)
    os.kill(parent_of(pid_of(running)), signal.SIGKILL)
    assert outcome.wait() == Exit(code=None, signal=signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in pids), "the death of job and child")


def test_close_kills_and_reports_everything(alone: Bench) -> None:
    """After close nothing runs; jobs that ran or waited have had their exit."""
    path = str(alone.write(FAMILY))
    _, outcome = alone.submit(path)
    pids = family(alone)
    waiting = [alone.submit(path)[1] for _ in range(3)]
    alone.executor.close()
    assert [len(each.exits) for each in (outcome, *waiting)] == [1, 1, 1, 1]
    assert outcome.exits[0].code is None
    wait_until(lambda: not any(alive(pid) for pid in pids), "no process left")


SERVICE = """
import os, sys, threading
from pathlib import Path
from local_aws.executor import Executor, Process, linux

linux.die_with_parent(int(sys.argv[2]))
folder = Path(sys.argv[1])
executor = Executor(folder / "executor", preload=())
executor.start()
for name in ("one", "two"):
    executor.submit(
        Process(name, (str(folder / "train.py"),), {}, folder, Path("/opt/ml"), folder / name), lambda end: None
    )
threading.Event().wait()
"""


@contextlib.contextmanager
def service(source: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that owns an executor; it does not outlive the test, even if that is killed."""
    process = subprocess.Popen([sys.executable, "-c", source, str(folder), str(os.getpid())])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_kill_9_of_the_service_leaves_nothing(tmp_path: Path) -> None:
    """Zygote, supervisors, jobs and what they started in other sessions end with the service, however it dies."""
    (tmp_path / "train.py").write_text(FAMILY)
    logs = [tmp_path / name for name in ("one", "two")]
    with service(SERVICE, tmp_path) as owner:
        wait_until(lambda: all(log.exists() and "up" in log.read_text() for log in logs), "both jobs up")
        pids = descendants(owner.pid)
        owner.kill()
    assert len(pids) >= 7
    wait_until(lambda: not any(alive(pid) for pid in pids), "the death of every descendant")


def test_kill_9_during_the_warm_up_leaves_nothing(tmp_path: Path) -> None:
    """A zygote that is still importing dies too."""
    (tmp_path / "executor").mkdir()
    (tmp_path / "executor/slow.py").write_text("import threading; threading.Event().wait()")
    source = SERVICE.replace("preload=()", "preload=('slow',)")
    with service(source, tmp_path) as owner:
        wait_until(lambda: bool(descendants(owner.pid)), "the zygote")
        pids = descendants(owner.pid)
        owner.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids), "the death of the zygote")


def test_submit_needs_a_start(tmp_path: Path) -> None:
    """An executor that was not started, or was closed, says so."""
    executor = Executor(tmp_path / "executor", preload=())
    bench = Bench(executor, tmp_path)
    with pytest.raises(ExecutorError, match="call start"):
        bench.submit("train.py")
    executor.start()
    executor.close()
    executor.close()
    with pytest.raises(ExecutorError, match="nothing after close"):
        bench.submit("train.py")


def test_start_twice_is_refused(alone: Bench) -> None:
    """There is one zygote."""
    with pytest.raises(ExecutorError, match="already started"):
        alone.executor.start()


def test_module_that_cannot_be_preloaded_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The executor works without it and the log names it."""
    executor = Executor(tmp_path / "executor", preload=("no_such_module",))
    executor.start()
    assert Bench(executor, tmp_path).script("pass").code == 0
    executor.close()
    assert "no_such_module is not preloaded: ModuleNotFoundError" in caplog.text


def test_zygote_that_never_comes_up_is_given_up(tmp_path: Path) -> None:
    """Jobs that wait are reported as killed, further ones are refused with the place of the zygote's log."""
    folder = tmp_path / "executor"
    folder.mkdir()
    (folder / "fatal.py").write_text("import os; os._exit(3)")
    executor = Executor(folder, preload=("fatal",))
    bench = Bench(executor, tmp_path)
    executor.start()
    _, outcome = bench.submit("train.py")
    assert outcome.wait() == Exit(code=None, signal=signal.SIGKILL)
    with pytest.raises(ExecutorError, match=r"zygote\.log"):
        bench.submit("train.py")
    with pytest.raises(ExecutorError, match=r"zygote\.log"):
        assert executor.isolation
    executor.close()


def test_callback_that_raises_does_not_end_the_executor(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged, other jobs go on."""

    def fail(end: Exit) -> None:
        raise RuntimeError(f"not stored: {end}")

    process = Process("broken", (str(bench.write("pass")),), {}, None, bench.folder, bench.log)
    bench.executor.submit(process, fail)
    wait_until(lambda: "on_exit of broken failed" in caplog.text, "the error in the log")
    assert bench.script("pass").code == 0
