"""The scripts of jobs/ as modules, and the digits as the sample's upload writes them."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest
from jobs_loading import load
from monitoring_world import World


@pytest.fixture(scope="session")
def normalise() -> ModuleType:
    """jobs/etl/normalise.py."""
    return load("jobs/etl/normalise.py")


@pytest.fixture(scope="session")
def training() -> ModuleType:
    """jobs/training/train.py."""
    return load("jobs/training/train.py")


@pytest.fixture(scope="session")
def evaluation() -> ModuleType:
    """jobs/evaluation/evaluate.py."""
    return load("jobs/evaluation/evaluate.py")


@pytest.fixture(scope="session")
def uploader() -> ModuleType:
    """manifests/samples/digits/upload.py."""
    return load("manifests/samples/digits/upload.py")


@pytest.fixture(scope="session")
def digits(uploader: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the objects of the sample's raw data."""
    folder = tmp_path_factory.mktemp("digits") / "raw"
    folder.mkdir()
    for name, content in uploader.documents().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts see no job's environment unless a test gives it."""
    for name in [name for name in os.environ if name.startswith(("SM_", "AWS_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The folder of a monitoring job."""
    return World(tmp_path)
