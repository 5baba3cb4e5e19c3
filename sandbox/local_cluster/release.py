"""The one Kubernetes release that the sandbox runs, as go.mod pins it.

go.mod is the only place that names versions: the modules are built from it, the cache folder is named by
its hash, and binaries found elsewhere are judged against it.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent
GO_MOD = PACKAGE_DIR / "go.mod"

ETCD_MODULE = "go.etcd.io/etcd/server/v3"
KUBERNETES_MODULE = "k8s.io/kubernetes"


class Program(StrEnum):
    """A program of the control plane, in building order: what the demo waits for comes first."""

    ETCD = "etcd"
    APISERVER = "kube-apiserver"
    KUBECTL = "kubectl"
    CONTROLLER_MANAGER = "kube-controller-manager"


def package(program: Program) -> str:
    """The Go package that `program` is built from; `go.etcd.io/etcd/v3` would be a test package."""
    return ETCD_MODULE if program is Program.ETCD else f"{KUBERNETES_MODULE}/cmd/{program}"


@dataclass(frozen=True, slots=True)
class Release:
    """Versions that one go.mod pins, and the hash that names what was built from it."""

    kubernetes: str
    etcd: str
    go: tuple[int, ...]
    digest: str

    @property
    def cache_name(self) -> str:
        return f"{self.kubernetes}-{self.digest}"


def parse_version(text: str) -> tuple[int, ...]:
    """The leading dotted number in `text` (`go1.26.8`, `v1.36.3`, `v1.32.4-dispatcher`) as integers.

    Raises:
        ValueError: `text` holds no dotted number.
    """
    found = re.search(r"\d+(?:\.\d+)+", text)
    if found is None:
        raise ValueError(f"no version in {text!r}")
    return tuple(int(part) for part in found.group().split("."))


def pinned_release(go_mod: Path = GO_MOD) -> Release:
    """Read the versions that `go_mod` pins.

    Raises:
        ValueError: a version is missing; regenerate the file with `python -m local_cluster.modules`.
    """
    text = go_mod.read_text()
    return Release(
        kubernetes=pinned(text, rf"^\t{re.escape(KUBERNETES_MODULE)} (v\S+)", go_mod),
        etcd=pinned(text, rf"^\t{re.escape(ETCD_MODULE)} (v\S+)", go_mod),
        go=parse_version(pinned(text, r"^go (\S+)", go_mod)),
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
    )


def pinned(text: str, pattern: str, go_mod: Path) -> str:
    """The version that `pattern` finds in the text of `go_mod`.

    Raises:
        ValueError: it finds none.
    """
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{go_mod}: nothing matches {pattern!r}; `make generate` writes it again")
    return found.group(1)


def cache_root() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/sagemaker-gitops`, where built programs and a downloaded Go are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sagemaker-gitops"


def cache_dir(release: Release) -> Path:
    """The folder that holds the programs built from `release`."""
    return cache_root() / "control-plane" / release.cache_name
