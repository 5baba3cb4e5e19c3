"""One sandbox for all system tests of a session: starting it costs about ten seconds, a run in it about one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagemaker_gitops.cli.sandbox import Sandbox
from tests.system.endpoints import Endpoints
from tests.system.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs processes."""
    for item in items:
        if "tests/system/" in str(item.path):
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """API server, local AWS and operator."""
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield Stack(sandbox)


@pytest.fixture
def endpoints(stack: Stack) -> Endpoints:
    return Endpoints(stack)
