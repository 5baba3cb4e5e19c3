"""One warm executor for all tests of the executor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from executor_bench import Bench

from local_aws.executor import Executor


@pytest.fixture(scope="session")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    running = Executor(tmp_path_factory.mktemp("executor"), preload=("numpy",))
    running.start()
    yield running
    running.close()


@pytest.fixture
def bench(executor: Executor, tmp_path: Path) -> Bench:
    return Bench(executor, tmp_path)


@pytest.fixture
def own_python() -> Path:
    return Path(sys.executable)
