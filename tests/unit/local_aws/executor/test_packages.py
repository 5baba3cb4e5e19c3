"""Requirements of a source are installed beside the shared interpreter."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local_aws.executor.packages import InstallError, Packages


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package that no registry is needed for."""
    path = tmp_path / "source/gitops_demo-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "gitops_demo-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("gitops_demo.py", "VALUE = 42\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: gitops-demo\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"gitops_demo.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def requirements(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "requirements.txt"
    path.write_text(text)
    return path


def test_package_is_installed_into_a_folder_of_its_own(tmp_path: Path, wheel: Path) -> None:
    """The folder on PYTHONPATH makes the import work; the interpreter itself stays as it was; a second job finds it."""
    wanted = requirements(wheel.parent, f"./{wheel.name}\n")
    packages = Packages(tmp_path / "packages")
    folder = packages.install(wanted, None)
    assert folder is not None
    source = "import gitops_demo; print(gitops_demo.VALUE)"
    done = subprocess.run([sys.executable, "-c", source], env={"PYTHONPATH": str(folder)}, capture_output=True, check=True)
    assert done.stdout == b"42\n"
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, check=False).returncode == 1
    before = folder.stat().st_mtime_ns
    assert packages.install(wanted, Path(sys.executable)) == folder
    assert folder.stat().st_mtime_ns == before


def test_requirements_that_are_met_need_nothing(tmp_path: Path) -> None:
    """The sandbox's scikit-learn is good enough for a source that asks for it; no network is touched."""
    wanted = requirements(tmp_path / "source", "scikit-learn>=1\n# comment\npandas\n")
    assert Packages(tmp_path / "packages").install(wanted, None) is None
    assert not (tmp_path / "packages").exists()


def test_requirement_that_cannot_be_installed(tmp_path: Path) -> None:
    """The error has the toolkit's form and the installer's words; nothing half-made stays."""
    wanted = requirements(tmp_path / "source", "./none-1.0-py3-none-any.whl\n")
    with pytest.raises(InstallError, match=r"(?s)InstallRequirementsError:\nExitCode \d+\nErrorMessage .*none-1\.0"):
        Packages(tmp_path / "packages").install(wanted, None)
    assert list((tmp_path / "packages").iterdir()) == []
