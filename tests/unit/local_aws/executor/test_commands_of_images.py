"""A container's command becomes a process of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest
from executor_bench import Bench, Outcome

from local_aws.executor import Process, commands
from local_aws.executor.commands import container_process, tool_folder
from local_aws.executor.contract import Command


def made(folder: Path, *argv: str, interpreter: Path | None = None, environment: dict[str, str] | None = None) -> Process:
    command = Command(argv, PurePosixPath("/opt/ml"))
    return container_process("job", command, interpreter, environment or {}, folder, folder / "log", folder / "tools")


@pytest.mark.parametrize(
    ("argv", "script"),
    [
        (("python3", "/opt/ml/code/a.py", "--x"), ("/opt/ml/code/a.py", "--x")),
        (("/usr/bin/python", "-u", "a.py"), ("a.py",)),
        (("python3.11", "-m", "package", "1"), ("-m", "package", "1")),
    ],
)
def test_python_scripts_are_forked(tmp_path: Path, argv: tuple[str, ...], script: tuple[str, ...]) -> None:
    """Where the image is the Python of the local AWS, a script needs no interpreter of its own."""
    process = made(tmp_path, *argv)
    assert process.interpreter is None
    assert process.argv == script


@pytest.mark.parametrize("argv", [("python", "-c", "pass"), ("python", "-W", "error", "a.py"), ("python",)])
def test_other_python_commands_are_executed(tmp_path: Path, argv: tuple[str, ...]) -> None:
    """Options of the interpreter are not imitated."""
    process = made(tmp_path, *argv)
    assert process.interpreter == Path(sys.executable)
    assert process.argv == (sys.executable, *argv[1:])


def test_image_with_an_interpreter_uses_it(tmp_path: Path) -> None:
    """A registered interpreter runs the script."""
    process = made(tmp_path, "python3", "a.py", interpreter=Path(sys.executable))
    assert process.interpreter == Path(sys.executable)
    assert process.argv == (sys.executable, "a.py")


def test_environment_of_the_job_wins(tmp_path: Path) -> None:
    """The request may set any variable; without it HOME is the job's, not the user's."""
    assert made(tmp_path, "python", "a.py").environment["HOME"] == "/opt/ml"
    assert made(tmp_path, "python", "a.py", environment={"HOME": "/x"}).environment["HOME"] == "/x"


def test_shell_finds_the_python_of_its_image(bench: Bench) -> None:
    """`python3` and `pip3` in a shell script are those of the image; what pip installs belongs to the job."""
    root = bench.folder / "root"
    root.mkdir()
    text = 'command -v pip3 && python3 -c "import sys; print(sys.prefix)" && echo $PIP_TARGET'
    process = made(root, "/bin/sh", "-c", text)
    outcome = Outcome()
    bench.executor.submit(process, outcome)
    assert outcome.wait().code == 0, process.log.read_text()
    pip, prefix, target = process.log.read_text().splitlines()
    assert pip.startswith(str(root / "tools"))
    assert prefix == sys.prefix
    assert target == "/opt/ml/packages"


def test_tools_of_an_interpreter_work(tmp_path: Path) -> None:
    """The programs hand their arguments on as they are."""
    program = tool_folder(tmp_path, Path(sys.executable)) / "python"
    done = subprocess.run([program, "-c", "import sys; print(sys.argv[1:])", "a b", "$HOME"], capture_output=True, text=True, check=True)
    assert done.stdout == "['a b', '$HOME']\n"
    assert os.access(program.with_name("pip3"), os.X_OK)


def test_jobs_that_start_at_once_share_one_folder_of_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that write the same program do not take each other's file away."""
    together = threading.Barrier(2, timeout=10)
    replace = os.replace

    def meet(source: str, target: Path) -> None:
        together.wait()
        replace(source, target)

    monkeypatch.setattr(os, "replace", meet)
    monkeypatch.setattr(commands, "pip", lambda python: [python, "-m", "pip"])
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(tool_folder, tmp_path, Path(sys.executable)) for _ in range(2)]
        (folder,) = {each.result(30) for each in made}
    assert sorted(path.name for path in folder.iterdir()) == ["pip", "pip3", "python", "python3"]
    assert all(os.access(path, os.X_OK) for path in folder.iterdir())
