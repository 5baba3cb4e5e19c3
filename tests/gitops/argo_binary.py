"""Argo CD's own command line on our files: what it makes of them without a cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from local_cluster.argocd_build import ArgoProgram, find_argocd
from tests.gitops.customizations import ROOT

SETTINGS = ROOT / "argocd" / "settings"
NOWHERE = {"KUBECONFIG": os.devnull, "HOME": "/nonexistent", "PATH": os.defpath}


def argocd(*arguments: str | Path) -> str:
    """stdout of `argocd admin ...`; subprocess.CalledProcessError with stderr when it fails."""
    command = [find_argocd() / ArgoProgram.ARGOCD, "admin", *arguments]
    done = subprocess.run(command, env=NOWHERE, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


def overrides(action: str, *arguments: str | Path) -> str:
    """`argocd admin settings resource-overrides ...` with the generated argocd-cm."""
    return argocd("settings", "resource-overrides", action, *arguments, "--argocd-cm-path", SETTINGS / "argocd-cm.yaml")
