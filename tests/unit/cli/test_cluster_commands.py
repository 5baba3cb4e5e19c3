"""plan, logs and run against an API server of the test's own: names, refusals and exit codes."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.cli.cluster import NAMESPACED
from sagemaker_gitops.cli.main import main

GROUP = "/apis/sagemaker-gitops.dev/v1alpha1"
RUNS = f"{GROUP}/namespaces/team-a/trainingruns"
EMPTY: dict[str, Any] = {"items": []}
INVALID = {
    "apiVersion": "sagemaker-gitops.dev/v1alpha1",
    "kind": "TrainingRun",
    "metadata": {"name": "broken", "namespace": "team-a", "uid": "u", "resourceVersion": "1", "generation": 1},
    "spec": {"train": {"image": "digits", "hyperparameters": {"bad key": 1}}},
}


class Server(http.server.ThreadingHTTPServer):
    """Answers GET from `bodies`; everything else is 404."""

    bodies: dict[str, tuple[int, Any]]


class Handler(http.server.BaseHTTPRequestHandler):
    """One GET."""

    server: Server

    def do_GET(self) -> None:
        status, body = self.server.bodies.get(self.path, (404, {"message": "not found"}))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An API server with our kinds and no object; the kubeconfig's namespace is team-a."""
    server = Server(("127.0.0.1", 0), Handler)
    server.bodies = {
        f"{GROUP}/tenants": (200, EMPTY),
        f"{GROUP}/trainingruns": (200, EMPTY),
        f"{GROUP}/modelendpoints": (200, EMPTY),
        f"{GROUP}/monitorpolicies": (200, EMPTY),
        "/api/v1/namespaces": (200, EMPTY),
    }
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(tmp_path, f"http://127.0.0.1:{server.server_port}")))
    monkeypatch.setenv("SAGEMAKER_GITOPS_INSTALL_ID", "test")
    monkeypatch.chdir(tmp_path)
    yield server
    server.shutdown()
    server.server_close()


def _kubeconfig(folder: Path, server: str, name: str = "dev") -> Path:
    config = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def test_plan_finds_an_object_by_its_name(cluster: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """In the context's namespace, with the operator's words about it; exit code 1 for findings."""
    cluster.bodies[f"{RUNS}/broken"] = (200, INVALID)
    assert main(["plan", "broken"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("TrainingRun/team-a/broken\n")
    assert "spec.train.hyperparameters: keys must start with a letter" in out


@pytest.mark.parametrize("kind", NAMESPACED)
def test_plan_knows_every_kind(cluster: Server, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """An invalid object of each is answered with its findings."""
    metadata = {**INVALID["metadata"], "name": "odd"}
    path = f"{GROUP}/namespaces/team-a/{KINDS[kind].plural}/odd"
    cluster.bodies[path] = (200, {**INVALID, "kind": kind, "metadata": metadata, "spec": {"surprise": 1}})
    assert main(["plan", f"{kind.lower()}/odd"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{kind}/team-a/odd\n")
    assert "spec.surprise" in out


@pytest.mark.parametrize("name", ["absent", "Not_A_Name"])
def test_plan_of_a_name_that_there_is_not(cluster: Server, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Says where it was looked for; exit code 2."""
    assert main(["plan", name, "-n", "team-b"]) == 2
    assert f"no file {name} here, and no TrainingRun {name} in namespace team-b" in capsys.readouterr().err


def test_plan_takes_what_looks_like_a_file_for_a_file(cluster: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped path is not looked for in the cluster."""
    assert main(["plan", "absent.yaml"]) == 2
    assert "absent.yaml: No such file" in capsys.readouterr().err


def test_plan_refuses_what_the_api_server_would_refuse(cluster: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that no object can have, and no spec: before anything is asked."""
    (tmp_path / "run.yaml").write_text("apiVersion: sagemaker-gitops.dev/v1alpha1\nkind: TrainingRun\nmetadata: {name: ../tenants}\n")
    assert main(["plan", "run.yaml"]) == 1
    out = capsys.readouterr().out
    assert "metadata.name: " in out
    assert "spec: Required value" in out


def test_logs_looks_for_the_object_before_the_tenant(cluster: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The wrong namespace is the usual mistake."""
    assert main(["logs", "absent"]) == 2
    assert "no TrainingRun absent in namespace team-a (-n names another)" in capsys.readouterr().err
    cluster.bodies[f"{RUNS}/broken"] = (200, INVALID)
    assert main(["logs", "broken"]) == 1
    assert "no Tenant names namespace team-a" in capsys.readouterr().err


def test_a_refusal_of_the_api_server_is_told_in_its_words(cluster: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The message of the Status, not its JSON."""
    cluster.bodies[f"{GROUP}/tenants"] = (403, {"kind": "Status", "message": 'tenants is forbidden: User "ann" cannot list'})
    assert main(["plan", "digits"]) == 1
    assert 'tenants is forbidden: User "ann" cannot list (HTTP 403)' in capsys.readouterr().err


def test_a_cluster_without_our_kinds(cluster: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Not "there is no such object"."""
    cluster.bodies.clear()
    assert main(["plan", "digits"]) == 1
    assert "knows no tenants: install the operator's crds/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "server"), [("prod", "https://127.0.0.1:6443"), ("sagemaker-gitops-sandbox-x", "https://eks.example.com")]
)
def test_the_operator_refuses_a_context_that_is_not_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, server: str
) -> None:
    """Nobody starts an operator in production because that was the current context."""
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(tmp_path, server, name)))
    monkeypatch.setenv("SAGEMAKER_GITOPS_INSTALL_ID", "test")
    assert main(["run"]) == 2
    assert f"context {name} ({server}) is not the sandbox's: to run the operator there, name it with --context" in capsys.readouterr().err
