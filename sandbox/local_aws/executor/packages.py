"""Installs a source's requirements.txt as the training toolkit does, but into a folder of its own, kept by content.

The interpreters are shared by all jobs, so nothing is installed into them: the folder goes on the job's PYTHONPATH. A
job whose requirements the interpreter already meets needs none. Uses uv when there is one, else the interpreter's pip.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TAIL = 2000
_TIMEOUT = 1800.0


class InstallError(Exception):
    """The requirements can't be installed; the text is what the toolkit writes to `/opt/ml/output/failure`."""


@dataclass(frozen=True, slots=True)
class Packages:
    """`folder` keeps what was installed, across jobs."""

    folder: Path

    def install(self, requirements: Path, interpreter: Path | None) -> Path | None:
        """A folder for the job's PYTHONPATH, None when the interpreter has everything. Takes seconds to minutes.

        `interpreter` None is the Python of the local AWS. Raises InstallError with the end of the installer's output.
        """
        python = str(interpreter or sys.executable)
        installer = _installer(python)
        probe = _run([*installer, "--dry-run", "--no-index", "-r", str(requirements)], requirements)
        if probe.returncode == 0 and "Would install" not in probe.stdout:
            return None
        target = self.folder / _key(requirements, python)
        if not target.exists():
            self._fill(target, installer, requirements, python)
        return target

    def _fill(self, target: Path, installer: Sequence[str], requirements: Path, python: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            new = Path(scratch) / "new"
            have = Path(scratch) / "have"
            have.write_text("\n".join(_installed(python)))
            command = [*installer, "--target", str(new), "-r", str(requirements)]
            done = _run([*command, "-c", str(have)], requirements)
            if done.returncode != 0:
                shutil.rmtree(new, ignore_errors=True)
                done = _run(command, requirements)
            if done.returncode != 0:
                raise InstallError(_text(done, python))
            new.mkdir(exist_ok=True)
            if not target.exists():
                new.rename(target)


def pip(python: str) -> list[str]:
    """The pip of an interpreter, or the one that Python carries for new environments. InstallError without either."""
    if subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0:
        return [python, "-m", "pip"]
    carried = importlib.util.find_spec("ensurepip")
    for folder in (carried.submodule_search_locations or ()) if carried is not None else ():
        for wheel in sorted(Path(folder).glob("_bundled/pip-*.whl")):
            return [python, str(wheel / "pip")]
    raise InstallError(f'InstallRequirementsError:\nErrorMessage "{python} has no pip, and uv is not on the PATH"')


def _installer(python: str) -> list[str]:
    beside = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    uv = shutil.which("uv", path=beside)
    if uv is not None:
        return [uv, "pip", "install", "--python", python]
    return [*pip(python), "install", "--disable-pip-version-check", "--no-input"]


def _run(command: Sequence[str], requirements: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PIP_TARGET"}
    return subprocess.run(
        command,
        cwd=requirements.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_TIMEOUT,
        check=False,
    )


_LIST = "import importlib.metadata as m, json; print(json.dumps([f'{d.name}=={d.version}' for d in m.distributions()]))"


def _installed(python: str) -> list[str]:
    """What the interpreter has, as constraints: a job's packages shall fit to it where they can."""
    done = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, check=True)
    listed: list[str] = json.loads(done.stdout)
    return listed


def _key(requirements: Path, python: str) -> str:
    return hashlib.sha256(requirements.read_bytes() + b"\0" + python.encode()).hexdigest()[:32]


def _text(done: subprocess.CompletedProcess[str], python: str) -> str:
    return (
        f"InstallRequirementsError:\nExitCode {done.returncode}\n"
        f'ErrorMessage "{done.stdout.strip()[-_TAIL:]}"\nCommand "{python} -m pip install -r requirements.txt"'
    )
