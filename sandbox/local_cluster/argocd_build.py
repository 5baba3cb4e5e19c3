"""Builds Argo CD and the kustomize that its repo server calls from argocd/go.mod, beside the control plane in the user cache.

A go.mod of its own: Argo CD needs other versions of the Kubernetes modules than the control plane. Argo CD is one binary that acts by
the name it is called with, so its servers are symbolic links to it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from local_cluster.build import BuildError, Recipe, build_all
from local_cluster.release import PACKAGE_DIR, cache_root, parse_version, pinned
from local_cluster.toolchain import find_go, go_environment

ARGOCD_MODULE = "github.com/argoproj/argo-cd/v3"
KUSTOMIZE_MODULE = "sigs.k8s.io/kustomize/kustomize/v5"
ARGOCD_GO_MOD = PACKAGE_DIR / "argocd" / "go.mod"
CRDS = "crds"


class ArgoProgram(StrEnum):
    """What is in the folder of a release; the servers are links to ARGOCD."""

    KUSTOMIZE = "kustomize"
    ARGOCD = "argocd"
    REPO_SERVER = "argocd-repo-server"
    CONTROLLER = "argocd-application-controller"
    APPLICATION_SETS = "argocd-applicationset-controller"
    NOTIFICATIONS = "argocd-notifications"


LINKS = (ArgoProgram.REPO_SERVER, ArgoProgram.CONTROLLER, ArgoProgram.APPLICATION_SETS, ArgoProgram.NOTIFICATIONS)


@dataclass(frozen=True, slots=True)
class ArgoRelease:
    """Versions that one go.mod pins, and the hash that names what was built from it."""

    argocd: str
    kustomize: str
    go: tuple[int, ...]
    digest: str

    @property
    def folder(self) -> Path:
        """Where its programs and CRDs are in the user cache."""
        return cache_root() / "argocd" / f"{self.argocd}-{self.digest}"


def pinned_argocd(go_mod: Path = ARGOCD_GO_MOD) -> ArgoRelease:
    """Read the versions that `go_mod` pins.

    Raises:
        ValueError: a version is missing; regenerate the file with `python -m local_cluster.argocd_modules`.
    """
    text = go_mod.read_text()
    return ArgoRelease(
        argocd=pinned(text, rf"^\t{re.escape(ARGOCD_MODULE)} (v\S+)", go_mod),
        kustomize=pinned(text, rf"^\t{re.escape(KUSTOMIZE_MODULE)} (v\S+)", go_mod),
        go=parse_version(pinned(text, r"^go (\S+)", go_mod)),
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
    )


def find_argocd() -> Path:
    """The folder with every ArgoProgram and Argo CD's own CRDs in `crds`, built when the cache does not hold it.

    Raises:
        BuildError: a build failed.
        ToolchainError: there is no Go and none can be installed.
    """
    release = pinned_argocd()
    folder = release.folder
    if not is_complete(folder):
        build_all(folder, recipes(release), release.go)
        for link in LINKS:
            _link(folder / link, ArgoProgram.ARGOCD)
        if not (folder / CRDS).is_dir():
            _copy_crds(release, folder)
    return folder


def is_complete(folder: Path) -> bool:
    """Whether the cache holds everything; the CRDs come last."""
    return all((folder / program).exists() for program in ArgoProgram) and (folder / CRDS).is_dir()


def recipes(release: ArgoRelease) -> list[Recipe]:
    """kustomize first: it takes a minute of the ten."""
    version = f"-s -w -X {ARGOCD_MODULE}/common.version={release.argocd.removeprefix('v')}"
    module = ARGOCD_GO_MOD.parent
    return [
        Recipe(ArgoProgram.KUSTOMIZE, KUSTOMIZE_MODULE, module, "-s -w", 0.5),
        Recipe(ArgoProgram.ARGOCD, f"{ARGOCD_MODULE}/cmd", module, version, 9.0),
    ]


def _link(path: Path, target: str) -> None:
    staging = path.with_name(f".{path.name}.new")
    staging.unlink(missing_ok=True)
    staging.symlink_to(target)
    staging.replace(path)


def _copy_crds(release: ArgoRelease, folder: Path) -> None:
    """From the module, which Go has just unpacked: its cache may be cleaned, ours goes on."""
    command = [str(find_go(release.go).path), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", ARGOCD_MODULE]
    done = subprocess.run(command, cwd=ARGOCD_GO_MOD.parent, env=go_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"the folder of {ARGOCD_MODULE} is not known: {done.stderr.strip()}")
    staging = folder / f".{CRDS}.new"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for file in sorted((Path(done.stdout.strip()) / "manifests" / "crds").glob("*-crd.yaml")):
        shutil.copyfile(file, staging / file.name)
    staging.replace(folder / CRDS)
