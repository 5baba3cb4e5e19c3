"""Fixtures of the service tests: one local AWS for all of them, put back to normal after each test."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from service_kit import SEED, Kit, make_bucket

from local_aws.server import LocalServer, Settings


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A served local AWS with SageMaker, Glue and moto, and a bucket."""
    server = LocalServer(Settings(folder=tmp_path_factory.mktemp("aws"), seed=SEED))
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    kit = Kit(server)
    make_bucket(kit)
    yield kit
    server.stop()
    thread.join(10)


@pytest.fixture
def kit(running: Kit) -> Iterator[Kit]:
    """The local AWS without faults, denials, quotas and with a clock at real speed."""
    settings = dict(running.world.settings)
    yield running
    running.world.faults.reset()
    running.world.identity.clear_denials()
    running.world.clock.speed = 1.0
    running.world.settings.clear()
    running.world.settings.update(settings)
    running.world.quotas.configure(dict.fromkeys(running.world.quotas.report()))
