"""Fixtures of the hosting tests: one local AWS for all of them, put back to normal after each test."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))

from hosting_kit import HostingKit
from monitoring_kit import Watch, answering
from scaling_kit import Scaled
from service_kit import SEED, make_bucket

from local_aws.server import LocalServer, Settings


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostingKit]:
    """A served local AWS with SageMaker and moto, and a bucket."""
    server = LocalServer(Settings(folder=tmp_path_factory.mktemp("aws"), seed=SEED))
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    kit = HostingKit(server)
    for phase in ("creating", "updating", "rollingBack", "deleting"):
        kit.world.settings[f"endpoints.{phase}Seconds"] = 0.0
    make_bucket(kit)
    yield kit
    server.stop()
    thread.join(10)


@pytest.fixture
def kit(serving: HostingKit) -> Iterator[HostingKit]:
    """The local AWS without faults, denials and quotas; the endpoints of a test are deleted at its end."""
    settings = dict(serving.world.settings)
    serving.made.clear()
    yield serving
    serving.world.faults.reset()
    serving.world.identity.clear_denials()
    serving.world.clock.speed = 1.0
    serving.world.settings.clear()
    serving.world.settings.update(settings)
    serving.world.quotas.configure(dict.fromkeys(serving.world.quotas.report()))
    serving.delete_made()


@pytest.fixture
def quick(kit: HostingKit) -> HostingKit:
    """Endpoints without processes: for what is not invoked."""
    kit.world.settings["endpoints.startServers"] = 0
    return kit


@pytest.fixture
def scaled(quick: HostingKit) -> Scaled:
    """A variant on one instance, not registered yet."""
    return Scaled(quick, quick.serving())


@pytest.fixture
def watch(kit: HostingKit) -> Watch:
    """Model Monitor opened."""
    kit.world.settings["monitoring.open"] = 1.0
    return Watch(kit)


@pytest.fixture
def endpoint(kit: HostingKit) -> str:
    """It has captured one invocation of this hour, with the inference id `id-1`."""
    return answering(kit)
