"""A script forked from the zygote behaves as under an interpreter of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from executor_bench import Bench

from local_aws.executor import Exit


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pass", 0),
        ("raise SystemExit", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit(256 + 7)", 7),
        ("import sys; sys.exit('no data')", 1),
        ("1 / 0", 1),
        ("def broken(:", 1),
        ("import os; os._exit(9)", 9),
    ],
)
def test_exit_code_is_that_of_a_real_interpreter(bench: Bench, source: str, code: int) -> None:
    """The code of a script's end is what `python script.py` gives."""
    assert bench.script(source) == Exit(code=code, signal=None)


def test_exit_text_goes_to_the_log(bench: Bench) -> None:
    """`sys.exit("text")` prints the text."""
    bench.script("import sys; sys.exit('no data')")
    assert bench.text() == "no data\n"


def test_traceback_is_that_of_a_real_interpreter(bench: Bench) -> None:
    """An unhandled exception prints the traceback of the script alone."""
    source = "def train():\n    raise ValueError('bad data')\n\ntry:\n    {}['x']\nexcept KeyError:\n    train()\n"
    path = bench.write(source)
    real = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    bench.script(source)
    assert bench.text() == real.stderr


def test_death_by_signal_is_reported_as_the_signal(bench: Bench) -> None:
    """A process that a signal ended has no exit code."""
    end = bench.script("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert end == Exit(code=None, signal=signal.SIGKILL)


def test_keyboard_interrupt_ends_by_sigint(bench: Bench) -> None:
    """As Python does: the traceback, then death by SIGINT."""
    assert bench.script("raise KeyboardInterrupt") == Exit(code=None, signal=signal.SIGINT)
    assert bench.text().endswith("KeyboardInterrupt\n")


def test_script_sees_its_arguments_directory_and_path(bench: Bench) -> None:
    """`sys.argv`, the working directory and `sys.path[0]` are the script's."""
    bench.script("import json, os, sys; print(json.dumps([sys.argv, os.getcwd(), sys.path[0]]))", "--rate", "0.1")
    folder = str(bench.folder)
    assert json.loads(bench.text()) == [[f"{folder}/train.py", "--rate", "0.1"], folder, folder]


def test_environment_is_replaced_completely(bench: Bench) -> None:
    """Nothing of the service's environment reaches a job; one BLAS thread is the default."""
    bench.script("import json, os; print(json.dumps(dict(os.environ)))", environment={"SM_HP_C": "1"})
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    assert json.loads(bench.text()) == {"SM_HP_C": "1", **threads}


def test_module_runs_by_name(bench: Bench) -> None:
    """`-m name` runs a module of the working directory as `__main__`."""
    bench.write("import sys; print(__name__, sys.argv[1:])", "package/__main__.py")
    _, outcome = bench.submit("-m", "package", "--x")
    assert outcome.wait().code == 0
    assert bench.text() == "__main__ ['--x']\n"


def test_script_that_does_not_exist(bench: Bench) -> None:
    """The message and code 2 of Python."""
    _, outcome = bench.submit(str(bench.folder / "none.py"))
    assert outcome.wait().code == 2
    assert "can't open file" in bench.text()


def test_streams_keep_their_order(bench: Bench) -> None:
    """stdout and stderr share the log line by line."""
    bench.script("import sys\nfor i in range(3):\n    print('out', i)\n    print('err', i, file=sys.stderr)")
    assert bench.text().splitlines() == [f"{name} {i}" for i in range(3) for name in ("out", "err")]


def test_exit_handlers_threads_and_open_files_are_finished(bench: Bench) -> None:
    """What a real interpreter does at its end happens: threads are joined, atexit runs, files are written."""
    bench.write("import atexit\natexit.register(print, 'at exit')\nkept = open('kept', 'w')\nkept.write('data')", "own.py")
    source = (
        "import own, threading\n"
        "go = threading.Event()\n"
        "threading.Thread(target=lambda: (go.wait(), print('thread'))).start()\n"
        "left_open = open('left', 'w'); left_open.write('data')\n"
        "go.set()\n"
    )
    assert bench.script(source).code == 0
    assert bench.text() == "thread\nat exit\n"
    assert (bench.folder / "left").read_text() == (bench.folder / "kept").read_text() == "data"


def test_classes_of_the_script_can_be_pickled(bench: Bench) -> None:
    """`__main__` is the script, also for worker processes."""
    source = (
        "import multiprocessing, pickle\n"
        "class Model: pass\n"
        "def double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    pickle.loads(pickle.dumps(Model()))\n"
        "    with multiprocessing.Pool(2) as pool: print(pool.map(double, [1, 2]))\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(double, [3]))\n"
    )
    assert bench.script(source).code == 0, bench.text()
    assert bench.text() == "[2, 4]\n[6]\n"


def test_unseeded_numbers_differ_between_jobs(bench: Bench) -> None:
    """Forks do not share the zygote's random state; an own seed gives the same numbers always."""
    source = "import random, numpy; print(random.random(), numpy.random.rand()); numpy.random.seed(1); print(numpy.random.rand())"
    bench.script(source)
    bench.script(source)
    first, seeded, second, again = bench.text().splitlines()
    assert not set(first.split()) & set(second.split())
    assert seeded == again


def test_numpy_is_already_there(bench: Bench) -> None:
    """The point of the zygote: a preloaded module is loaded before the script's first line."""
    bench.script("import sys; print('numpy' in sys.modules)")
    assert bench.text() == "True\n"


def test_own_version_of_a_preloaded_module_wins(bench: Bench) -> None:
    """A job that brings a module of a preloaded name gets an interpreter of its own."""
    bench.write("print('own')", "site/numpy.py")
    bench.script("import numpy", environment={"PYTHONPATH": str(bench.folder / "site")})
    assert bench.text() == "own\n"


def test_variables_read_at_start_are_honoured(bench: Bench) -> None:
    """PYTHONHASHSEED works although the zygote was started without it."""
    for _ in range(2):
        bench.script("print(hash('digits'))", environment={"PYTHONHASHSEED": "7"})
    first, second = bench.text().splitlines()
    assert first == second


def test_more_blas_threads_are_honoured(bench: Bench) -> None:
    """A job that asks for two threads gets an interpreter that was started with two."""
    bench.script("import os, sys; print('numpy' in sys.modules, os.environ['OMP_NUM_THREADS'])", environment={"OMP_NUM_THREADS": "2"})
    assert bench.text() == "False 2\n"
