"""Fixtures of the transform tests: one local AWS for all of them, put back to normal after each test."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))
sys.path.insert(0, str(Path(__file__).parents[1] / "hosting"))

from service_kit import SEED, make_bucket
from transform_kit import TransformKit

from local_aws.server import LocalServer, Settings


@pytest.fixture(scope="session")
def transforming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TransformKit]:
    """A served local AWS with SageMaker and moto, and a bucket."""
    server = LocalServer(Settings(folder=tmp_path_factory.mktemp("aws"), seed=SEED))
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    kit = TransformKit(server)
    kit.world.settings["transform.startingSeconds"] = 0.0
    make_bucket(kit)
    yield kit
    server.stop()
    thread.join(10)


@pytest.fixture
def kit(transforming: TransformKit) -> Iterator[TransformKit]:
    """The local AWS without faults, denials and quotas."""
    settings = dict(transforming.world.settings)
    yield transforming
    transforming.world.faults.reset()
    transforming.world.identity.clear_denials()
    transforming.world.settings.clear()
    transforming.world.settings.update(settings)
    transforming.world.quotas.configure(dict.fromkeys(transforming.world.quotas.report()))
