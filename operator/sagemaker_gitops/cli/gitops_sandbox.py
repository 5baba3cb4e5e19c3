"""A sandbox into which nobody applies anything but Argo CD: what the platform team and the teams have is a git repository each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from sagemaker_gitops.cli import gitops_application as argocd
from sagemaker_gitops.cli.gitops_repository import Repository
from sagemaker_gitops.cli.processes import Child, wait_for
from sagemaker_gitops.cli.sandbox import ROOT, START_SECONDS, Sandbox

PLATFORM, TEAM = "platform", "team-a"
ENVIRONMENT, DEPLOY = "sandbox", "deploy/dev"
PLATFORM_URL, TEAM_URL = "https://git.example.com/platform/sagemaker-gitops.git", "https://git.example.com/team-a/models.git"
APPLICATIONS = ("sagemaker-gitops-crds", "sagemaker-gitops-operator", "sagemaker-gitops-tenants", "sagemaker-gitops")
SYNC_SECONDS = 180.0
IGNORED = ".gitignore"


@dataclass(slots=True)
class GitOpsSandbox(Sandbox):
    """After the start: Argo CD has synced the platform, `platform` and `team` are clones, and team-a has code but no run."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    servers: Child | None = None
    # Argo CD prunes in the foreground: the garbage collector carries that out.
    controller_manager: bool = True
    argo_cd: bool = True

    @property
    def team(self) -> Repository:
        return self.repositories[TEAM]

    @property
    def platform(self) -> Repository:
        return self.repositories[PLATFORM]

    @property
    def argocd_folder(self) -> Path:
        return self.folder / "argocd"

    def install(self) -> None:
        self.start_argocd()
        self._commit_code()
        self._commit_platform()
        self.kubectl("apply", "-f", "-", stdin=self._ours((ROOT / "argocd" / "root.yaml").read_text()))
        for name in (*APPLICATIONS, TEAM):
            argocd.until(self, name, lambda state: state.settled and state.health == "Healthy", f"the first sync of {name}", SYNC_SECONDS)

    def start_argocd(self) -> None:
        """Its servers, and a clone of each of their repositories."""
        ready = self.folder / "argocd.ready"
        ready.unlink(missing_ok=True)
        command = ["local_cluster", "argocd", "--folder", str(self._cluster_folder), "--argocd-folder", str(self.argocd_folder)]
        command += ["--settings", str(ROOT / "argocd" / "settings"), "--ready-file", str(ready)]
        for name in (PLATFORM, TEAM):
            command += ["--repository", name]
        self.servers = self.children.start("argocd-servers", command)
        wait_for(ready.exists, self.servers, "the start of Argo CD", START_SECONDS)
        for name, url in json.loads(ready.read_text())["repositories"].items():
            self.repositories[name] = Repository.clone(url, self.folder / "clones" / name)

    def _commit_platform(self) -> None:
        """This repository's crds/, manifests/ and argocd/, with the URLs of the sandbox's git server."""
        for name in ("crds", "manifests", "argocd"):
            self.platform.copy(ROOT / name, name)
        for path in sorted(self.platform.path("argocd").rglob("*.yaml")):
            path.write_text(self._ours(path.read_text()))
        self.platform.commit("The operator, its CRDs and rights, and team-a's tenant")

    def _commit_code(self) -> None:
        """A team's repository as it begins: code, and a folder for each environment."""
        self.team.copy(ROOT / "jobs", "jobs")
        self.team.copy(ROOT / "manifests" / "components", "manifests/components")
        self.team.write(IGNORED, "__pycache__/\n")
        self.team.write(f"{DEPLOY}/kustomization.yaml", kustomization("../../jobs"))
        self.team.commit("Code of the digits model")

    def _ours(self, text: str) -> str:
        found = {PLATFORM_URL: self.platform.url, TEAM_URL: self.team.url, "argocd/environments/dev": f"argocd/environments/{ENVIRONMENT}"}
        for old, new in found.items():
            text = text.replace(old, new)
        return text


def kustomization(*resources: str) -> str:
    """Of one environment of the team."""
    listed = "".join(f"  - {item}\n" for item in resources)
    return (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: team-a\n"
        f"resources:\n{listed}components:\n  - ../../manifests/components/source-reference\n"
    )
