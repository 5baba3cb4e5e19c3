"""A whole operator process with a toy kind, on a real API server: writes, health, SIGTERM, CRDs that come late."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kopf_frame import DEADLINE, training_run

from local_cluster import LocalCluster

pytestmark = pytest.mark.system

TOY = Path(__file__).with_name("toy_operator.py")


class Process:
    """The operator, its log and what its kind printed."""

    def __init__(self, cluster: LocalCluster, folder: Path, seconds: float) -> None:
        self._log, self._out = folder / "log", folder / "out"
        with self._log.open("w") as log, self._out.open("w") as out:
            arguments = [sys.executable, str(TOY), str(cluster.kubeconfig), str(seconds)]
            self.child = subprocess.Popen(arguments, stdout=out, stderr=log)

    @property
    def printed(self) -> list[str]:
        return self._out.read_text().splitlines()

    @property
    def logged(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.endswith("}")]

    def has_logged(self, event: str) -> bool:
        return any(line["event"] == event for line in self.logged)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert self.child.poll() is None, f"ended while waiting for {what}:\n{self._log.read_text()}"
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self._log.read_text()}"
            self._pause()

    def get(self, path: str) -> tuple[int, str]:
        address = next(line["address"] for line in self.logged if line["event"] == "serving")
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(DEADLINE)

    def _pause(self) -> None:
        try:
            self.child.wait(0.05)
        except subprocess.TimeoutExpired:
            return


@contextmanager
def operator(cluster: LocalCluster, folder: Path, seconds: float = 0.0) -> Iterator[Process]:
    folder.mkdir()
    process = Process(cluster, folder, seconds)
    try:
        process.until(lambda: process.has_logged("serving"), "the health server")
        yield process
    finally:
        process.child.kill()
        process.child.wait()


def apply(cluster: LocalCluster, name: str, **metadata: object) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(training_run(name, **metadata)))


def phase(cluster: LocalCluster, name: str) -> str:
    return cluster.kubectl("get", "tr", name, "-o", "jsonpath={.status.phase}", check=False).stdout


def writes(cluster: LocalCluster, name: str) -> list[tuple[str, str]]:
    """Verb and subresource of each accepted write of the operator to the object."""
    return [
        (event.verb, event.subresource)
        for event in cluster.audit()
        if event.name == name and event.is_write and event.accepted and event.user_agent.startswith("sagemaker-gitops")
    ]


def test_two_writes_per_object_and_none_per_restart_or_label(cluster: LocalCluster, tmp_path: Path) -> None:
    """Finalizer and status; a label edit and a restart cost nothing; an edit one; a deletion one."""
    with operator(cluster, tmp_path / "first") as process:
        apply(cluster, "counted")
        process.until(lambda: phase(cluster, "counted") == "Succeeded", "the status")
        assert writes(cluster, "counted") == [("patch", ""), ("patch", "status")]
        cluster.kubectl("label", "tr", "counted", "a=b")
        assert process.stop() == 0
    with operator(cluster, tmp_path / "second") as process:
        process.until(lambda: process.get("/readyz")[0] == 200, "readiness")
        assert process.printed == []
        assert len(writes(cluster, "counted")) == 2
        patch = json.dumps({"spec": {"train": {"entryPoint": "other.py"}}})
        cluster.kubectl("patch", "tr", "counted", "--type=merge", "-p", patch)
        process.until(lambda: "end counted" in process.printed, "the pass after the edit")
        assert len(writes(cluster, "counted")) == 3
        cluster.kubectl("delete", "tr", "counted", "--timeout=20s")
        assert len(writes(cluster, "counted")) == 4
        assert process.stop() == 0


def test_sigterm_lets_the_running_pass_end(cluster: LocalCluster, tmp_path: Path) -> None:
    """The call under way is finished, the next object is left to the next start (failure-modes.md B17)."""
    with operator(cluster, tmp_path / "process", seconds=1.5) as process:
        apply(cluster, "slow")
        process.until(lambda: "begin slow" in process.printed, "the pass")
        assert process.stop() == 0
        assert process.printed == ["begin slow", "end slow"]
    with operator(cluster, tmp_path / "clean") as process:
        cluster.kubectl("delete", "tr", "slow", "--timeout=20s")
        assert process.stop() == 0


def test_health_and_metrics_of_a_running_operator(cluster: LocalCluster, tmp_path: Path) -> None:
    """Alive, ready, and counted without any user's name in a label (failure-modes.md G11)."""
    with operator(cluster, tmp_path / "process") as process:
        apply(cluster, "metered")
        process.until(lambda: phase(cluster, "metered") == "Succeeded", "the status")
        assert process.get("/healthz") == (200, "ok")
        assert process.get("/readyz") == (200, "ok")
        metrics = process.get("/metrics")[1]
        assert 'passes_total{kind="TrainingRun",outcome="Done"} 1.0' in metrics
        assert "metered" not in metrics
        cluster.kubectl("delete", "tr", "metered", "--timeout=20s")


def test_events_are_posted_on_transitions(cluster: LocalCluster, tmp_path: Path) -> None:
    """`kubectl describe` shows what happened, accepted by the real Events API."""
    with operator(cluster, tmp_path / "process") as process:
        apply(cluster, "told")
        found = ["get", "events.events.k8s.io", "-o", "jsonpath={.items[?(@.regarding.name=='told')].reason}"]
        process.until(lambda: cluster.kubectl(*found).stdout == "Succeeded", "the event")
        cluster.kubectl("delete", "tr", "told", "--timeout=20s")


def test_an_operator_started_before_its_crds_waits_for_them(tmp_path: Path) -> None:
    """Not alive and saying why; once they are installed it works without a restart (failure-modes.md 2.2, G-sync waves)."""
    with LocalCluster.start(tmp_path / "empty") as bare, operator(bare, tmp_path / "process") as process:
        process.until(lambda: process.has_logged("waiting_for_crds"), "the warning")
        status, text = process.get("/healthz")
        assert status == 503
        assert "install the CRDs" in text
        bare.apply_crds(Path(__file__).parents[3] / "crds")
        process.until(lambda: process.get("/readyz")[0] == 200, "readiness")
        apply(bare, "late")
        process.until(lambda: phase(bare, "late") == "Succeeded", "the status")
        assert process.stop() == 0
