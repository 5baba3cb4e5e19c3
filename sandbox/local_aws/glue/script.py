"""From a Glue job run to a process: the script and its libraries from S3, the command line, the environment.

Python shell only. Parameters that Glue itself consumes (`--extra-py-files` ...) never reach the script.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_aws import storage
from local_aws.executor import Process
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
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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


def process(
    script: Script, files: storage.Storage, arguments: Mapping[str, str], environment: Mapping[str, str]
) -> Process:
    """Fetch what the run needs and build its process; JobFailedError says what is missing."""
    work = script.folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    path = script.folder / "script" / (Path(script.location).name or "script.py")
    _fetch(files, script.location, path)
    libraries = [str(library) for library in _libraries(script, files, arguments.get("--extra-py-files", ""))]
    _check_modules(arguments.get("--additional-python-modules", ""))
    search = os.pathsep.join([str(LIBRARY), *libraries])
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return Process(
        name=script.run_id,
        argv=(str(path), *command_line(script, arguments)),
        environment={
            "PATH": paths,
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "PYTHONPATH": search,
            **environment,
        },
        root=None,
        cwd=work,
        log=script.log,
        interpreter=None,
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
        raise JobFailedError(
            f"Command failed: the script or library {uri} can not be read: {error}"
        ) from error


def _libraries(script: Script, files: storage.Storage, uris: str) -> list[Path]:
    """Local paths for PYTHONPATH: a .whl, .egg or .zip itself, the folder of a .py file."""
    found: list[Path] = []
    for number, uri in enumerate(each.strip() for each in uris.split(",") if each.strip()):
        path = script.folder / "libraries" / str(number) / Path(uri).name
        _fetch(files, uri, path)
        found.append(path.parent if path.suffix == ".py" else path)
    return found


def _check_modules(modules: str) -> None:
    """Additional modules must already be installed: a run here never installs anything."""
    for requirement in (each.strip() for each in modules.split(",") if each.strip()):
        match = _REQUIREMENT.match(requirement)
        name = match.group() if match else requirement
        try:
            importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise JobFailedError(
                f"--additional-python-modules: {requirement} is not installed in this local AWS, which does "
                "not install packages; add it to the environment that runs the local AWS"
            ) from error
