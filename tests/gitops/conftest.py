"""One sandbox with a real Argo CD for the tests of the story: it takes about two minutes to be ready."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sagemaker_gitops.cli.gitops_sandbox import GitOpsSandbox
from sagemaker_gitops.cli.gitops_story import Story
from tests.gitops.mailbox import subscribed

# `make test-gitops REST=600` for the ten minutes of the specification.
REST_SECONDS = float(os.environ.get("SAGEMAKER_GITOPS_REST_SECONDS", "60"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Argo CD's binary, which takes ten minutes to build once."""
    for item in items:
        if "tests/gitops/" in str(item.path):
            item.add_marker(pytest.mark.gitops)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitOpsSandbox]:
    """Control plane, local AWS, operator and Argo CD, which has synced the platform."""
    with GitOpsSandbox(tmp_path_factory.mktemp("gitops")) as found:
        yield found


@pytest.fixture(scope="session")
def story(sandbox: GitOpsSandbox) -> Story:
    return Story(sandbox, REST_SECONDS)


@pytest.fixture(scope="session")
def told(sandbox: GitOpsSandbox) -> Iterator[list[str]]:
    """What Argo CD has notified of since the first test that asked."""
    with subscribed(sandbox) as found:
        yield found
