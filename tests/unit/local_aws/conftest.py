"""Fixtures of the local AWS's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_frame import ACCOUNT, Local, build

from local_aws.moto_backend import MotoBackend


@pytest.fixture(scope="session")
def moto() -> MotoBackend:
    """moto is imported once: it takes a second."""
    return MotoBackend(ACCOUNT)


@pytest.fixture
def local(tmp_path: Path, moto: MotoBackend) -> Iterator[Local]:
    """A local AWS without a port."""
    built = build(tmp_path, moto)
    yield built
    built.world.close()
