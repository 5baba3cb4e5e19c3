"""Puts namespaces and CustomResourceDefinitions into a cluster, and returns only when they can be used."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from local_cluster.client import KubectlError
from local_cluster.waiting import wait_until

ESTABLISHED_SECONDS = 30.0


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
    wait_until(lambda: _established(kubectl, applied), timeout=ESTABLISHED_SECONDS, waiting_for=f"{folder} to be Established")
    return [name.partition("/")[2] for name in applied]


def _established(kubectl: Kubectl, names: list[str]) -> bool:
    try:
        kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_SECONDS:.0f}s", *names)
    except KubectlError as error:
        # kubectl 1.36 gives up on an object whose conditions are not there yet, which is so for an instant after the apply.
        if "accessor error" not in error.stderr:
            raise
        return False
    return True
