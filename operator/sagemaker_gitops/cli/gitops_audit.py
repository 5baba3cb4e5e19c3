"""Who wrote what, from the sandbox API server's audit log (audit.k8s.io/v1 Events, one a line): the oracle for "nobody writes at rest"."""

from __future__ import annotations

import json

from sagemaker_gitops.cli.sandbox import Sandbox

WRITERS = ("operator", "argocd")
WRITING = ("create", "update", "patch", "delete", "deletecollection")
OWN_GROUP = "argoproj.io"  # Argo CD notes in its own Applications when it looked last


def position(sandbox: Sandbox) -> int:
    """A place in the log to count from."""
    return (sandbox.kubeconfig.parent / "audit.log").stat().st_size


def foreign_writes(sandbox: Sandbox, since: int) -> list[str]:
    """Writes of the operator, and of Argo CD beyond its Applications, refused ones too: `user verb resource place/name when`."""
    with (sandbox.kubeconfig.parent / "audit.log").open("rb") as log:
        log.seek(since)
        lines = [line for line in log.read().split(b"\n") if line.endswith(b"}")]
    found = []
    for event in map(json.loads, lines):
        target = event.get("objectRef") or {}
        user = event.get("user", {}).get("username", "")
        if user in WRITERS and event["verb"] in WRITING and target.get("apiGroup") != OWN_GROUP:
            what = f"{target.get('resource')} {target.get('namespace', '')}/{target.get('name', '')}"
            found.append(f"{user} {event['verb']} {what} {event['requestReceivedTimestamp']}")
    return found
