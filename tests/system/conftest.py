"""One sandbox for all system tests of a session: starting it costs about ten seconds, a run in it about one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sagemaker_gitops.cli.local_account import SEED
from sagemaker_gitops.cli.sandbox import ROOT, Sandbox
from tests.system.endpoints import Endpoints
from tests.system.policies import Policies, checking
from tests.system.stack import Stack

CLOCKS_DIFFER = timedelta(seconds=5)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs processes."""
    for item in items:
        if "tests/system/" in str(item.path):
            item.add_marker(pytest.mark.system)


def least_privilege(stack: Stack) -> None:
    """Tenant's and execution role may do what docs/iam says and nothing else: every test proves that it is enough."""
    stack.aws.add_role(**SEED["roles"][0], allow=allowed("tenant"))
    stack.aws.add_role(**SEED["roles"][1], allow=allowed("training", "glue", "endpoint"))


def allowed(*policies: str) -> list[str]:
    """The actions of some files of docs/iam."""
    read = [json.loads((ROOT / "docs/iam" / f"{name}.json").read_text())["Statement"] for name in policies]
    return sorted({action for statements in read for statement in statements for action in statement["Action"]})


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """API server, local AWS and operator, under the shipped role; without the admission policies, so that the operator is what refuses."""
    with Sandbox(tmp_path_factory.mktemp("sandbox"), admission=False) as sandbox:
        started = Stack(sandbox)
        least_privilege(started)
        yield started
        shown = datetime.fromisoformat(str(started.aws.admin("GET", "clock")["now"]))
        assert abs(shown - datetime.now(UTC)) < CLOCKS_DIFFER, (
            "a test moved the clock of the AWS that all share: give it a sandbox of its own"
        )
        forbidden = [f"{event.verb} {event.uri}" for event in started.requests() if event.code == 403]
    assert forbidden == [], "the operator asked for what its role does not grant"


@pytest.fixture
def endpoints(stack: Stack) -> Endpoints:
    return Endpoints(stack)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox whose operator starts a stand-in for jobs/monitoring; one for each file, whose policies go on by the clock."""
    with checking(tmp_path_factory.mktemp("checking")) as stack:
        yield stack


@pytest.fixture
def policies(checked: Stack) -> Policies:
    return Policies(checked)
