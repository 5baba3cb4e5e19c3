"""From a container's image and command to a `Process` of this machine.

A Python script runs as a fork of the zygote where the image maps to the Python of the local AWS. Anything else
(`/bin/bash -c ...`) is executed, and finds the image's `python`, `python3`, `pip` and `pip3` first on its PATH.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_aws.executor.contract import OPT_ML, Command
from local_aws.executor.packages import InstallError, pip
from local_aws.executor.process import Process

_PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?")
_HARMLESS = frozenset({"-u", "--"})
# What a job installs by itself belongs to the job, not to the interpreter that all share.
_PIP_TARGET = str(OPT_ML / "packages")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def container_process(
    name: str,
    command: Command,
    interpreter: Path | None,
    environment: Mapping[str, str],
    root: Path,
    log: Path,
    tools: Path,
) -> Process:
    """The process of a container. `interpreter` is that of its image; `tools` a folder shared by all jobs."""
    python = interpreter or Path(sys.executable)
    argv, forked = _argv(command.argv, interpreter, python)
    variables = {
        "PATH": f"{tool_folder(tools, python)}:{SYSTEM_PATH}",
        "HOME": str(OPT_ML),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    if not forked:
        variables["PIP_TARGET"] = _PIP_TARGET
        variables["PYTHONPATH"] = ":".join(filter(None, (variables.get("PYTHONPATH"), _PIP_TARGET)))
    return Process(
        name=name,
        argv=argv,
        environment=variables,
        root=root,
        cwd=Path(command.cwd),
        log=log,
        interpreter=None if forked else python,
    )


def _argv(argv: tuple[str, ...], interpreter: Path | None, python: Path) -> tuple[tuple[str, ...], bool]:
    """The words for `Process.argv`, and whether the zygote can run them."""
    if _PYTHON.fullmatch(argv[0]) is None:
        return argv, False
    rest = argv[1:]
    while rest and rest[0] in _HARMLESS:
        rest = rest[1:]
    script = bool(rest) and (not rest[0].startswith("-") or (rest[0] == "-m" and len(rest) > 1))
    if interpreter is None and script:
        return rest, True
    return (str(python), *argv[1:]), False


def tool_folder(tools: Path, python: Path) -> Path:
    """A folder with `python`, `python3`, `pip` and `pip3` that run `python`; made once per interpreter.

    Scripts instead of links: a linked Python would not find the environment that it belongs to.
    """
    folder = tools / "bin" / hashlib.sha256(str(python).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "python3").exists():
        with contextlib.suppress(InstallError):
            for name in ("pip", "pip3"):
                _write_program(folder / name, pip(str(python)))
        for name in ("python", "python3"):
            _write_program(folder / name, [str(python)])
    return folder


def _write_program(path: Path, command: Sequence[str]) -> None:
    """Whole or not at all: other jobs may be looking, and writing the same."""
    descriptor, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o755)
        file.write(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    os.replace(new, path)
