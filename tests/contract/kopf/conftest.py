"""One control plane for the contract tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster import LocalCluster

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """etcd and kube-apiserver with our CRDs."""
    with LocalCluster.start(tmp_path_factory.mktemp("cluster")) as started:
        started.apply_crds(CRDS)
        yield started
