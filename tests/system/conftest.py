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
    """API server, local AWS and operator, under the shipped role; without the admission policies, so that the operator is what refuses."""
    with Sandbox(tmp_path_factory.mktemp("sandbox"), admission=False) as sandbox:
        started = Stack(sandbox)
        yield started
        forbidden = [f"{event.verb} {event.uri}" for event in started.requests() if event.code == 403]
    assert forbidden == [], "the operator asked for what its role does not grant"


@pytest.fixture
def endpoints(stack: Stack) -> Endpoints:
    return Endpoints(stack)
