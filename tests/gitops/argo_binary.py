"""Argo CD's own command line on our files: what it makes of them without a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from local_cluster.argocd_build import ArgoProgram, find_argocd
from tests.gitops.customizations import ROOT

SETTINGS = ROOT / "argocd" / "settings"
# The notification commands insist on a cluster's address; nobody listens there.
CLUSTER = {"name": "nowhere", "cluster": {"server": "http://127.0.0.1:1"}}
CONTEXT = {"name": "nowhere", "context": {"cluster": "nowhere", "user": ""}}
KUBECONFIG = {"apiVersion": "v1", "kind": "Config", "clusters": [CLUSTER], "contexts": [CONTEXT], "current-context": "nowhere"}


def argocd(*arguments: str | Path) -> str:
    """stdout of `argocd admin ...`; subprocess.CalledProcessError with stderr when it fails."""
    command = [find_argocd() / ArgoProgram.ARGOCD, "admin", *arguments]
    with tempfile.TemporaryDirectory() as home:
        kubeconfig = Path(home) / "kubeconfig"
        kubeconfig.write_text(json.dumps(KUBECONFIG))
        environment = {"KUBECONFIG": str(kubeconfig), "HOME": home, "PATH": os.defpath}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


def overrides(action: str, *arguments: str | Path) -> str:
    """`argocd admin settings resource-overrides ...` with the generated argocd-cm."""
    return argocd("settings", "resource-overrides", action, *arguments, "--argocd-cm-path", SETTINGS / "argocd-cm.yaml")
