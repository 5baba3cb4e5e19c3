"""Puts namespaces and CustomResourceDefinitions into a cluster, and returns only when they can be used."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

ESTABLISHED_TIMEOUT = "30s"


class Kubectl(Protocol):
    """Runs kubectl and raises when it fails."""

    def __call__(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]: ...


def create_namespaces(kubectl: Kubectl, names: Iterable[str]) -> None:
    """Make namespaces that do not exist yet."""
    items = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    kubectl("apply", "--server-side", "-f", "-", stdin=listed)


def apply_crds(kubectl: Kubectl, folder: Path) -> list[str]:
    """Apply the CustomResourceDefinitions in `folder`, wait until Established, return their names."""
    applied = kubectl("apply", "--server-side", "-f", str(folder), "-o", "name").stdout.split()
    kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_TIMEOUT}", *applied)
    return [name.partition("/")[2] for name in applied]
