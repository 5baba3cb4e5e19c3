"""Credential plugins of a kubeconfig, as every EKS kubeconfig has one: for people at a command line, never for the operator.

Source: Kubernetes documentation, "client-go credential plugins" (client.authentication.k8s.io/v1 ExecCredential).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = 60.0


class PluginError(Exception):
    """The plugin gave no credentials; the message names it and what it said."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the plugin answered; texts are PEM, and empty where it gave none."""

    token: str
    certificate: str
    private_key: str


def ask(plugin: Mapping[str, Any]) -> Given:
    """Run the `exec` section of a user and read its ExecCredential. Raises PluginError."""
    command = str(plugin.get("command", ""))
    environment = {str(item.get("name")): str(item.get("value")) for item in plugin.get("env") or ()}
    asked = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    try:
        done = subprocess.run(
            [command, *map(str, plugin.get("args") or ())],
            env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        hint = plugin.get("installHint") or ""
        raise PluginError(f"{command}: {error} {hint}".strip()) from error
    if done.returncode:
        raise PluginError(f"{command} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    try:
        status = json.loads(done.stdout)["status"]
        return Given(status.get("token", ""), status.get("clientCertificateData", ""), status.get("clientKeyData", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PluginError(f"{command} printed no ExecCredential") from error
