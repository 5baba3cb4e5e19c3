"""Runs a script in a process forked from the zygote as `python script.py` would: arguments, path, streams, exit code."""

from __future__ import annotations

import atexit
import gc
import io
import os
import runpy
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from typing import NoReturn

_OWN_FRAMES = (__file__, runpy.__file__, "<frozen runpy>")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a fork inherits: the zygote's `sys.path`, its modules, and their top-level names.

    Built once in the zygote: walking `sys.modules` in a fork copies its memory page by page, 4 ms and more.
    """

    path: tuple[str, ...]
    modules: frozenset[str]
    top_level: frozenset[str]


def run(argv: Sequence[str], environment: Mapping[str, str], loaded: Loaded) -> NoReturn:
    """Become the interpreter of `argv`: a script and its arguments, or `-m`, a module and its arguments.

    Never returns: the process ends with the code a real interpreter gives.
    """
    _reset_signals()
    _set_environment(environment)
    _open_streams()
    _reseed()
    code = 1
    try:
        code = _guarded(lambda: _run_main(argv, loaded.path))
        code = max(code, _guarded(threading._shutdown))  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        _drop_modules(loaded)
    finally:
        _flush()
        os._exit(code)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _set_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _open_streams() -> None:
    """Line by line for both, so that stdout and stderr keep their order in the one log."""
    for name, descriptor, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        raw = io.FileIO(descriptor, "w", closefd=False)
        stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors=errors, line_buffering=True, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")


def _reseed() -> None:
    """Fresh entropy, as an import gives: without it every fork would draw the zygote's numbers (`random` does it)."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _run_main(argv: Sequence[str], path: Sequence[str]) -> None:
    python_path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.orig_argv = [sys.executable, *argv]
    if argv[0] == "-m":
        sys.argv = list(argv[1:])
        sys.path[:] = [os.getcwd(), *python_path, *path]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = list(argv)
    script = os.path.abspath(argv[0])
    sys.path[:] = [os.path.dirname(os.path.realpath(script)), *python_path, *path]
    if os.path.isfile(script):
        _run_file(argv[0])
    elif os.path.exists(script):
        runpy.run_path(script, run_name="__main__")
    else:
        print(
            f"{sys.executable}: can't open file {script!r}: [Errno 2] No such file or directory",
            file=sys.stderr,
        )
        raise SystemExit(2)


def _run_file(script: str) -> None:
    """As `runpy.run_path`, but `__main__` stays for threads, exit handlers and pickles, as in a real interpreter."""
    with io.open_code(os.path.abspath(script)) as file:
        source = file.read()
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=script,
        __builtins__=__builtins__,
        __loader__=SourceFileLoader("__main__", script),
        __cached__=None,
    )
    sys.modules["__main__"] = main
    exec(compile(source, script, "exec", dont_inherit=True), main.__dict__)  # the job's own script


def _guarded(action: Callable[[], object]) -> int:
    try:
        action()
    except SystemExit as stop:
        return _exit_code(stop.code)
    except KeyboardInterrupt:
        _print_exception()
        _flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 130
    except BaseException:  # as the interpreter itself does
        _print_exception()
        return 1
    return 0


def _exit_code(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    print(value, file=sys.stderr)
    return 1


def _print_exception() -> None:
    """The traceback without the frames of this module and of runpy."""
    kind, error, traceback = sys.exc_info()
    assert kind is not None
    assert error is not None
    while traceback is not None and traceback.tb_frame.f_code.co_filename in _OWN_FRAMES:
        traceback = traceback.tb_next
    sys.excepthook(kind, error.with_traceback(traceback), traceback)


def _drop_modules(loaded: Loaded) -> None:
    """Let go of the job's own modules, so that files left open are written and finalisers run.

    A full interpreter shutdown would do it too, but takes 0.1 s to take down libraries that die with the process.
    """
    for name in tuple(sys.modules.keys() - loaded.modules):
        module = sys.modules[name]
        file = getattr(module, "__file__", None)
        if name == "__main__" or (file is not None and not file.startswith(loaded.path)):
            vars(module).clear()
    gc.collect()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
