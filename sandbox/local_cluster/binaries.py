"""Finds etcd, kube-apiserver, kubectl and kube-controller-manager of one Kubernetes release.

Looked for in this order: KUBEBUILDER_ASSETS, the user cache, PATH; what is nowhere is built (build.py). A
place is taken as a whole or not at all, and each place that is passed over says why, because a mixture of
releases fails in ways that look like our bugs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local_cluster.build import build, missing
from local_cluster.progress import say
from local_cluster.release import Program, Release, cache_dir, parse_version, pinned_release

# ValidatingAdmissionPolicy, which the manifests use, is generally available from 1.30 on.
OLDEST_KUBERNETES = (1, 30)
OLDEST_ETCD = (3, 5)
REQUIRED = (Program.ETCD, Program.APISERVER, Program.KUBECTL)


@dataclass(frozen=True, slots=True)
class Binaries:
    """Paths of the programs, the Kubernetes version that they share, and where they were found."""

    paths: dict[Program, Path]
    kubernetes: str
    origin: str

    def path(self, program: Program) -> Path:
        """Where `program` is.

        Raises:
            KeyError: it was not asked for when the binaries were looked for.
        """
        return self.paths[program]


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a place was passed over."""

    reason: str


def required_programs(controller_manager: bool) -> tuple[Program, ...]:
    """The programs that a start needs."""
    return (*REQUIRED, Program.CONTROLLER_MANAGER) if controller_manager else REQUIRED


def find_binaries(controller_manager: bool = False) -> Binaries:
    """The programs, built when no place has them.

    Raises:
        BuildError: a build failed.
        ToolchainError: there is no Go and none can be installed.
    """
    release = pinned_release()
    programs = required_programs(controller_manager)
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        found = in_folder(Path(assets), "KUBEBUILDER_ASSETS", programs)
        if isinstance(found, Binaries):
            return found
        say(f"KUBEBUILDER_ASSETS={assets} is passed over: {found.reason}")
    if not missing(release, programs):
        return _cached(release, programs)
    on_path = on_search_path(programs)
    if isinstance(on_path, Binaries):
        return on_path
    say(f"PATH is passed over: {on_path.reason}")
    build(release, programs)
    return _cached(release, programs)


def in_folder(folder: Path, origin: str, programs: Sequence[Program]) -> Binaries | Unusable:
    """The programs in one folder, when all are there and of one release."""
    return _checked({program: folder / program for program in programs}, origin)


def on_search_path(programs: Sequence[Program]) -> Binaries | Unusable:
    """The programs on PATH, when all are there and of one release."""
    found = {program: shutil.which(program) for program in programs}
    absent = [program for program, path in found.items() if path is None]
    if absent:
        return Unusable(f"no {', '.join(absent)} there")
    return _checked({program: Path(path) for program, path in found.items() if path}, "PATH")


def version_of(program: Program, path: Path) -> str:
    """The version that a binary reports, such as `v1.36.3`; "" when it does not run or names none."""
    arguments = ["version", "--client"] if program is Program.KUBECTL else ["--version"]
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"(?:Kubernetes|Client Version:|etcd Version:) v?(\d+\.\d+\.\d+)", done.stdout)
    return f"v{found.group(1)}" if done.returncode == 0 and found else ""


def _cached(release: Release, programs: Sequence[Program]) -> Binaries:
    folder = cache_dir(release)
    return Binaries({program: folder / program for program in programs}, release.kubernetes, f"the user cache {folder}")


def _checked(paths: dict[Program, Path], origin: str) -> Binaries | Unusable:
    absent = [program for program, path in paths.items() if not os.access(path, os.X_OK)]
    if absent:
        return Unusable(f"no executable {', '.join(absent)} there")
    versions = {program: version_of(program, path) for program, path in paths.items()}
    if silent := [program for program, version in versions.items() if not version]:
        return Unusable(f"{', '.join(silent)} cannot be run or names no version")
    etcd = versions.pop(Program.ETCD)
    if parse_version(etcd) < OLDEST_ETCD:
        return Unusable(f"etcd {etcd} is older than {'.'.join(map(str, OLDEST_ETCD))}")
    if len(set(versions.values())) > 1:
        listed = ", ".join(f"{program} {version}" for program, version in versions.items())
        return Unusable(f"the programs are not of one Kubernetes release: {listed}")
    kubernetes = versions[Program.APISERVER]
    if parse_version(kubernetes) < OLDEST_KUBERNETES:
        return Unusable(f"Kubernetes {kubernetes} is older than {'.'.join(map(str, OLDEST_KUBERNETES))}")
    return Binaries(paths, kubernetes, origin)
