"""Commands that are no Python script: custom interpreters, shells, programs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from executor_bench import Bench

from local_aws.executor import Exit, Process


def test_command_is_executed_as_given(bench: Bench, own_python: Path) -> None:
    """An interpreter of one's own starts afresh: nothing is preloaded."""
    path = bench.write("import sys; print('numpy' in sys.modules, sys.argv[1:])")
    _, outcome = bench.submit(str(own_python), str(path), "--x", interpreter=own_python)
    assert outcome.wait() == Exit(code=0, signal=None)
    assert bench.text() == "False ['--x']\n"


@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("exit 5", Exit(code=5, signal=None)),
        ("kill -SEGV $$", Exit(code=None, signal=signal.SIGSEGV)),
    ],
)
def test_command_exit(bench: Bench, command: str, end: Exit) -> None:
    """Codes and signals of a shell are reported."""
    _, outcome = bench.submit("/bin/sh", "-c", command, interpreter=Path("/bin/sh"))
    assert outcome.wait() == end


@pytest.mark.parametrize(("name", "code"), [("none", 127), ("train.txt", 126)])
def test_command_that_cannot_be_executed(bench: Bench, name: str, code: int) -> None:
    """Missing is 127, not executable is 126, as in a container; the log says which."""
    bench.write("text", "train.txt")
    program = bench.folder / name
    _, outcome = bench.submit(str(program), interpreter=program)
    assert outcome.wait().code == code
    assert str(program) in bench.text()


def test_command_has_only_its_environment_and_streams(bench: Bench) -> None:
    """No variable and no descriptor of the service leaks into a command."""
    _, outcome = bench.submit("/bin/sh", "-c", "echo /proc/self/fd/*; /usr/bin/env", environment={"A": "b"}, interpreter=Path("/bin/sh"))
    outcome.wait()
    descriptors, *variables = bench.text().splitlines()
    assert descriptors == "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3"
    threads = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    assert {line.partition("=")[0] for line in variables} == {"A", "PWD", *threads}


def test_process_needs_a_command(tmp_path: Path) -> None:
    """An empty command line is refused where it is made."""
    with pytest.raises(ValueError, match=r"Process\.argv of 'digits'"):
        Process("digits", (), {}, None, tmp_path, tmp_path / "log")


def test_working_directory_that_does_not_exist(bench: Bench) -> None:
    """The job fails with a message in its log instead of running elsewhere."""
    _, outcome = bench.submit("train.py", cwd=bench.folder / "none")
    assert outcome.wait() == Exit(code=125, signal=None)
    assert "none" in bench.text()


def test_log_that_cannot_be_opened(bench: Bench, executor: object) -> None:
    """The caller is told at once."""
    bench.log = bench.folder / "none" / "log"
    with pytest.raises(FileNotFoundError):
        bench.submit("train.py")
