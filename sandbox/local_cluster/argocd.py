"""A real Argo CD beside a local control plane: its servers as processes, a Redis, and git repositories over HTTP.

Needs a running instance (cluster.py) and nothing else. Its processes have a guard of their own (guard.py), so nothing outlives the
process that started them. In its cluster it does what an installation by manifests would have done: namespace, CRDs, settings, rights.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local_cluster import manifests
from local_cluster.argocd_build import CRDS, find_argocd
from local_cluster.argocd_commands import NAMESPACE, Layout, Ports, commands
from local_cluster.client import run_kubectl
from local_cluster.guardian import Guardian
from local_cluster.instance import LOCK, Instance, read_instance
from local_cluster.ports import free_ports, is_free
from local_cluster.users import ARGOCD
from local_cluster.waiting import wait_until

READY_SECONDS = 60.0
GIT_DEFAULT_BRANCH = "main"
PART_OF = {"app.kubernetes.io/part-of": "argocd"}
# argo-cd/controller and util/settings look for these at their start.
CONFIG_MAPS = (
    "argocd-cm",
    "argocd-rbac-cm",
    "argocd-cmd-params-cm",
    "argocd-ssh-known-hosts-cm",
    "argocd-tls-certs-cm",
    "argocd-gpg-keys-cm",
)


class ArgoCdError(RuntimeError):
    """Argo CD did not start, or has ended; names the program and the end of its log."""


@dataclass(slots=True)
class ArgoCd:
    """A running Argo CD. Use `start`, and either a `with` block or `stop`."""

    layout: Layout
    instance: Instance
    kubectl_path: Path
    guardian: Guardian

    @classmethod
    def start(cls, folder: Path, cluster: Path, kubectl: Path, settings: Path | None = None) -> ArgoCd:
        """Install into the instance in the folder `cluster`, start everything and return when it answers.

        `folder` is made and belongs to this Argo CD; `settings` is a kustomization of ConfigMaps that complete Argo CD's own.

        Raises:
            InstanceError: there is no instance in `cluster`.
            AlreadyRunningError: an Argo CD runs in `folder`.
            ArgoCdError: a program did not start.
            BuildError, ToolchainError: Argo CD could not be built.
        """
        programs = find_argocd()
        instance = read_instance(cluster)
        folder = folder.resolve()
        for name in ("", "gpg", "tls", "ssh", "tmp", "repositories"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        layout = Layout(programs, folder, instance.kubeconfig_of(ARGOCD), Ports(*free_ports(9)))
        argocd = cls(layout, instance, kubectl, Guardian(folder / LOCK))
        try:
            argocd._install(settings)
            argocd._launch()
        except BaseException:
            argocd.stop()
            raise
        return argocd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def repository(self, name: str) -> str:
        """The URL of a bare repository, made when it is not there."""
        path = self.layout.repositories / f"{name}.git"
        if not path.exists():
            subprocess.run(["git", "init", "--quiet", "--bare", f"--initial-branch={GIT_DEFAULT_BRANCH}", path], check=True)
        return f"http://127.0.0.1:{self.layout.ports.git}/{name}.git"

    def pid(self, program: str) -> int | None:
        """Process id of a program, None when it does not run."""
        return self.guardian.running_pid(program)

    def require_running(self) -> None:
        """Return when every program runs.

        Raises:
            ArgoCdError: one has ended; names it and the end of its log.
        """
        for program in commands(self.layout):
            if not self.guardian.is_running(program):
                log = self.layout.log(program)
                raise ArgoCdError(f"{program} has ended; the end of {log}:\n{log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        """End every program; the folder stays. May be called twice."""
        self.guardian.close()
        shutil.rmtree(self.layout.folder / "tmp", ignore_errors=True)

    def _install(self, settings: Path | None) -> None:
        # The instance may have no controller-manager, so nothing here may depend on one.
        manifests.create_namespaces(self._kubectl, [NAMESPACE])
        manifests.apply_crds(self._kubectl, self.layout.programs / CRDS)
        self._kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()}))
        if settings is not None:
            self._kubectl("apply", "--server-side", "--field-manager=settings", "-k", str(settings))

    def _launch(self) -> None:
        for program, command in commands(self.layout).items():
            self.guardian.start(program, command, self.layout.log(program))
        ports = self.layout.ports
        # What listens works: each of them opens its port after it has read its settings from the API server.
        awaited = (ports.redis, ports.git, ports.repo_server, ports.controller_metrics, ports.application_sets_probe)

        def answering() -> bool:
            self.require_running()
            return not any(is_free(port) for port in awaited)

        wait_until(answering, timeout=READY_SECONDS, waiting_for="the start of Argo CD", interval=0.2)

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return run_kubectl(self.kubectl_path, self.instance, arguments, stdin=stdin)


def objects() -> list[dict[str, Any]]:
    """What Argo CD's own manifests install beside its Deployments."""

    def named(kind: str, name: str, **body: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE, "labels": PART_OF}, **body}

    grant = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "argocd-application-controller"},
        # As in Argo CD's own installation: what a team may sync is decided by its AppProject.
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ARGOCD}],
    }
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }
    secret = named("Secret", "argocd-secret", stringData={"server.secretkey": secrets.token_urlsafe(32)})
    # No empty `data`: whoever completes a ConfigMap would have to take that field over.
    maps = [named("ConfigMap", name) for name in CONFIG_MAPS]
    return [*maps, named("Secret", "argocd-notifications-secret"), secret, grant, project]
