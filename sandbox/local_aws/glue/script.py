"""From a Glue job run to a process: the script and its libraries from S3, the command line, the environment.

Python shell only. Parameters that Glue itself consumes (`--extra-py-files` ...) never reach the script.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_aws import storage
from local_aws.executor import Process
from local_aws.executor.commands import SYSTEM_PATH, tool_folder
from local_aws.executor.packages import InstallError, Packages
from local_aws.lifecycle import JobFailedError

LIBRARY = Path(__file__).parent / "library"
_CONSUMED = frozenset(
    {
        "--extra-py-files",
        "--additional-python-modules",
        "--python-modules-installer-option",
        "--job-language",
        "--class",
        "--enable-metrics",
        "--enable-continuous-cloudwatch-log",
        "--enable-job-insights",
        "--enable-observability-metrics",
        "--library-set",
        "library-set",
    }
)


@dataclass(frozen=True, slots=True)
class Script:
    """Where a run's files go, and what it is called."""

    run_id: str
    job_name: str
    location: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"


def process(script: Script, files: storage.Storage, arguments: Mapping[str, str], environment: Mapping[str, str], shared: Path) -> Process:
    """Fetch what the run needs and build its process; JobFailedError says what is missing. `shared`: the folder of all jobs."""
    work = script.folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    path = script.folder / "script" / (Path(script.location).name or "script.py")
    _fetch(files, script.location, path)
    libraries = _libraries(script, files, arguments.get("--extra-py-files", ""))
    installed = _additional(script, arguments.get("--additional-python-modules", ""), Packages(shared / "packages"))
    own_process = None if installed is None else Path(sys.executable)
    search = os.pathsep.join(map(str, filter(None, (installed, LIBRARY, *libraries))))
    argv = (str(path), *command_line(script, arguments))
    return Process(
        name=script.run_id,
        argv=argv if own_process is None else (str(own_process), *argv),
        environment={
            "PATH": f"{tool_folder(shared / 'tools', Path(sys.executable))}:{SYSTEM_PATH}",
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "PYTHONPATH": search,
            **environment,
        },
        root=None,
        cwd=work,
        log=script.log,
        interpreter=own_process,
    )


def command_line(script: Script, arguments: Mapping[str, str]) -> Sequence[str]:
    """`--key value` for each argument of the user's own, after the names Glue adds."""
    words = ["--JOB_NAME", script.job_name, "--JOB_ID", script.job_name, "--JOB_RUN_ID", script.run_id]
    for key, value in arguments.items():
        if key not in _CONSUMED:
            words += [key if key.startswith("--") else f"--{key}", value]
    return words


def _fetch(files: storage.Storage, uri: str, path: Path) -> None:
    try:
        files.fetch(storage.parse(uri), path)
    except (ValueError, storage.StorageError) as error:
        raise JobFailedError(f"Command failed: the script or library {uri} can not be read: {error}") from error


def _libraries(script: Script, files: storage.Storage, uris: str) -> list[Path]:
    """Local paths for PYTHONPATH: a .whl, .egg or .zip itself, the folder of a .py file."""
    found: list[Path] = []
    for number, uri in enumerate(each.strip() for each in uris.split(",") if each.strip()):
        path = script.folder / "libraries" / str(number) / Path(uri).name
        _fetch(files, uri, path)
        found.append(path.parent if path.suffix == ".py" else path)
    return found


def _additional(script: Script, modules: str, packages: Packages) -> Path | None:
    """`--additional-python-modules` installed; None when the interpreter has them all."""
    names = [each.strip() for each in modules.split(",") if each.strip()]
    if not names:
        return None
    wanted = script.folder / "modules" / "requirements.txt"
    wanted.parent.mkdir()
    wanted.write_text("\n".join(names))
    try:
        return packages.install(wanted, None)
    except InstallError as error:
        raise JobFailedError(f"--additional-python-modules {modules} can not be installed: {error}") from error
