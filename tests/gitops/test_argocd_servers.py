"""Argo CD's processes: they all run, speak as the user `argocd`, and none outlives whoever started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster.cluster import LocalCluster
from local_cluster.guardian import running_owner
from local_cluster.instance import LOCK
from local_cluster.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster.start(tmp_path / "cluster") as found:
        yield found


def start(cluster: LocalCluster, tmp_path: Path) -> subprocess.Popen[bytes]:
    """`python -m local_cluster argocd` once it is ready."""
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "local_cluster", "argocd", "--folder", str(cluster.instance.folder), "--argocd-folder"]
    command += [str(tmp_path / "argocd"), "--repository", "team", "--ready-file", str(ready)]
    process = subprocess.Popen(command)
    wait_until(lambda: ready.exists() or process.poll() is not None, timeout=120, waiting_for="Argo CD")
    url = json.loads(ready.read_text())["repositories"]["team"]
    assert subprocess.run(["git", "ls-remote", url], capture_output=True, check=True).stdout == b""
    return process


def programs(folder: Path) -> dict[int, str]:
    """Process id -> executable of what the guard of an Argo CD has started; Argo CD's servers are one executable."""
    owner = running_owner(folder / LOCK)
    assert owner is not None
    listed = Path(f"/proc/{owner.guard}/task/{owner.guard}/children").read_text().split()
    return {int(pid): Path(os.readlink(f"/proc/{pid}/exe")).name for pid in listed}


def test_no_server_outlives_kill_9(cluster: LocalCluster, tmp_path: Path) -> None:
    """Four servers, Redis and git go with the process that started them."""
    process = start(cluster, tmp_path)
    try:
        children = programs(tmp_path / "argocd")
        names = list(children.values())
        assert (names.count("argocd"), names.count("valkey-server"), len(names)) == (4, 1, 6)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), timeout=20, waiting_for="the end of Argo CD")
    wait_until(lambda: running_owner(tmp_path / "argocd" / LOCK) is None, timeout=20, waiting_for="the end of the guard")


def test_a_server_that_ends_is_told(cluster: LocalCluster, tmp_path: Path) -> None:
    """The command ends with the program's name, and everything else with it."""
    process = start(cluster, tmp_path)
    redis = next(pid for pid, name in programs(tmp_path / "argocd").items() if name == "valkey-server")
    os.kill(redis, signal.SIGKILL)
    assert process.wait(30) == 1
    assert running_owner(tmp_path / "argocd" / LOCK) is None


def test_argo_cd_speaks_as_itself(cluster: LocalCluster, tmp_path: Path) -> None:
    """Its writes can be told from everybody else's in the audit log."""
    process = start(cluster, tmp_path)
    try:
        manifest = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "nothing", "namespace": "argocd"},
            "spec": {
                "project": "default",
                "destination": {"server": "https://kubernetes.default.svc"},
                "source": {"repoURL": "x", "path": "."},
            },
        }
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        wait_until(
            lambda: any(event.user == "argocd" and event.resource == "applications" for event in cluster.audit()),
            timeout=60,
            waiting_for="Argo CD to write the Application's status",
        )
    finally:
        process.terminate()
        assert process.wait(30) == 0
